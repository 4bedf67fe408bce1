"""A bisection as it is asked for, on real repositories and pretended kernels."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import pytest

from harness.base.events import ignore
from harness.bisect.report import BisectResult, answer_json, answer_lines
from harness.bisect.request import TraceSelection
from harness.bisect.runner import find_file
from harness.bisect.state import Role, StepStatus
from harness.bisect.state_file import held
from harness.suite.load import default_suite
from tests.unit.bisect import pretended
from tests.unit.bisect.desk import Desk
from tests.unit.bisect.pretended import CASES
from tests.unit.kernel.user_tree import photograph


def text(answer: BisectResult, width: int = 80) -> str:
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
        ("case cgroupns/views/siblings-v2.session", "mismatch: outside_view: this kernel says absolute"): at["first"],
        ("case cgroupns/views/siblings-v2.session", "mismatch: outside_view: this kernel says hidden"): at["second"],
        ("case cgroupns/mounts/mountinfo-v2.session", "mismatch: mountinfo_root: this kernel says unscoped"): at[
            "second"
        ],
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
    assert {step.judged for step in steps} == {StepStatus.SAME_IMAGE}
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
    answer = desk.bisect(wanted=TraceSelection(traits=("outside_view",)))
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
    answer = desk.bisect(wanted=TraceSelection(traits=("mountinfo_root",)))
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
    answer = desk.bisect("flaky", wanted=TraceSelection(traits=("outside_view", "mountinfo_root")))

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
    answer = desk.bisect(wanted=TraceSelection(traits=("mountinfo_root",), cases=("siblings-v2",)))

    assert {one.target.key for one in answer.state.targets} == {
        "trait mountinfo_root",
        "case cgroupns/views/siblings-v2.session",
    }


def test_the_answer_is_there_for_programs(desk: Desk, at: dict[str, str]) -> None:
    """JSON with all of it, which can be written."""
    value = json.loads(json.dumps(answer_json(desk.bisect())))

    assert [one["commit"]["hash"] for one in value["culprits"]] == [at["first"], at["second"]]
    assert value["culprits"][0]["fixes"].startswith(f"Fixes: {at['first'][:12]}")
    assert value["builds"] <= value["log2_n_plus_k"]


def test_two_at_one_bisection_wait_for_each_other(tmp_path: Path) -> None:
    """The second says what it waits for, and goes on when the first has ended."""
    said = threading.Event()
    order: list[str] = []

    def second() -> None:
        with held(tmp_path, report=lambda _: said.set()):
            order.append("second")

    with held(tmp_path, report=ignore):
        other = threading.Thread(target=second)
        other.start()
        said.wait()
        order.append("first")
    other.join()

    assert order == ["first", "second"]


def test_the_cases_that_are_pretended_are_there() -> None:
    """A case that is renamed breaks these tests where they can be mended."""
    assert all(find_file(file, default_suite()).is_file() for file in CASES.values())
