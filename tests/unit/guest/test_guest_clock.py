# SPDX-License-Identifier: GPL-2.0-only
"""The clock of a machine, on real processes that others keep from running."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.guest import guest_clock
from harness.guest.guest_clock import MULTIPLE, GuestClock
from tests.crowd import crowded
from tests.waiting import moments

BUSY = ["sh", "-c", "while :; do :; done"]


def test_the_clock_runs_while_a_process_sleeps() -> None:
    """A process that does not want to run, as an idle guest, misses nothing."""
    with process.start(["sleep", "1000"]) as child:
        clock = GuestClock(child.pid)
        began, real = clock(), time.monotonic()
        for _ in moments(0.3):
            pass

        # On a busy host the sleeping process waited a little before it slept.
        assert clock() - began == pytest.approx(time.monotonic() - real - clock.waited, abs=0.1)
        assert not clock.is_starved


def test_the_clock_nearly_stands_while_a_process_waits() -> None:
    """A process that shares a processor with many others gets a fraction of the time: a deadline waits for it."""
    processor = min(os.sched_getaffinity(0))
    with crowded(processor), process.start(["taskset", "--cpu-list", str(processor), *BUSY]) as starved:
        clock = GuestClock(starved.pid)
        began, real = clock(), time.monotonic()
        for _ in moments(1.0):
            pass
        passed, lived = clock() - began, time.monotonic() - real

    assert lived / MULTIPLE <= passed + 0.05
    assert passed < lived / 2
    assert clock.waited > lived / 2


def test_every_deadline_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that never runs has its deadlines after a stated multiple of the time, and is starved then."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    waits = [0.0]
    monkeypatch.setattr(process.WaitMeter, "look", lambda self: waits[0])
    monkeypatch.setattr(guest_clock, "_stolen_seconds", lambda: 0.0)
    clock = GuestClock(1)
    deadline = Deadline.after(3.0, clock=clock)
    now[0] += 3.0 * MULTIPLE - 1.0
    waits[0] = now[0] - 100.0

    assert not deadline.is_past
    now[0] += 1.5
    assert deadline.is_past
    assert clock.is_starved


def test_the_clock_leaves_out_stolen_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hypervisor takes from this host counts as waiting; time never goes back when a thread ends."""
    now, stolen, waits = [100.0], [50.0], [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(process.WaitMeter, "look", lambda self: waits[0])
    monkeypatch.setattr(guest_clock, "_stolen_seconds", lambda: stolen[0])
    clock = GuestClock(1)
    began = clock()
    now[0], stolen[0], waits[0] = 110.0, 54.0, 2.0
    assert clock() - began == 4.0
    now[0], waits[0] = 112.0, 0.0
    assert clock() - began == 6.0
    assert clock.waited == 6.0


def accounted_wait(process: int) -> float:
    """Return the seconds that a process waited for a processor in waits that have ended."""
    return int(Path(f"/proc/{process}/schedstat").read_bytes().split()[1]) / 1e9


def test_a_wait_that_goes_on_counts() -> None:
    """A thread that others keep from running at all waits, although the kernel has not added that to its statistics."""
    processor = min(os.sched_getaffinity(0))
    least = ["nice", "-n", "19", "taskset", "--cpu-list", str(processor), *BUSY]
    with crowded(processor), process.start(least) as starved:
        before = accounted_wait(starved.pid)
        meter = process.WaitMeter(starved.pid)
        more = (meter.look() - (accounted_wait(starved.pid) - before) for _ in moments(60.0))

        assert any(seconds >= 0.2 for seconds in more)


def test_a_wait_for_the_disk_counts(tmp_path: Path) -> None:
    """A thread in uninterruptible sleep, here the parent of a vfork(2), waits for the host."""
    source = "#include <unistd.h>\nint main(void) { if (!vfork()) { pause(); _exit(0); } return 0; }\n"
    (tmp_path / "blocked.c").write_text(source)
    process.run(["cc", "-o", tmp_path / "blocked", tmp_path / "blocked.c"], deadline=Deadline.after(60))
    with process.start([tmp_path / "blocked"]) as blocked:
        meter, real = process.WaitMeter(blocked.pid), time.monotonic()
        try:
            waited = next(waited for _ in moments(60.0) if (waited := meter.look()) >= 1.0)
        finally:
            subprocess.run(["pkill", "--parent", str(blocked.pid)], check=False)

    assert waited < time.monotonic() - real + 0.1


def test_the_wait_of_no_process_is_nothing() -> None:
    """A process that has ended waited for nothing."""
    child = subprocess.Popen(["true"])
    child.wait()

    assert process.WaitMeter(child.pid).look() == 0.0


def test_the_clock_of_a_slow_kernel_is_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variant that is four times slower gets four times as long for every deadline, also on a busy host."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    waits = [0.0]
    monkeypatch.setattr(process.WaitMeter, "look", lambda self: waits[0])
    monkeypatch.setattr(guest_clock, "_stolen_seconds", lambda: 0.0)
    deadline = Deadline.after(30.0, clock=GuestClock(1, slowness=4.0))
    now[0] += 119.0
    early = deadline.is_past
    now[0] += 2.0

    assert (early, deadline.is_past) == (False, True)

    deadline = Deadline.after(30.0, clock=GuestClock(1, slowness=4.0))
    waits[0] = 1000.0
    now[0] += 30.0 * 4.0 * MULTIPLE + 1.0
    assert deadline.is_past
