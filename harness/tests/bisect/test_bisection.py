"""A bisection as it is asked for, on real repositories and pretended kernels."""

from __future__ import annotations

import io
import json
import re
import shutil
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harness import places
from harness.bisect import request
from harness.bisect.keeping import STATE_NAME, held
from harness.bisect.request import Request, Wanted
from harness.bisect.state import Judged, Role, loads
from harness.bisect.state import dumps as dump_state
from harness.bisect.story import Answer, answer_json, answer_lines
from harness.errors import HarnessError, SeriesError, UsageError
from harness.kernel.repository import Repository
from harness.pipeline import Options
from harness.report.terminal import PlainDisplay
from harness.store import Store
from harness.tests.bisect import pretended
from harness.tests.bisect.pretended import CASES, PretendedAsker, PretendedTree, pretended_tree
from harness.tests.kernel.user_tree import photograph


@dataclass
class Desk:
    """Somebody who bisects: a tree, a results folder, and what was shown."""

    tree: PretendedTree
    folder: Path
    askers: list[PretendedAsker] = field(default_factory=list)
    shown: io.StringIO = field(default_factory=io.StringIO)
    interrupt_at: int = 0

    def request(self, good: str = "v9.0", bad: str = "HEAD", wanted: Wanted | None = None) -> Request:
        """What is typed."""
        words = wanted or Wanted()
        return Request(str(self.tree.folder), good, bad, words, Options(), 1, self.folder / "results", "harness bisect")

    def bisect(self, good: str = "v9.0", bad: str = "HEAD", wanted: Wanted | None = None, **how: bool) -> Answer:
        """Bisect with a store of its own."""
        display = PlainDisplay(self.shown)
        return self.request(good, bad, wanted).run(display, store=Store(self.folder / "store"), **how)

    def replay(self) -> str:
        """The decisions, as text."""
        make = self.request().replay(store=Store(self.folder / "store"))
        return "\n".join(line.text for line in make(80))

    @property
    def state(self) -> Path:
        """The file of the state."""
        return self.request().folder / STATE_NAME


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    one = Desk(pretended_tree(tmp_path / "linux"), tmp_path)

    def make(*words: Any) -> PretendedAsker:
        asker = PretendedAsker(*words)
        asker.interrupt_at = one.interrupt_at
        one.askers.append(asker)
        return asker

    monkeypatch.setattr(request, "Asker", make)
    return one


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The long history, made once: a hundred git programs take seconds."""
    tree = pretended_tree(tmp_path_factory.mktemp("made") / "linux")
    return tree.folder, make_history(tree)


@pytest.fixture
def at(desk: Desk, made: tuple[Path, dict[str, str]]) -> dict[str, str]:
    """The desk's tree has the long history; the commits that change something in it."""
    shutil.rmtree(desk.tree.folder)
    shutil.copytree(made[0], desk.tree.folder)
    return made[1]


def make_history(tree: PretendedTree) -> dict[str, str]:
    """Thirty commits: two traits that change, one of them twice, fillers, and a commit that does not build."""
    at = {}
    for number in range(4):
        tree.change(comment=f"filler {number}")
    at["first"] = tree.change(
        outside_view="absolute", message="views: show absolute paths\n\nBecause the\nauthor said so."
    )
    for number in range(6):
        tree.document(f"page {number}")
    tree.change(comment="another", self_view="relative")
    tree.change(broken="missing semicolon")
    tree.change(broken="")
    for number in range(5):
        tree.change(comment=f"more {number}")
    at["second"] = tree.change(outside_view="hidden", mountinfo_root="unscoped")
    for number in range(8):
        tree.change(comment=f"last {number}")
    return at


def text(answer: Answer, width: int = 80) -> str:
    """The answer as a terminal shows it."""
    return "\n".join(line.text for line in answer_lines(answer, width))


