# SPDX-License-Identifier: GPL-2.0-only
"""The sequential test for what does not always answer the same."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.semantics.sequential_test import MOST_ASKS, find_regimes, is_weak, weigh


def test_two_values_on_one_image_make_a_target_weak() -> None:
    """Other values on other images do not."""
    assert is_weak([{"match": 3}, {"match": 1, "mismatch": 2}])
    assert not is_weak([{"match": 3}, {"mismatch": 2}, {"match": 1, "mismatch": 0}])


def test_regimes_are_called_by_what_they_show() -> None:
    """By the values; by their shares where the values are the same."""
    steady, flaky = find_regimes([{"match": 12}, {"match": 5, "mismatch": 7}])
    rare, often = find_regimes([{"a": 19, "b": 1}, {"a": 5, "b": 15}])

    assert (steady.value, flaky.value) == ("match", "match or mismatch")
    assert (rare.value, often.value) == ("a (19 of 20) or b (1 of 20)", "a (5 of 20) or b (15 of 20)")


def test_ends_that_differ_by_chance_alone_are_one_regime() -> None:
    """Flaky at both ends alike: there is nothing to trace."""
    assert len(find_regimes([{"a": 6, "b": 6}, {"a": 5, "b": 7}])) == 1
    assert len(find_regimes([{"a": 6, "b": 6}, {}])) == 1


def test_one_answer_is_not_enough() -> None:
    """The value that only one regime shows is soon believed, the one that both show takes longer."""
    regimes = find_regimes([{"match": 12}, {"match": 6, "mismatch": 6}])

    assert not weigh(regimes, {"match": 3}).is_sure
    assert weigh(regimes, {"match": 9}).is_sure
    assert weigh(regimes, {"match": 9}).value == "match"
    assert weigh(regimes, {"match": 1, "mismatch": 2}).value == "match or mismatch"
    assert weigh(regimes, {"mismatch": 2}).is_sure


@pytest.mark.parametrize(("good", "bad"), [(0.0, 0.5), (0.1, 0.7), (0.0, 1.0)])
def test_the_error_is_as_small_as_was_asked_for(good: float, bad: float) -> None:
    """Of two thousand commits no more are judged wrongly than the confidence allows, with some room for the regimes
    being measured themselves."""
    luck = random.Random(1)

    def answer(rate: float) -> str:
        return "mismatch" if luck.random() < rate else "match"

    wrong = unsure = 0
    for _ in range(1000):
        regimes = find_regimes([Counter(answer(rate) for _ in range(20)) for rate in (good, bad)])
        if len(regimes) < 2:
            unsure += 1
            continue
        for rate, regime in zip((good, bad), regimes, strict=True):
            tally: Counter[str] = Counter()
            while tally.total() < MOST_ASKS and not weigh(regimes, tally).is_sure:
                tally[answer(rate)] += 1
            said = weigh(regimes, tally)
            wrong += said.is_sure and said.value != regime.value
            unsure += not said.is_sure
    assert wrong <= 40
    assert unsure <= 40


@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 20)))
def test_a_confidence_is_a_probability(tally: dict[str, int]) -> None:
    """Whatever is seen, also what no regime has shown."""
    regimes = find_regimes([{"a": 12}, {"a": 2, "b": 12}])
    said = weigh(regimes, tally)

    assert 0.5 <= said.confidence <= 1.0
    assert said.value in {one.value for one in regimes}
