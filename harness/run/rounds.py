"""Cases asked several times: which rounds there are, and what a case came to over all of them. Pure."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TypeVar

from harness.model.run_record import CaseRecord, OutcomeCount
from harness.model.verdict import FAILED, Outcome

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often all cases are asked, and in which order.

    :param times: how many rounds; 0 for as many as it takes.
    :param until_fail: whether a round in which a case failed
        is the last one.
    :param seed: of the random order; None keeps the order of the files.
    """

    times: int = 1
    until_fail: bool = False
    seed: int | None = None

    def numbers(self) -> Iterator[int]:
        """The rounds, from 1."""
        return iter(range(1, self.times + 1)) if self.times else count(1)

    def order(self, number: int) -> str:
        """What decides the order of a round, for :func:`shuffle`; another one each round; empty for no shuffling."""
        return "" if self.seed is None else f"{self.seed} {number}"

    def total(self, number: int, cases: int) -> int:
        """How many times a case is asked as far as is known in that round, of so many cases."""
        return cases * max(self.times, number)

    def __str__(self) -> str:
        if self.until_fail:
            often = f"until one fails, {self.times} rounds at most" if self.times else "until one fails"
        else:
            often = f"{self.times} rounds" if self.times > 1 else "once"
        return (
            often
            if self.seed is None
            else f"{often}, in random order, seed {self.seed} (--seed {self.seed} repeats it)"
        )


ONCE = Rounds()


def shuffle(items: MutableSequence[_Item], order: str) -> None:
    """Put items into the order that a text decides: the same text, the same order, in every process."""
    random.Random(order).shuffle(items)


def join(before: CaseRecord | None, now: CaseRecord) -> CaseRecord:
    """What a case came to in all rounds: the first of its worst results, with how often there was which.

    :param before: the rounds before; None in the first.
    """
    if before is None:
        return now
    counts = Counter({one.outcome: one.times for one in before.tries} or {before.outcome: 1})
    counts[now.outcome] += 1
    shown = now if _severity(now) > _severity(before) else before
    tries = tuple(OutcomeCount(outcome, counts[outcome]) for outcome in Outcome if counts[outcome])
    return replace(shown, tries=tries, seconds=before.seconds + now.seconds)


def _severity(case: CaseRecord) -> int:
    """A failure says most; a round that could not be asked must not hide it, nor be hidden by one that went well."""
    if case.outcome in FAILED:
        return 2 if case.known else 3
    return {Outcome.ERROR: 1, Outcome.MATCH: 0, Outcome.SKIPPED: -1}[case.outcome]
