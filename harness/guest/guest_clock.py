# SPDX-License-Identifier: GPL-2.0-only
"""A clock that runs while a machine can run: on a busy host a guest is slow, and not wrong.

A deadline on this clock is for what the guest does, and leaves out the time in which QEMU waited for a processor or for
the host's disk. Two sources show that time: states and statistics of QEMU's threads, of which mostly one alone wants to
run (first the one that starts the machine, then that of the virtual processor), and the time that a hypervisor took
from this host, which the scheduler counts as time that a thread ran (``steal`` in /proc/stat, proc(5)).

The clock never runs slower than one :data:`MULTIPLE`-th of the real time, so every deadline comes. For a kernel that is
slower by its configuration (a variant with KASAN), it runs slower by that factor as well.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from harness.base import process

MULTIPLE = 20
"""How many times longer than on a quiet host a deadline may take on a busy one."""
_LOOK_SECONDS = 0.05
"""The statistics are read no more often than this: a command of a guest takes a millisecond."""
_STEAL_FIELD = 8


class GuestClock:
    """The clock of a machine; a call returns its time in seconds.

    :param pid: the process of QEMU.
    :param slowness: how many times slower the kernel is than the one that deadlines are made for; the clock is that
        much slower.
    """

    def __init__(self, pid: int, *, slowness: float = 1.0) -> None:
        self._slowness = slowness
        self._started = time.monotonic()
        self._meter = process.WaitMeter(pid)
        self._stolen_before = _stolen_seconds()
        self._waited = 0.0
        self._next_look = 0.0
        self._now = self._started
        self._slowest_at = 0.0
        """How many seconds the clock had been running when it ran as slow as it can."""

    def __call__(self) -> float:
        """Return the time: it never goes back, also when threads end and take their statistics with them."""
        lived = time.monotonic() - self._started
        ran = lived - self.waited
        if ran <= lived / MULTIPLE:
            ran, self._slowest_at = lived / MULTIPLE, lived
        self._now = max(self._now, self._started + ran / self._slowness)
        return self._now

    @property
    def waited(self) -> float:
        """Return how many seconds QEMU could have run and did not, since the clock was made."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            waited = self._meter.look() + _stolen_seconds() - self._stolen_before
            self._waited = max(self._waited, min(waited, now - self._started))
        return self._waited

    @property
    def is_starved(self) -> bool:
        """Return whether QEMU lately waited so long that the clock did not leave out all of it."""
        self()
        lived = time.monotonic() - self._started
        return self._slowest_at > lived / 2


def _stolen_seconds() -> float:
    """Return the seconds that a hypervisor has taken from each processor of this host on average; 0 if not known."""
    try:
        fields = Path("/proc/stat").read_text().partition("\n")[0].split()
        return int(fields[_STEAL_FIELD]) / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)
    except (OSError, ValueError, IndexError):
        return 0.0
