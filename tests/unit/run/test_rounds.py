# SPDX-License-Identifier: GPL-2.0-only
"""Cases that are asked several times."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.run_record import CaseRecord, OutcomeCount
from harness.model.verdict import FAILED, Outcome
from harness.run.rounds import ONCE, Rounds, is_settled, join, shuffle
from tests.unit.report.sample import case

OUTCOMES = st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=8)


def joined(outcomes: list[Outcome]) -> CaseRecord:
    """Return a case with these results, round by round; each reason is the number of its round."""
    result = None
    for number, outcome in enumerate(outcomes, start=1):
        result = join(result, replace(case("cases/a", outcome, seconds=1.0), reason=str(number)))
    assert result is not None
    return result


@given(OUTCOMES)
def test_no_round_is_lost(outcomes: list[Outcome]) -> None:
    """Every outcome is counted, and the first failure is what is shown, whatever came before or after."""
    result = joined(outcomes)
    counted = {one.outcome: one.times for one in result.tries} or {result.outcome: 1}
    failures = [number for number, outcome in enumerate(outcomes, start=1) if outcome in FAILED]

    assert counted == {outcome: outcomes.count(outcome) for outcome in outcomes}
    assert result.seconds == len(outcomes)
    assert result.times_failed == len(failures)
    if failures:
        assert result.reason == str(failures[0])
        assert result.outcome is outcomes[failures[0] - 1]


def test_a_flake_is_a_case_that_failed_at_some_times() -> None:
    """Not one that always failed, nor one that could not be asked at times."""
    assert joined([Outcome.MATCH, Outcome.MISMATCH, Outcome.MATCH]).is_flaky
    assert not joined([Outcome.MISMATCH, Outcome.LOST]).is_flaky
    assert not joined([Outcome.MISMATCH, Outcome.ERROR]).is_flaky
    assert not joined([Outcome.MATCH, Outcome.SKIPPED]).is_flaky


def test_a_case_that_was_asked_once_is_as_it_was() -> None:
    """Nothing is added to the record of an ordinary run."""
    assert joined([Outcome.MATCH]).tries == ()
    assert joined([Outcome.MATCH] * 2).tries == (OutcomeCount(Outcome.MATCH, 2),)


@given(st.integers(0), st.integers(1, 9))
def test_a_seed_repeats_the_order(seed: int, number: int) -> None:
    """In every process alike, and each round has another order."""
    orders = []
    for round_number in (number, number, number + 1):
        items = list(range(60))
        shuffle(items, Rounds(9, seed=seed).order(round_number))
        orders.append(items)

    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == list(range(60))


@pytest.mark.parametrize(
    ("rounds", "numbers", "said"),
    [
        (ONCE, [1], "once"),
        (Rounds(3, seed=5), [1, 2, 3], "3 rounds, in random order, seed 5 (--seed 5 repeats it)"),
        (Rounds(0, until_fail=True, seed=5), [1, 2, 3, 4], "until one fails, in random order"),
        (Rounds(2, until_fail=True, seed=5), [1, 2], "until one fails, 2 rounds at most"),
    ],
)
def test_how_many_rounds_there_are(rounds: Rounds, numbers: list[int], said: str) -> None:
    """As many as asked for, or without an end; and how it is said."""
    assert list(islice(rounds.numbers(), 4)) == numbers
    assert str(rounds).startswith(said)


@pytest.mark.parametrize(
    ("outcomes", "settled"),
    [
        ([Outcome.MATCH], True),
        ([Outcome.MISMATCH], False),
        ([Outcome.MISMATCH] * 3, False),
        ([Outcome.MISMATCH] * 4, True),
        ([Outcome.MISMATCH, Outcome.MATCH], True),
        ([Outcome.MATCH, Outcome.TIMEOUT], True),
        ([Outcome.TIMEOUT], False),
        ([Outcome.TIMEOUT] * 2, True),
    ],
)
def test_failure_is_settled_after_enough_rounds(outcomes: list[Outcome], settled: bool) -> None:
    """A case that passed once is unsteady; one that always failed has failed four times."""
    assert is_settled(joined(outcomes)) is settled


def test_tries_of_a_round_are_added() -> None:
    """A round may itself have several results of a case."""
    several = replace(
        case("cases/a", Outcome.MISMATCH),
        tries=(OutcomeCount(Outcome.MATCH, 2), OutcomeCount(Outcome.MISMATCH, 1)),
    )

    assert join(case("cases/a", Outcome.MATCH), several).times_asked == 4
