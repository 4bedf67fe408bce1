# SPDX-License-Identifier: GPL-2.0-only
"""The order of the cases of a run."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.model.run_record import OutcomeCount
from harness.model.verdict import Outcome
from harness.run.order import Past, deal, dump_past, in_order, read_past, with_first
from tests.unit.report.sample import case

PAST = {
    "slow": Past(9.0, has_failed=False),
    "quick": Past(0.3, has_failed=False),
    "failed": Past(20.0, has_failed=True),
    "failed quick": Past(0.2, has_failed=True),
}


def test_failed_cases_come_first_then_new_ones_then_the_quickest() -> None:
    """Among the failed cases the quickest is first as well."""
    names = ["slow", "new", "quick", "failed", "newer", "failed quick"]

    assert in_order(names, names, PAST) == ["failed quick", "failed", "new", "newer", "quick", "slow"]
    assert in_order([1, 2], ["slow", "quick"], PAST) == [2, 1]


def test_cases_that_reach_a_change_come_after_the_failed_ones() -> None:
    """They come in the given order, before new cases; the numbers are not kept for the next run."""
    names = ["slow", "unknown", "new", "quick", "failed", "failed quick"]
    past = with_first(PAST, ["slow", "new", "quick", "gone"])

    assert in_order(names, names, past) == ["failed quick", "failed", "slow", "new", "quick", "unknown"]
    assert read_past({"a": [1.0, True, 3]}) == {"a": Past(1.0, has_failed=True, first=3)}
    assert read_past(dump_past(past, []))["slow"] == PAST["slow"]
    assert not any(one.first for one in with_first(past, ()).values())


def test_slow_cases_come_last_and_begin_with_the_slowest() -> None:
    """Workers that run the last cases end at about the same time."""
    seconds = {"slower": 9.0, "slow": 6.0, **{f"quick {number}": 1.0 + number / 4 for number in range(8)}}
    past = {name: Past(one, has_failed=False) for name, one in seconds.items()}

    assert in_order([*past], [*past], past) == [*(f"quick {number}" for number in range(8)), "slower", "slow"]


def test_noise_in_durations_does_not_change_the_order() -> None:
    """Cases that are about equally quick stay in the order of the files."""
    names = ["a", "b", "c"]
    past = {name: Past(seconds, has_failed=False) for name, seconds in zip(names, (0.59, 0.41, 0.55), strict=True)}

    assert in_order(names, names, past) == names
    assert in_order(names, names, {}) == names


def test_results_are_kept_for_the_next_run() -> None:
    """A known failure is none; a skipped case keeps its duration; that of a repeated case is for one round."""
    cases = [
        case("slow", Outcome.SKIPPED, seconds=0.0),
        case("quick", Outcome.MISMATCH, seconds=0.5),
        replace(case("known", Outcome.MISMATCH, seconds=1.0), known="known until 2030"),
        case("odd", Outcome.ERROR, seconds=1.0),
        replace(case("often", Outcome.MATCH, seconds=9.0), tries=(OutcomeCount(Outcome.MATCH, 3),)),
    ]
    kept = read_past(dump_past(PAST, cases))

    assert kept["slow"] == Past(9.0, has_failed=False)
    assert kept["quick"] == Past(0.5, has_failed=True)
    assert kept["failed"] == PAST["failed"]
    assert [kept[name].has_failed for name in ("known", "odd")] == [False, True]
    assert kept["often"].seconds == 3.0


def test_damaged_facts_are_left_out() -> None:
    """They decide nothing but an order."""
    assert read_past({"a": [1, True], "b": [1], "c": "x", "d": [True], "e": ["1", False], "f": [1, 0]}) == {
        "a": Past(1.0, has_failed=True)
    }


@given(st.integers(0, 60), st.integers(1, 8))
def test_workers_together_keep_the_order(number: int, workers: int) -> None:
    """The blocks are those of pytest-xdist: each worker takes its share of what is left."""
    left = deal(range(number), workers)
    blocks = []
    for at in range(workers):
        size = len(left) // (workers - at)
        blocks.append(left[:size])
        left = left[size:]

    assert not left
    assert sorted(one for block in blocks for one in block) == list(range(number))
    for turn in range(number // workers):
        assert {block[turn] for block in blocks} == set(range(turn * workers, (turn + 1) * workers))
