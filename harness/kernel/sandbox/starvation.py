# SPDX-License-Identifier: GPL-2.0-only
"""Measure how long a build waits for a processor: it runs at a low priority, and others may take all processors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.base.process import PATIENT_CLOCK, WaitMeter

LOOK_SECONDS = 0.5
MULTIPLE = 20
"""How many times longer than on a quiet host a build may take on a busy one."""
_BUSY_SHARE = 0.5
"""A host is busy while a program waits for more than this share of the time."""


@dataclass(slots=True)
class Starvation:
    """The waiting of a set of programs, which come and go.

    :param on_busy: called with whether the host is busy when that changes.
    :param clock: a monotonic clock.
    """

    on_busy: Callable[[bool], None] | None = None
    clock: Callable[[], float] = time.monotonic
    is_busy: bool = False
    _looked: float = field(init=False)
    _meters: dict[int, WaitMeter] = field(default_factory=dict)
    _waits: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._looked = self.clock()

    def look(self, pids: Iterable[int], *, now_and_then: bool = True) -> None:
        """Look at the programs, now and then; the longest wait is left out of the clock.

        :param pids: the process ids of those that run.
        :param now_and_then: whether to pass over a look soon after the last one.
        """
        now = self.clock()
        if now_and_then and now - self._looked < LOOK_SECONDS:
            return
        passed, self._looked = now - self._looked, now
        self._meters = {pid: self._meters.get(pid) or WaitMeter(pid) for pid in pids}
        waits = {pid: meter.look() for pid, meter in self._meters.items()}
        longest = max((wait - self._waits.get(pid, 0.0) for pid, wait in waits.items()), default=0.0)
        self._waits = waits
        if longest <= 0.0:
            self._tell(False)
            return
        PATIENT_CLOCK.leave_out(min(longest, passed * (1 - 1 / MULTIPLE)))
        self._tell(longest > _BUSY_SHARE * passed)

    def end(self) -> None:
        """Report that nothing waits any more."""
        self._tell(False)

    def _tell(self, is_busy: bool) -> None:
        if is_busy is not self.is_busy:
            self.is_busy = is_busy
            if self.on_busy is not None:
                self.on_busy(is_busy)
