# SPDX-License-Identifier: GPL-2.0-only
"""Deadlines on a clock of the test's own."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import pytest

from harness.base.deadline import Deadline


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_runs_out() -> None:
    """What is left shrinks with the clock, ends at nothing and never goes below."""
    clock = Clock()
    deadline = Deadline.after(5, clock=clock)
    left = []
    for clock.now in (100.0, 104.0, 105.0, 200.0):
        left.append((deadline.seconds_left, deadline.is_past))

    assert left == [(5.0, False), (1.0, False), (0.0, True), (0.0, True)]


@pytest.mark.parametrize(("seconds", "left"), [(2, 2.0), (5, 5.0), (7, 5.0), (math.inf, 5.0), (-1, 0.0)])
def test_sooner_of_two(seconds: float, left: float) -> None:
    """A step's deadline is its own or the whole's, whichever comes first; it keeps the clock."""
    clock = Clock()
    deadline = Deadline.after(5, clock=clock).sooner(seconds)
    before = deadline.seconds_left
    clock.now += 1000

    assert before == left
    assert deadline.is_past


def test_never() -> None:
    """The deadline that does not come leaves endless time, and a step's own still comes."""
    never = Deadline.never()

    assert never.seconds_left == math.inf
    assert not never.is_past
    assert 9 < never.sooner(10).seconds_left <= 10


def test_clock_is_monotonic() -> None:
    """Without a clock of its own a deadline uses the monotonic one, so setting the time of day does not move it."""
    assert Deadline.after(0).clock is time.monotonic
    assert Deadline.after(0).is_past
