# SPDX-License-Identifier: GPL-2.0-only
"""Run cases several times: number and order of the rounds, and the result of a case over all rounds. Pure."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TypeVar

from harness.model.run_record import CaseRecord, OutcomeCount
from harness.model.verdict import FAILED, Outcome
from harness.semantics.sequential_test import Regime, weigh

_Item = TypeVar("_Item")
_CONFIDENCE = 0.9
"""Required probability that a case that failed each time always fails: each run costs as much as the first."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """Number and order of the rounds in which all cases are run.

    :param times: number of rounds; 0 for no limit.
    :param until_fail: whether to stop after a round in which a case failed.
    :param seed: seed of the random order; None keeps the order of the files.
    """

    times: int = 1
    until_fail: bool = False
    seed: int | None = None

    def numbers(self) -> Iterator[int]:
        """Yield the numbers of the rounds, from 1."""
        return iter(range(1, self.times + 1)) if self.times else count(1)

    def order(self, number: int) -> str:
        """Return the seed of a round for :func:`shuffle`, another one for each round; empty for no shuffling."""
        return "" if self.seed is None else f"{self.seed} {number}"

    def total(self, number: int, cases: int) -> int:
        """Return the number of case runs that are known in a round.

        :param number: the round.
        :param cases: number of cases.
        """
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
    """Shuffle items; the same seed gives the same order in every process.

    :param order: the seed, see :meth:`Rounds.order`; empty for no shuffling.
    """
    random.Random(order).shuffle(items)


def join(before: CaseRecord | None, now: CaseRecord) -> CaseRecord:
    """Join the results of a case in all rounds: the first of its worst results, with the number of each result.

    :param before: the result of the earlier rounds; None in the first round.
    :param now: the result of this round.
    """
    if before is None:
        return now
    counts = Counter({one.outcome: one.times for one in before.tries} or {before.outcome: 1})
    counts += Counter({one.outcome: one.times for one in now.tries} or {now.outcome: 1})
    shown = now if _severity(now) > _severity(before) else before
    tries = tuple(OutcomeCount(outcome, counts[outcome]) for outcome in Outcome if counts[outcome])
    return replace(shown, tries=tries, seconds=before.seconds + now.seconds)


def is_settled(case: CaseRecord) -> bool:
    """Return whether it is clear if a case that failed always fails, by a sequential test.

    It is unsteady once it has passed. It always fails if that explains its failures nine times better than a case that
    fails every second time: after four of them.

    :param case: the result of all rounds.
    """
    if case.is_flaky or not case.times_failed:
        return True
    if case.outcome is Outcome.TIMEOUT and case.times_failed > 1:  # each one takes the whole time limit
        return True
    always, often = Regime("always", {"fail": 20}), Regime("often", {"fail": 10, "pass": 10})
    return weigh((always, often), {"fail": case.times_failed}, confidence=_CONFIDENCE).is_sure


def _severity(case: CaseRecord) -> int:
    """Return the severity of a result: a failure, then a round that could not be run, then a match."""
    if case.outcome in FAILED:
        return 2 if case.known else 3
    return {Outcome.ERROR: 1, Outcome.MATCH: 0, Outcome.SKIPPED: -1}[case.outcome]
