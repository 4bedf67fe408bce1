# SPDX-License-Identifier: GPL-2.0-only
"""The report that machines wait for a processor: real processes with the name of QEMU, on one processor."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.base import process
from harness.report.display.events import HostBusy, RunEvent
from harness.run.host_busy import reported_waits

PATIENCE = 60
CROWD = 4


@contextlib.contextmanager
def crowd(folder: Path, name: str) -> Iterator[None]:
    """Run busy loops in programs of a name, all on one processor, for the length of the block."""
    program = folder / name
    shutil.copy(shutil.which("dash") or "/bin/sh", program)
    one = min(os.sched_getaffinity(0))
    words = ["taskset", "--cpu-list", str(one), str(program), "-c", "while :; do :; done"]
    with contextlib.ExitStack() as ends:
        for _ in range(CROWD):
            ends.enter_context(process.start(words))
        yield


def test_machines_that_wait_are_reported_and_the_end_of_it_too(tmp_path: Path) -> None:
    """Each of four waits three quarters of the time."""
    events: queue.SimpleQueue[RunEvent] = queue.SimpleQueue()
    with reported_waits(events.put, seconds=0.2):
        with crowd(tmp_path, "qemu-system-test"):
            begun = events.get(timeout=PATIENCE)
        ended = events.get(timeout=PATIENCE)

    assert (begun, ended) == (HostBusy(True), HostBusy(False))


def test_other_processes_that_wait_are_not_reported(tmp_path: Path) -> None:
    """A build is slow on a busy host as well, and has its own progress."""
    events: queue.SimpleQueue[RunEvent] = queue.SimpleQueue()
    with reported_waits(events.put, seconds=0.1), crowd(tmp_path, "make"), pytest.raises(queue.Empty):
        events.get(timeout=2)
