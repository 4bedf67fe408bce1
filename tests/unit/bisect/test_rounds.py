# SPDX-License-Identifier: GPL-2.0-only
"""Bisect with several builders: rounds of commits that are built at the same time, in the state and in the output."""

from __future__ import annotations

import re

import pytest

from harness.bisect.report import answer_json, answer_lines
from harness.bisect.several import hoped_rounds
from harness.bisect.state import Role, load_bisect
from tests.unit.bisect.desk import Desk


def traced(desk: Desk, builders: int) -> dict[tuple[str, str], str]:
    """Bisect, and return the commit of each change."""
    answer = desk.bisect(restart=True, builders=builders)
    return {(change.target, change.after): one.commit.hash for one in answer.culprits for change in one.changes}


@pytest.mark.parametrize("builders", [1, 2, 3, 5])
def test_the_answer_does_not_depend_on_the_number_of_builders(desk: Desk, at: dict[str, str], builders: int) -> None:
    """Each change is traced to the same commit, also beside a commit that does not build."""
    alone = traced(desk, 0)

    assert traced(desk, builders) == alone
    assert set(alone.values()) == {at["first"], at["second"]}


def test_a_round_is_built_at_the_same_time(desk: Desk, at: dict[str, str]) -> None:
    """Its commits are built before the first of them is tested; first of all, both ends are."""
    answer = desk.bisect(builders=3)
    state, (runner,) = answer.state, desk.runners

    assert len(runner.ahead[0]) == 2
    assert runner.ahead[1:] == [one.commits for one in state.rounds]
    assert all(1 <= len(one.commits) <= 3 for one in state.rounds)
    for step in (one for one in state.steps if one.role is Role.STEP):
        assert step.commit in state.rounds[step.round - 1].commits
    assert load_bisect(desk.state.read_text(), source="the state") == state


def test_one_target_takes_few_rounds(desk: Desk) -> None:
    """log_{k+1}(N) + 2 at most, and fewer than the builds of a search with one builder."""
    for number in range(40):
        desk.tree.change(comment=f"filler {number}", **({"outside_view": "absolute"} if number == 17 else {}))
    answer = desk.bisect(builders=4)

    assert len(answer.state.rounds) <= hoped_rounds(40, 4)
    assert len(answer.state.rounds) < 4
    assert answer.culprits[0].changes[0].after == "absolute"


def test_a_needless_commit_of_a_round_is_not_tested(desk: Desk) -> None:
    """The results of others may tell it: it was built, and no case runs on it."""
    for number in range(12):
        desk.tree.change(comment=f"filler {number}", **({"outside_view": "absolute"} if number == 1 else {}))
    answer = desk.bisect(builders=5)
    steps = [one for one in answer.state.steps if one.role is Role.STEP]
    built = {commit for one in answer.state.rounds for commit in one.commits}

    assert {one.commit for one in steps} < built
    assert answer.builds == len(built)


def test_an_interrupted_round_goes_on(desk: Desk) -> None:
    """The same round is built again, without what was tested, and the answer is the same."""
    for number in range(20):
        # Each has another image, so that cases run on each.
        desk.tree.change(note=str(number), **({"outside_view": "absolute"} if number == 9 else {}))
    desk.interrupt_at = 6
    with pytest.raises(KeyboardInterrupt):
        desk.bisect(builders=5)
    before = load_bisect(desk.state.read_text(), source="the state")
    desk.interrupt_at = 0
    answer = desk.bisect(builders=5)
    tested = {one.commit for one in before.steps}

    assert tested & set(before.rounds[-1].commits), "interrupted within a round"
    assert answer.state.rounds[: len(before.rounds)] == before.rounds
    assert set(desk.runners[1].ahead[0]) == set(before.rounds[-1].commits) - tested
    assert desk.runners[1].ahead[1:] == [one.commits for one in answer.state.rounds[len(before.rounds) :]]
    (culprit,) = answer.culprits
    assert culprit.commit.subject.startswith("change {'note': '9'")


def test_rounds_are_told(desk: Desk, at: dict[str, str]) -> None:
    """Which commits are built at the same time, what they tell together, and the number of rounds beside the hope."""
    answer = desk.bisect(builders=3)
    shown = desk.shown.getvalue()
    end = "\n".join(line.text for line in answer_lines(answer, 80))
    data = answer_json(answer)

    assert re.search(
        r"note: round 1: building 3 at the same time: \w+, \w+, \w+; together they tell [\d.]+ bits", shown
    )
    assert re.search(rf"in {len(answer.state.rounds)}\s+rounds\s+of\s+up\s+to\s+3", end)
    assert data["rounds"] == [
        {"commits": list(one.commits), "builders": 3, "bits": one.bits} for one in answer.state.rounds
    ]
    assert all(len(line) <= 80 for line in end.splitlines() if not line.startswith(("    ", "  Fixes", "  #reg")))


def test_a_replay_chooses_the_rounds_again(desk: Desk, at: dict[str, str]) -> None:
    """Each step of a round is chosen among the commits that the strategy chooses for it now."""
    desk.bisect(builders=3)
    replayed = desk.replay()

    assert "the strategy chooses it again" in replayed
    assert "THE STRATEGY NOW CHOOSES" not in replayed
    assert "round 1" in replayed