def test_every_target_is_traced_in_one_go(desk: Desk, at: dict[str, str]) -> None:
    """Traits and cases, one that changes twice among them, each to its commit; the tree is as it was, byte by byte."""
    before = photograph(desk.tree.folder)
    answer = desk.bisect()
    found = {(change.target, change.after): one.commit.hash for one in answer.culprits for change in one.changes}

    assert found == {
        ("trait outside_view", "absolute"): at["first"],
        ("trait outside_view", "hidden"): at["second"],
        ("trait mountinfo_root", "unscoped"): at["second"],
        ("case cases/views/siblings-v2.session", "mismatch: outside_view: this kernel says absolute"): at["first"],
        ("case cases/views/siblings-v2.session", "mismatch: outside_view: this kernel says hidden"): at["second"],
        ("case cases/mounts/mountinfo-v2.session", "mismatch: mountinfo_root: this kernel says unscoped"): at["second"],
    }
    assert answer.is_whole
    assert answer.builds <= answer.hoped
    assert answer.builds <= answer.most
    assert photograph(desk.tree.folder) == before


def test_the_answer_says_what_a_report_needs(desk: Desk, at: dict[str, str]) -> None:
    """Commit, subject, the author's words, transcripts and traits before and after, the steps, both lines, the
    count."""
    told = text(desk.bisect())

    assert f"changed by {at['first'][:12]} views: show absolute paths" in told
    assert "    Because the\n    author said so." in told
    assert "User <user@host>, " in told
    assert "    -    relative\n    +    absolute" in told
    assert "traits before and after: outside_view: relative -> absolute" in told
    assert f'Fixes: {at["first"][:12]} ("views: show absolute paths")' in told
    assert f'#regzbot introduced: {at["first"][:12]} ("views: show absolute paths")' in told
    assert re.search(r"^\d builds \(", told, re.MULTILINE)
    assert all(len(line) <= 80 for line in told.splitlines() if not line.startswith(("    ", "  Fixes", "  #reg")))


def test_commits_of_which_the_image_is_known_are_not_asked(desk: Desk) -> None:
    """A comment changes a file that is built, and not the image: the build tells, and no case is asked."""
    for number in range(8):
        desk.tree.change(comment=f"filler {number}")
    desk.tree.change(outside_view="absolute")
    answer = desk.bisect()
    steps = [step for step in answer.state.steps if step.role is Role.STEP]

    assert steps
    assert {step.judged for step in steps} == {Judged.SAME_IMAGE}
    assert not any(step.runs for step in steps)


def test_what_does_not_build_is_named_when_it_hides_the_answer(desk: Desk) -> None:
    """Without a commit that it could be held against, the last of them and those that hide it are told."""
    desk.tree.change(comment="fine", self_view="relative")
    broken = [desk.tree.change(broken="no semicolon"), desk.tree.change(outside_view="absolute")]
    end = desk.tree.change(broken="")
    desk.tree.change(comment="after")
    answer = desk.bisect()
    told = text(answer)

    assert not answer.is_whole
    assert [one.hash for one in answer.culprits[0].hidden] == broken
    assert "hidden by commits that could not be judged:" in told
    assert "Fixes:" not in told
    assert f"..{end[:12]}" in told


def test_killed_and_started_again_it_goes_on(desk: Desk, at: dict[str, str]) -> None:
    """Wherever it is interrupted, the steps in the end are those of one that was not, and none is made twice."""
    whole = desk.bisect()
    commits = [(step.commit, step.role, step.seen) for step in whole.state.steps]
    asks = len(desk.askers[0].asked)
    for interrupt_at in range(1, asks, 5):
        desk.state.unlink()
        desk.interrupt_at = interrupt_at
        for _ in range(3 * asks):
            try:
                answer = desk.bisect()
            except KeyboardInterrupt:
                desk.interrupt_at += 1 if desk.interrupt_at == 1 else 0
                continue
            break
        assert [(step.commit, step.role, step.seen) for step in answer.state.steps] == commits


def test_when_it_is_over_it_is_told_again_for_nothing(desk: Desk, at: dict[str, str]) -> None:
    """The same words once more: the same answer, nothing built or asked."""
    first = text(desk.bisect())
    again = text(desk.bisect())

    assert again == first
    assert not desk.askers[-1].built


