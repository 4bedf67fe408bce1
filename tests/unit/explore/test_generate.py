# SPDX-License-Identifier: GPL-2.0-only
"""Sequences are valid, bounded, and the same for the same seed."""

from __future__ import annotations

from random import Random

import pytest

from harness.explore.generate import MOST_KEPT, Generator
from harness.explore.model import MOST_BYTES, predict, size_of
from tests.unit.explore.shelves import load


def generator(seed: int, corpus: list[tuple[str, ...]] | None = None) -> Generator:
    """Return a generator of sequences about shelves."""
    return Generator(load(), {"room": "three"}, Random(seed), corpus or [])


def test_a_seed_gives_the_same_sequences() -> None:
    """So a finding can be found again by the seed that is shown."""
    one, other, third = generator(1), generator(1), generator(2)

    assert [one.sequence() for _ in range(3)] == [other.sequence() for _ in range(3)]
    assert one.sequence() != third.sequence()


@pytest.mark.parametrize("steps", [1, 220, 5000])
def test_a_sequence_fits_into_one_line(steps: int) -> None:
    """It has as many operations as wanted, or as many as a terminal takes."""
    found = generator(1).sequence(steps)

    assert size_of(found) <= MOST_BYTES
    assert len(found) == min(steps, len(found))
    assert len(found) == steps or size_of(found) > MOST_BYTES - 20


def test_kept_sequences_are_continued() -> None:
    """About half of the sequences begin as a kept one does, and the model has an answer for each."""
    kept = tuple(["put c", "take c", "count c"] * 20)
    made = generator(3, [kept])
    found = [made.sequence(80) for _ in range(40)]
    begun = [one for one in found if one[:3] == kept[:3]]

    assert 5 < len(begun) < 35
    assert all(len(predict(load(), {"room": "three"}, one)) == len(one) for one in found)


def test_the_corpus_is_bounded() -> None:
    """The oldest sequences are dropped."""
    made = generator(1)
    for number in range(MOST_KEPT + 5):
        made.keep((f"put {number}",))

    assert len(made.corpus) == MOST_KEPT
    assert made.corpus[0] == ("put 5",)
