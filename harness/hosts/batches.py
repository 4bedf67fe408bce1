# SPDX-License-Identifier: GPL-2.0-only
"""Divide the cases of a round into batches for workers, and decide what happens with those of a lost worker. Pure.

A batch costs a process and a message, so there should be few; the last ones must be short, or one worker runs a long
batch while the others have nothing left to do. So a batch is a share of the work that is left: long at first, short at
the end (guided self-scheduling). The longest cases go first, because a long case at the end is a batch that cannot be
divided.

The dispatcher of real runs (``harness/hosts/dispatch.py``) and the simulator (``bench/hosts.py``) call the same
functions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from statistics import median

LONGEST_SECONDS = 120.0
SHORTEST_SECONDS = 5.0
_SHARES = 1.2
"""A batch is the work that is left, divided by the number of workers and by this.

With 1.5, 4 hosts need 1.10 times the bound of ``tox -e bench-hosts``; with 1.2, 1.09 times: there are fewer batches,
and the last one is not longer.
"""
UNKNOWN_SECONDS = 2.0
"""The duration of a case if no duration is known."""
MOST_LOSSES = 2
"""Number of lost workers after which a batch is not run again."""

_LATE = 3.0
"""A case or a batch that takes so many times its expected duration is late."""
_CASE_SECONDS = 20.0
"""What the case of a host that is not slow may take besides."""
_BATCH_SECONDS = 120.0
"""What a batch may take besides: it may begin with files to fetch and a boot."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Cases that one worker runs, one after the other.

    :param number: its number, different for each attempt.
    :param ids: the ids of the cases.
    :param lost: the names of the hosts whose worker was lost while it ran an earlier attempt.
    """

    number: int
    ids: tuple[str, ...]
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loss:
    """What follows from the loss of a worker.

    :param again: the ids of the cases that are run again.
    :param given_up: the ids of the cases that are not run again, because the batch has cost too many workers.
    """

    again: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()


class Work:
    """The cases of a round that have no result yet.

    :ivar seconds: the expected duration of each case.
    """

    def __init__(
        self,
        ids: Sequence[str],
        seconds: Mapping[str, float],
        *,
        first: Sequence[str] = (),
        is_ordered: bool = False,
        numbers: Iterator[int] | None = None,
    ) -> None:
        """Order the cases.

        :param ids: the ids of the cases.
        :param seconds: known durations in seconds, by id.
        :param first: the ids of cases to run before all others, in their order.
        :param is_ordered: whether the cases are run in the order of the ids instead.
        :param numbers: the numbers of the batches; None for those from 1.
        """
        known = [seconds[one] for one in ids if one in seconds]
        usual = median(known) if known else UNKNOWN_SECONDS
        self.seconds = {one: seconds.get(one, usual) for one in ids}
        self._total = sum(self.seconds.values())
        before = {one: at for at, one in enumerate(first)}
        order = list(self.seconds)
        if not is_ordered:
            order.sort(key=lambda one: (before.get(one, len(before)), -self.seconds[one]))
        self._ready = deque(order)
        self._again: list[Batch] = []
        self._running: dict[int, Batch] = {}
        self._left = dict.fromkeys(order)
        self._numbers = numbers or count(1)

    @property
    def is_done(self) -> bool:
        """Return whether each case has a result, or was given up."""
        return not self._left

    @property
    def left(self) -> tuple[str, ...]:
        """Return the ids of the cases without a result."""
        return tuple(self._left)

    def take(self, host: str, *, hosts: Collection[str], workers: int, extra: Sequence[str] = ()) -> Batch | None:
        """Return the next batch for a worker; None if there is nothing for it.

        :param host: the name of the worker's host.
        :param hosts: the names of all hosts.
        :param workers: the number of workers of all hosts.
        :param extra: the ids of cases to run first, also if another worker runs them, or they have a result.
        """
        for at, batch in enumerate(self._again):
            if host not in batch.lost or not set(hosts) - set(batch.lost):
                del self._again[at]
                # Another host may have been asked for the same case, to compare.
                if rest := tuple(one for one in batch.ids if one in self._left):
                    return self._start((*extra, *(one for one in rest if one not in extra)), batch.lost)
        self._ready = deque(one for one in self._ready if one in self._left and one not in extra)
        if not self._ready:
            return self._start(tuple(extra), ()) if extra else None
        load_left = sum(self.seconds[one] for one in self._ready)
        # The shortest batch is worth its process, unless another worker would have nothing to do from the beginning.
        shortest = min(SHORTEST_SECONDS, self._total / max(1, workers))
        wanted = max(shortest, min(LONGEST_SECONDS, load_left / (_SHARES * max(1, workers))))
        ids: list[str] = []
        load = 0.0
        # A case that would make the batch longer than wanted by more than half of itself is left to the next one.
        while self._ready and (not ids or load + self.seconds[self._ready[0]] / 2 <= wanted):
            ids.append(self._ready.popleft())
            load += self.seconds[ids[-1]]
        return self._start((*extra, *ids), ())

    def _start(self, ids: tuple[str, ...], lost: tuple[str, ...]) -> Batch:
        batch = Batch(next(self._numbers), ids, lost)
        self._running[batch.number] = batch
        return batch

    def is_awaited(self, number: int, case: str) -> bool:
        """Return whether a batch is running and its case has no result yet.

        :param number: the number of the batch.
        :param case: the id of the case.
        """
        batch = self._running.get(number)
        return batch is not None and case in batch.ids and case in self._left

    def end_case(self, case: str) -> None:
        """Note that a case has a result: the first one stands.

        :param case: its id.
        """
        self._left.pop(case, None)

    def end_batch(self, number: int) -> tuple[str, ...]:
        """Note that a worker has ended a batch, and return the ids of its cases that have no result; they are given up.

        :param number: the number of the batch.
        """
        _, rest = self._end(number)
        for one in rest:
            self.end_case(one)
        return rest

    def _end(self, number: int) -> tuple[Batch | None, tuple[str, ...]]:
        """End a batch; return it, and the ids of its cases that have no result and are in no other running batch."""
        batch = self._running.pop(number, None)
        if batch is None:
            return None, ()
        elsewhere = {one for other in self._running.values() for one in other.ids}
        return batch, tuple(one for one in batch.ids if one in self._left and one not in elsewhere)

    def is_late(self, number: int, case: str, *, batch_seconds: float, case_seconds: float) -> bool:
        """Return whether a batch takes so much longer than expected that an idle worker should run its cases as well.

        :param number: the number of the batch.
        :param case: the id of the case that is running; empty if none is.
        :param batch_seconds: how long ago the batch was handed out.
        :param case_seconds: how long ago its case started.
        """
        batch = self._running.get(number)
        if batch is None:
            return False
        expected = sum(self.seconds[one] for one in batch.ids)
        is_case_late = bool(case) and case_seconds > _CASE_SECONDS + _LATE * self.seconds.get(case, UNKNOWN_SECONDS)
        return is_case_late or batch_seconds > _BATCH_SECONDS + _LATE * expected

    def double_batch(self, number: int) -> Batch | None:
        """Return a second batch of the cases that a batch has not ended; None if there are none.

        Both are running then: the first result of a case stands.

        :param number: the number of the batch.
        """
        batch = self._running[number]
        elsewhere = {one for other in self._running.values() if other is not batch for one in other.ids}
        rest = tuple(one for one in batch.ids if one in self._left and one not in elsewhere)
        return self._start(rest, batch.lost) if rest else None

    def retry_case(self, number: int, case: str, host: str) -> bool:
        """Let another host run a case that a host could not run; return False if a host failed to do so before.

        :param number: the number of the batch.
        :param case: the id of the case.
        :param host: the name of the host.
        """
        batch = self._running[number]
        if batch.lost:
            return False
        self._running[number] = replace(batch, ids=tuple(one for one in batch.ids if one != case))
        self._again.append(Batch(number, (case,), (host,)))
        return True

    def lose_batch(self, number: int, host: str, *, suspect: str = "") -> Loss:
        """Note that the worker of a batch was lost.

        The case that was running is run again in a batch of its own. The others of the batch are not to blame.

        :param number: the number of the batch.
        :param host: the name of the worker's host.
        :param suspect: the id of the case that was running; empty if none was.
        """
        batch, rest = self._end(number)
        if batch is None or not rest:
            return Loss()
        blamed = (suspect,) if suspect in rest else rest
        others = tuple(one for one in rest if one not in blamed)
        lost = (*batch.lost, host)
        if others:
            self._again.append(replace(batch, ids=others))
        if len(lost) < MOST_LOSSES:
            self._again.append(Batch(batch.number, blamed, lost))
            return Loss(rest)
        for one in blamed:
            self.end_case(one)
        return Loss(others, blamed)
