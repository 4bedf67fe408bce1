# SPDX-License-Identifier: GPL-2.0-only
"""Answers are compared with the model, and those of two kernels with each other."""

from __future__ import annotations

import pytest

from harness.explore.model import Divergence, Observation, compare, compare_two, predict, size_of
from tests.unit.explore.shelves import load

PUTS = ("put a", "put a", "put a", "count a")


def test_predict_follows_the_traits() -> None:
    """The same sequence has other answers by another profile."""
    assert predict(load(), {"room": "three"}, PUTS) == [("0",), ("0",), ("0",), ("3",)]
    assert predict(load(), {"room": "two"}, PUTS) == [("0",), ("0",), ("full",), ("2",)]


def test_compare_ends_at_the_first_difference() -> None:
    """The divergence has the sequence up to the operation that differs."""
    expected = [("0",), ("0", "full"), ("0",), ("3",)]
    found = compare(PUTS, expected, Observation(("0", "full", "no", "3")))

    assert found == Divergence(PUTS[:3], ("0",), "no")
    assert found.line == "put a: expected 0, got no"
    assert compare(PUTS, expected, Observation(("0", "full", "0", "3"))) is None


@pytest.mark.parametrize(("answers", "length"), [((), 1), (("0", "0"), 3), (("0", "0", "0", "3"), 4)])
def test_a_lost_machine_is_a_divergence(answers: tuple[str, ...], length: int) -> None:
    """It is at the operation that was not answered; a splat after all answers is at the last one."""
    expected = predict(load(), {"room": "three"}, PUTS)
    found = compare(PUTS, expected, Observation(answers, "BUG", "a line"))

    assert found is not None
    assert found.operations == PUTS[:length]
    assert (found.problem, found.evidence) == ("BUG", "a line")
    assert found.line == f"{PUTS[length - 1]}: BUG"


def test_two_kernels_are_compared_without_a_model() -> None:
    """The first one is the expectation; a problem that both have is no difference."""
    whole, other = Observation(("0", "0", "0", "3")), Observation(("0", "0", "full", "2"))
    lost = Observation(("0", "0"), "BUG")

    assert compare_two(PUTS, whole, whole) is None
    assert compare_two(PUTS, lost, lost) is None
    assert compare_two(PUTS, whole, other) == Divergence(PUTS[:3], ("0",), "full")
    assert compare_two(PUTS, whole, lost) == Divergence(PUTS[:3], ("0",), "", "BUG")
    found = compare_two(PUTS, lost, whole)
    assert found is not None
    assert found.line == "put a: only the first one: BUG"


def test_the_size_is_that_of_the_argument() -> None:
    """The separators count."""
    assert size_of(("put a", "put b")) == len("put a; put b")
