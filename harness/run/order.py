# SPDX-License-Identifier: GPL-2.0-only
"""Decide the order of the cases of a run. Pure.

Cases that failed last time come first, then those that reach a change (``--touching``), new ones, the quickest, and
the slow ones last.

The first verdict that matters comes early, and ``-x`` ends a run soon. The order follows from the results of earlier
runs of the suite (:class:`Past`) and the order of the files, so it is the same in every process. A random order
(``harness/run/rounds.py``) replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.model.run_record import CaseRecord
from harness.model.verdict import Outcome
from harness.results.durations import seconds_once

_Item = TypeVar("_Item")
_Facts = Mapping[str, object]
_STEP_SECONDS = 0.2
"""Durations are compared in steps of this size: the order of equally quick cases follows no noise."""
_SLOW = 1.5
"""A case is slow if it takes more than this many times the average.

With the slowest case last, one worker would run it while the others have ended. With the durations of the 193 cases of
the largest suite, 8 workers need 65.1 s if the slowest come last, 60.1 s if the slow ones begin with the slowest, and
60.0 s in the order of the files (2 workers: 232.9 s, 229.6 s, 230.0 s).
"""


@dataclass(frozen=True, slots=True)
class Past:
    """The last result of a case.

    :param seconds: how long it took; 0 for a case that was skipped.
    :param has_failed: whether it failed, not as a known failure, or could not be run.
    :param first: its number among the cases that are run before all that have not failed, because they reach a change
        (``--touching``), from 1; 0 for another case.
    """

    seconds: float
    has_failed: bool
    first: int = 0


def read_past(facts: _Facts) -> dict[str, Past]:
    """Read the facts that :func:`dump_past` returned; whatever else they hold is left out."""
    known = {}
    for name, value in facts.items():
        match value:
            case [int() | float() as seconds, bool() as has_failed, *more]:
                first = more[0] if more and isinstance(more[0], int) else 0
                known[name] = Past(float(seconds), has_failed, first)
    return known


def with_first(past: Mapping[str, Past], ids: Sequence[str]) -> dict[str, Past]:
    """Return the last results with a number for each of the cases that reach a change.

    :param ids: the ids of these cases, in their order.
    """
    numbers = {name: number for number, name in enumerate(ids, start=1)}
    unknown = {name: Past(0.0, has_failed=False, first=numbers[name]) for name in ids if name not in past}
    return {**{name: replace(one, first=numbers.get(name, 0)) for name, one in past.items()}, **unknown}


def dump_past(before: Mapping[str, Past], cases: Iterable[CaseRecord]) -> dict[str, object]:
    """Return the results of earlier runs and of this one as plain facts.

    :param before: the results of earlier runs.
    :param cases: the cases of this run.
    """
    now = {**before}
    for case in cases:
        seconds = seconds_once(case)
        if case.outcome is Outcome.SKIPPED and case.id in before:
            seconds = before[case.id].seconds
        now[case.id] = Past(round(seconds, 2), case.is_failure or case.outcome is Outcome.ERROR)
    return {name: [past.seconds, past.has_failed] for name, past in sorted(now.items())}


def in_order(items: Sequence[_Item], ids: Sequence[str], past: Mapping[str, Past]) -> list[_Item]:
    """Return items in the order in which their cases are run.

    :param items: the items in the order of their files.
    :param ids: the id of each item's case.
    :param past: the last result of each case, by id.
    """
    known = [past[one].seconds for one in ids if one in past]
    slow = _SLOW * sum(known) / max(1, len(known))

    def place(at: int) -> tuple[int, int]:
        last = past.get(ids[at])
        if last is None:
            return 2, 0
        step = int(last.seconds / _STEP_SECONDS)
        if last.has_failed:
            return 0, step
        if last.first:
            return 1, last.first
        return (3, step) if last.seconds <= slow else (4, -step)

    return [items[at] for at in sorted(range(len(items)), key=place)]


def deal(items: Sequence[_Item], workers: int) -> list[_Item]:
    """Return items so that workers together run them in the given order.

    pytest-xdist's ``worksteal`` gives each worker a block of consecutive items, the later workers the larger blocks.
    Each block gets every Nth item, so that each worker begins with the first ones.

    :param items: the items in the order to run them in.
    :param workers: the number of workers.
    """
    hands: list[list[_Item]] = [[] for _ in range(workers)]
    for at, item in enumerate(items):
        hands[-1 - at % workers].append(item)
    return [item for hand in hands for item in hand]
