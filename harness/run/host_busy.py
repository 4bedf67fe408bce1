# SPDX-License-Identifier: GPL-2.0-only
"""Report while the machines of a run mostly wait for a processor of the host.

Their deadlines leave that time out (``harness/guest/guest_clock.py``), so a run on a busy host is slow; the display
says why. The machines run in several processes, so all QEMU processes below this one are looked at, from this one.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import psutil

from harness.base.process import WaitMeter
from harness.report.display.events import HostBusy, RunReport

LOOK_SECONDS = 2.0
BUSY_SHARE = 0.5
"""A host is busy while a machine waits for a processor for more than this share of the time."""
_PROGRAM = "qemu-system"


class _Looker:
    """Thread that looks at the machines now and then, and reports changes."""

    def __init__(self, report: RunReport, seconds: float) -> None:
        self._report = report
        self._seconds = seconds
        self._ended = threading.Event()
        self._meters: dict[int, WaitMeter] = {}
        self._waits: dict[int, float] = {}
        self._is_busy = False
        self._thread = threading.Thread(target=self._look_now_and_then, name="host busy", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look_now_and_then(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(self._seconds):
            now = time.monotonic()
            is_busy = self._longest_wait() > BUSY_SHARE * (now - before)
            before = now
            if is_busy is not self._is_busy:
                self._is_busy = is_busy
                self._report(HostBusy(is_busy))

    def _longest_wait(self) -> float:
        """Return the longest time that a machine has waited since the last look, in seconds."""
        pids = _machines()
        self._meters = {pid: self._meters.get(pid) or WaitMeter(pid) for pid in pids}
        waits = {pid: meter.look() for pid, meter in self._meters.items()}
        longest = max((wait - self._waits.get(pid, 0.0) for pid, wait in waits.items()), default=0.0)
        self._waits = waits
        return longest


def _machines() -> list[int]:
    """Return the ids of the QEMU processes below this one."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if one.name().startswith(_PROGRAM):
                found.append(one.pid)
    return found


@contextlib.contextmanager
def reported_waits(report: RunReport, *, seconds: float = LOOK_SECONDS) -> Iterator[None]:
    """Report for the length of a ``with`` block when machines begin and cease to wait for a processor.

    :param report: receives the events, in a thread.
    :param seconds: the time between two looks.
    """
    looker = _Looker(report, seconds)
    looker.start()
    try:
        yield
    finally:
        looker.stop()