def test_a_replay_shows_each_decision_and_takes_it_again(desk: Desk, at: dict[str, str]) -> None:
    """What was open, why that commit, and that the strategy still says so; nothing is asked."""
    answer = desk.bisect()
    told = desk.replay()

    assert told.count("the strategy chooses the same again") == answer.builds
    assert "NOW IT WOULD" not in told
    assert "commits" in told
    assert len(desk.askers) == 1


def test_a_flaky_target_is_asked_until_the_verdict_is_sure(desk: Desk) -> None:
    """A trait that answers by chance from one commit on is traced there, and the confidence is told."""
    for name in ("A", "B", "C", "D", "E", "F", "G"):
        desk.tree.change(mountinfo_root=name)
    flaky = desk.tree.change(outside_view="relative|absolute", message="views: by chance")
    for name in ("a", "b", "c", "d", "e", "f", "g"):
        desk.tree.change(mountinfo_root=name)
    answer = desk.bisect(wanted=Wanted(traits=("outside_view",)))
    changes = {change.target: (one, change) for one in answer.culprits for change in one.changes}
    culprit, change = changes["trait outside_view"]

    assert culprit.commit.hash == flaky
    assert (change.before, change.after) == (("relative",), "absolute or relative")
    assert 0.97 < change.confidence < 1
    assert "(confidence " in text(answer)
    assert any(step.role is Role.AGAIN for step in answer.state.steps)


def test_an_end_is_asked_again_itself_and_not_a_commit_with_the_same_files(desk: Desk) -> None:
    """The bad end documents only: its parent would have to be built, and would be told as a step."""
    for name in "abcd":
        parent = desk.tree.change(mountinfo_root=name)
    end = desk.tree.document("only text")
    answer = desk.bisect(wanted=Wanted(traits=("mountinfo_root",)))
    built = {word.rpartition("@")[2] for word in desk.askers[0].built}

    assert end in built
    assert parent not in built
    assert {step.commit for step in answer.state.steps} == built


def test_what_is_flaky_at_both_ends_alike_is_not_traced(desk: Desk) -> None:
    """It may look like a difference; it is told, and what it was taken for is not."""
    desk.tree.change(outside_view="relative|absolute")
    desk.tree.git("tag", "flaky")
    for name in "abcd":
        desk.tree.change(mountinfo_root=name)
    answer = desk.bisect("flaky", wanted=Wanted(traits=("outside_view", "mountinfo_root")))

    assert [target for target, _ in answer.left] == ["trait outside_view"]
    assert "flaky at both ends alike" in text(answer)
    assert not answer.is_whole
    assert {change.target for one in answer.culprits for change in one.changes} == {"trait mountinfo_root"}


