# SPDX-License-Identifier: GPL-2.0-only
"""Bisect real repositories of pretended kernels."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import pytest

from harness.base.events import ignore
from harness.bisect.report import BisectResult, answer_json, answer_lines
from harness.bisect.runner import find_file
from harness.bisect.state import Role, StepStatus
from harness.bisect.state_file import held
from harness.bisect.wanted import TraceSelection
from harness.suite.load import default_suite
from tests.unit.bisect import pretended
from tests.unit.bisect.desk import Desk
from tests.unit.bisect.pretended import CASES
from tests.unit.kernel.user_tree import photograph


def text(answer: BisectResult, width: int = 80) -> str:
    """Return the answer as a terminal shows it."""
    return "\n".join(line.text for line in answer_lines(answer, width))


def test_every_target_is_traced_in_one_bisection(desk: Desk, at: dict[str, str]) -> None:
    """Each trait and case, also one that changes twice, is traced to its commit; the tree is unchanged."""
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


def test_answer_has_what_a_report_needs(desk: Desk, at: dict[str, str]) -> None:
    """It has commit, subject, message, transcripts and traits before and after, steps, both trailers, and builds."""
    output = text(desk.bisect())

    assert f"changed by {at['first'][:12]} views: show absolute paths" in output
    assert "    Because the\n    author said so." in output
    assert "User <user@host>, " in output
    assert "    -    relative\n    +    absolute" in output
    assert "traits before and after: outside_view: relative -> absolute" in output
    assert f'Fixes: {at["first"][:12]} ("views: show absolute paths")' in output
    assert f'#regzbot introduced: {at["first"][:12]} ("views: show absolute paths")' in output
    assert re.search(r"^\d builds \(", output, re.MULTILINE)
    assert all(len(line) <= 80 for line in output.splitlines() if not line.startswith(("    ", "  Fixes", "  #reg")))


def test_cases_do_not_run_on_a_known_image(desk: Desk) -> None:
    """A comment changes a file that is built but not the image: the kernel is built and no case runs."""
    for number in range(8):
        desk.tree.change(comment=f"filler {number}")
    desk.tree.change(outside_view="absolute")
    answer = desk.bisect()
    steps = [step for step in answer.state.steps if step.role is Role.STEP]

    assert steps
    assert {step.judged for step in steps} == {StepStatus.SAME_IMAGE}
    assert not any(step.runs for step in steps)


def test_untestable_commits_are_listed_if_they_hide_the_answer(desk: Desk) -> None:
    """The answer is the last of several commits, and lists the others."""
    desk.tree.change(comment="fine", self_view="relative")
    broken = [desk.tree.change(broken="no semicolon"), desk.tree.change(outside_view="absolute")]
    end = desk.tree.change(broken="")
    desk.tree.change(comment="after")
    answer = desk.bisect()
    output = text(answer)

    assert not answer.is_whole
    assert [one.hash for one in answer.culprits[0].hidden] == broken
    assert "these could not be tested and may have changed it:" in output
    assert "Fixes:" not in output
    assert f"..{end[:12]}" in output


def test_killed_bisection_continues(desk: Desk, at: dict[str, str]) -> None:
    """Wherever it is interrupted, it ends with the same steps, and none is made twice."""
    whole = desk.bisect()
    commits = [(step.commit, step.role, step.seen) for step in whole.state.steps]
    calls = len(desk.runners[0].asked)
    for interrupt_at in range(1, calls, 5):
        desk.state.unlink()
        desk.interrupt_at = interrupt_at
        for _ in range(3 * calls):
            try:
                answer = desk.bisect()
            except KeyboardInterrupt:
                desk.interrupt_at += 1 if desk.interrupt_at == 1 else 0
                continue
            break
        assert [(step.commit, step.role, step.seen) for step in answer.state.steps] == commits


def test_finished_bisection_shows_its_answer_again(desk: Desk, at: dict[str, str]) -> None:
    """The same command gives the same answer without a build or a run."""
    first = text(desk.bisect())
    again = text(desk.bisect())

    assert again == first
    assert not desk.runners[-1].built


def test_replay_takes_each_decision_again(desk: Desk, at: dict[str, str]) -> None:
    """It shows what was open and why a commit was chosen, and runs nothing."""
    answer = desk.bisect()
    output = desk.replay()

    assert output.count("the strategy chooses it again") == answer.builds
    assert "THE STRATEGY NOW CHOOSES" not in output
    assert "commits" in output
    assert len(desk.runners) == 1


def test_flaky_target_is_rerun_until_the_verdict_is_sure(desk: Desk) -> None:
    """A trait that is flaky from one commit on is traced to it, and the confidence is shown."""
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


def test_reruns_use_the_end_and_not_its_twin(desk: Desk) -> None:
    """The bad end only changes documentation: its parent would have to be built, and would be a step."""
    for name in "abcd":
        parent = desk.tree.change(mountinfo_root=name)
    end = desk.tree.document("only text")
    answer = desk.bisect(wanted=TraceSelection(traits=("mountinfo_root",)))
    built = {word.rpartition("@")[2] for word in desk.runners[0].built}

    assert end in built
    assert parent not in built
    assert {step.commit for step in answer.state.steps} == built


def test_equally_flaky_target_is_not_traced(desk: Desk) -> None:
    """Chance may look like a difference; the answer lists the target as not traced."""
    desk.tree.change(outside_view="relative|absolute")
    desk.tree.git("tag", "flaky")
    for name in "abcd":
        desk.tree.change(mountinfo_root=name)
    answer = desk.bisect("flaky", wanted=TraceSelection(traits=("outside_view", "mountinfo_root")))

    assert [target for target, _ in answer.left] == ["trait outside_view"]
    assert "equally flaky at both ends" in text(answer)
    assert not answer.is_whole
    assert {change.target for one in answer.culprits for change in one.changes} == {"trait mountinfo_root"}


def test_target_that_changed_and_changed_back_is_traced(desk: Desk) -> None:
    """A case that runs for another target shows such a trait; both changes are reported."""
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
    assert "trait outside_view has one value at both ends and another here" in desk.shown.getvalue()


def test_branches_and_merges_are_bisected(desk: Desk) -> None:
    """A change on a merged side branch is found on the side branch."""
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


def test_ends_on_two_branches_start_at_their_merge_base(desk: Desk) -> None:
    """Cases run on the merge base, and a change on either side is found."""
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
    """``--trait`` and ``--case`` exclude all other targets."""
    answer = desk.bisect(wanted=TraceSelection(traits=("mountinfo_root",), cases=("siblings-v2",)))

    assert {one.target.key for one in answer.state.targets} == {
        "trait mountinfo_root",
        "case cgroupns/views/siblings-v2.session",
    }


def test_answer_json_can_be_written(desk: Desk, at: dict[str, str]) -> None:
    """The answer as a table can be dumped as JSON."""
    value = json.loads(json.dumps(answer_json(desk.bisect())))

    assert [one["commit"]["hash"] for one in value["culprits"]] == [at["first"], at["second"]]
    assert value["culprits"][0]["fixes"].startswith(f"Fixes: {at['first'][:12]}")
    assert value["builds"] <= value["log2_n_plus_k"]


def test_second_process_waits_for_the_first(tmp_path: Path) -> None:
    """The second process reports that it waits, and continues when the first has ended."""
    reported = threading.Event()
    order: list[str] = []

    def second() -> None:
        with held(tmp_path, report=lambda _: reported.set()):
            order.append("second")

    with held(tmp_path, report=ignore):
        other = threading.Thread(target=second)
        other.start()
        reported.wait()
        order.append("first")
    other.join()

    assert order == ["first", "second"]


def test_pretended_cases_exist() -> None:
    """A renamed case fails here, with a clear reason."""
    assert all(find_file(file, default_suite()).is_file() for file in CASES.values())
