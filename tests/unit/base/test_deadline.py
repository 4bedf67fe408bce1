# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/base/deadline.py`` on a clock that the test sets."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import pytest

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.process import PatientClock


@dataclass
class Clock:
    """A clock that changes only when it is set."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_seconds_left_shrinks_to_zero() -> None:
    """The time left shrinks with the clock and is never negative."""
    clock = Clock()
    deadline = Deadline.after(5, clock=clock)
    left = []
    for clock.now in (100.0, 104.0, 105.0, 200.0):
        left.append((deadline.seconds_left, deadline.is_past))

    assert left == [(5.0, False), (1.0, False), (0.0, True), (0.0, True)]


@pytest.mark.parametrize(("seconds", "left"), [(2, 2.0), (5, 5.0), (7, 5.0), (math.inf, 5.0), (-1, 0.0)])
def test_sooner_returns_the_earlier_deadline(seconds: float, left: float) -> None:
    """A step's deadline is its own or the whole's, whichever is earlier; it keeps the clock."""
    clock = Clock()
    deadline = Deadline.after(5, clock=clock).sooner(seconds)
    before = deadline.seconds_left
    clock.now += 1000

    assert before == left
    assert deadline.is_past


def test_never_is_never_past() -> None:
    """A deadline that is never reached leaves infinite time; a step can still have its own."""
    never = Deadline.never()

    assert never.seconds_left == math.inf
    assert not never.is_past
    assert 9 < never.sooner(10).seconds_left <= 10


def test_after_uses_the_monotonic_clock() -> None:
    """The default clock is the monotonic one, so setting the time of day does not move a deadline."""
    assert Deadline.after(0).clock is time.monotonic
    assert Deadline.after(0).is_past


def test_deadlines_stand_still_while_a_laptop_sleeps() -> None:
    """CLOCK_MONOTONIC does not count the time of a suspended host, clock_gettime(2); CLOCK_BOOTTIME would."""
    assert Deadline.after(5).clock is time.monotonic
    assert time.get_clock_info("monotonic").implementation == "clock_gettime(CLOCK_MONOTONIC)"
    sources = "".join(file.read_text() for file in (paths.ROOT / "harness").rglob("*.py"))
    assert "BOOTTIME" not in sources


def test_the_patient_clock_leaves_out_what_a_build_waited() -> None:
    """It goes on with the monotonic clock, and a deadline that is on it comes later."""
    clock = PatientClock()
    deadline = Deadline.after(50, clock=clock)
    before = clock()
    clock.leave_out(20)

    assert 69 < deadline.seconds_left <= 70
    assert before - 20 <= clock() < before