def test_what_is_the_same_at_both_ends_and_otherwise_between_is_traced_when_it_is_met(desk: Desk) -> None:
    """A trait that changed and changed back, shown by a case that was asked for another one: both changes are told."""
    desk.tree.change(comment="1", mountinfo_root="a")
    there = desk.tree.change(outside_view="absolute")
    back = desk.tree.change(outside_view="relative")
    desk.tree.change(mountinfo_root="b")
    both = {**CASES, "outside_view": CASES["mountinfo_root"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretended, "CASES", both)
        answer = desk.bisect()
    found = [
        (change.before, change.after, one.commit.hash)
        for one in answer.culprits
        for change in one.changes
        if change.target == "trait outside_view"
    ]

    assert found == [(("relative",), "absolute", there), (("absolute",), "relative", back)]
    assert "trait outside_view is the same at both ends and otherwise here" in desk.shown.getvalue()


def test_branches_and_merges_are_bisected(desk: Desk) -> None:
    """A change on a side branch that was merged is found on the side branch."""
    tree = desk.tree
    tree.change(comment="one", self_view="relative")
    tree.git("checkout", "--quiet", "-b", "side", "v9.0")
    tree.change(comment="side 1")
    culprit = tree.change(outside_view="absolute")
    tree.document("of the side")
    tree.git("checkout", "--quiet", "master")
    tree.git("merge", "--quiet", "--no-edit", "--strategy-option=theirs", "side")
    tree.document("after the merge")
    answer = desk.bisect()

    assert [one.commit.hash for one in answer.culprits] == [culprit]


def test_ends_on_two_branches_begin_where_they_part(desk: Desk) -> None:
    """The commit where the branches part is asked, and a change of either side is told of it."""
    tree = desk.tree
    tree.git("checkout", "--quiet", "-b", "stable")
    here = tree.change(mountinfo_root="unscoped")
    tree.change(comment="stable 2", self_view="relative")
    tree.git("checkout", "--quiet", "master")
    tree.said = dict.fromkeys(("outside_view", "mountinfo_root", "self_view"), "relative")
    there = tree.change(outside_view="absolute")
    tree.change(comment="mainline 2")
    answer = desk.bisect("stable", "master")
    found = {change.target: one.commit.hash for one in answer.culprits for change in one.changes}

    assert found["trait mountinfo_root"] == here
    assert found["trait outside_view"] == there
    assert Role.PARTING in {step.role for step in answer.state.steps}


def test_named_targets_are_traced_and_no_others(desk: Desk, at: dict[str, str]) -> None:
    """--trait and --case leave the rest alone."""
    answer = desk.bisect(wanted=Wanted(traits=("mountinfo_root",), cases=("siblings-v2",)))

    assert {one.target.key for one in answer.state.targets} == {
        "trait mountinfo_root",
        "case cases/views/siblings-v2.session",
    }


def test_the_answer_is_there_for_programs(desk: Desk, at: dict[str, str]) -> None:
    """JSON with all of it, which can be written."""
    value = json.loads(json.dumps(answer_json(desk.bisect())))

    assert [one["commit"]["hash"] for one in value["culprits"]] == [at["first"], at["second"]]
    assert value["culprits"][0]["fixes"].startswith(f"Fixes: {at['first'][:12]}")
    assert value["builds"] <= value["log2_n_plus_k"]


def refused(desk: Desk, *words: str, good: str = "v9.0", bad: str = "HEAD", wanted: Wanted | None = None) -> str:
    """The error that it ends with, which says what to do; these words are in it."""
    with pytest.raises(HarnessError) as caught:
        desk.bisect(good, bad, wanted)
    assert caught.value.remedy
    told = str(caught.value)
    assert [word for word in words if word not in told] == [], told
    return told


def test_revisions_that_make_no_bisection_are_refused(desk: Desk) -> None:
    """None of that name, the same twice, the wrong order, no history in common: each is told, with what each end is."""
    first = desk.tree.git("rev-parse", "HEAD")
    desk.tree.change(outside_view="absolute")
    desk.tree.git("checkout", "--quiet", "--orphan", "alone")
    desk.tree.change(comment="alone")

    refused(desk, "has no revision v9.9", good="v9.9")
    refused(desk, "has no revision nonsense", bad="nonsense")
    refused(desk, "--good is missing", good="")
    refused(desk, "both ends are the same commit", first, bad="v9.0")
    refused(desk, "--good master is newer than --bad v9.0", "swap them", good="master", bad="v9.0")
    refused(desk, "have no history in common", good="v9.0", bad="alone")


def test_ends_that_do_not_differ_are_told_with_what_was_compared(desk: Desk) -> None:
    """Nothing built, the same image, the same behaviour, or not in what was asked for."""
    desk.tree.document("only text")
    refused(desk, "nothing differs between the ends", "none of the 1 commits changes what is built")
    desk.tree.change(comment="a comment")
    refused(desk, "they have the same kernel image", "sha256 of both images")
    desk.tree.change(other="yes")
    refused(desk, "nothing differs between the ends", "compared: 3 traits and 3 cases", "good: ", "runs/")
    desk.tree.change(outside_view="absolute")
    wanted = Wanted(traits=("self_view",))
    refused(desk, "self_view does not differ", "self_view: relative at both ends", wanted=wanted)


def test_words_that_name_no_target_are_refused(desk: Desk) -> None:
    """A slip in the name of a trait or case costs no build."""
    refused(desk, "there is no such trait", "outside_view", wanted=Wanted(traits=("outside_vew",)))
    refused(desk, "no case has this in its id", wanted=Wanted(cases=("nonsense",)))

    assert not any(asker.built for asker in desk.askers)


def test_an_end_that_does_not_build_is_a_result(desk: Desk) -> None:
    """It is the kernel's fault, and told of which end."""
    desk.tree.change(outside_view="absolute", broken="yes")

    assert "the bad end cannot be judged: it does not build" in refused(desk)
    with pytest.raises(SeriesError):
        desk.bisect()


def test_a_tree_that_moves_changes_nothing_unless_it_is_begun_anew(desk: Desk, at: dict[str, str]) -> None:
    """A branch that moved is not silently another bisection; by the commit's name the old one goes on."""
    was = desk.tree.git("rev-parse", "HEAD")
    desk.bisect()
    desk.tree.change(outside_view="absolute")
    refused(desk, "the tree has moved", was, "--restart")

    assert desk.bisect(restart=True).state.bad_commit != was


def test_a_commit_that_the_tree_has_lost_is_named(
    desk: Desk, at: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """History that was rewritten and collected while it was bisected: what is gone, and how to go on."""
    real = PretendedAsker.image_of

    def lose(asker: PretendedAsker, word: str, *, name: str) -> str:
        if "step" in name:
            raise UsageError("there is no such revision", remedy="-")
        return real(asker, word, name=name)

    monkeypatch.setattr(PretendedAsker, "image_of", lose)
    monkeypatch.setattr(Repository, "has_commit", lambda *_, **__: False)
    refused(desk, "is not in the tree any more", "--restart")


def test_a_state_that_cannot_be_read_is_named(desk: Desk, at: dict[str, str]) -> None:
    """Damaged or of a newer harness: the file, and what to do."""
    desk.bisect()
    kept = desk.state.read_text()
    desk.state.write_text(kept[:100])
    refused(desk, str(desk.state), "is damaged", "--restart")
    desk.state.write_text(kept.replace(at["first"], "0" * 40))
    refused(desk, str(desk.state), "is not of this history", "--restart")
    desk.state.write_text(kept.replace('"format_version": 1', '"format_version": 99'))
    refused(desk, str(desk.state), "of format 99", "reads up to format 1")

    assert loads(kept, source="state").targets
    assert desk.bisect(restart=True).is_whole


def test_a_case_that_was_changed_meanwhile_is_named(
    desk: Desk, at: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers before and after cannot be compared."""
    answer = desk.bisect()
    files = tuple(replace(one, digest="other") for one in answer.state.files)
    desk.state.write_text(dump_state(replace(answer.state, files=files)))

    assert "was changed since this bisection began" in refused(desk, answer.state.files[0].id)


def test_two_at_one_bisection_wait_for_each_other(tmp_path: Path) -> None:
    """The second says what it waits for, and goes on when the first has ended."""
    said = threading.Event()
    order: list[str] = []

    def second() -> None:
        with held(tmp_path, note=lambda _: said.set()):
            order.append("second")

    with held(tmp_path, note=lambda _: None):
        other = threading.Thread(target=second)
        other.start()
        said.wait()
        order.append("first")
    other.join()

    assert order == ["first", "second"]


def test_a_replay_of_nothing_says_what_there_is(desk: Desk) -> None:
    """The words must be those of a bisection that was begun."""
    with pytest.raises(UsageError, match="no such bisection"):
        desk.replay()


def test_the_cases_that_are_pretended_are_there() -> None:
    """A case that is renamed breaks these tests where they can be mended."""
    assert all((places.ROOT / file).is_file() for file in CASES.values())
