# SPDX-License-Identifier: GPL-2.0-only
"""Estimate the progress and remaining time of a build from the last build of the same config. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

from harness.base.events import Progress, Report
from harness.base.json_records import Table, recall_facts

# "  CC      kernel/x.o", "  CC [M]  fs/x.o", "  HOSTCC  scripts/x": scripts/Kbuild.include, "quiet_cmd_".
_STEP = re.compile(r"  (?P<verb>[A-Z][A-Z0-9_-]*)(?: \[[A-Z]+\])? +(?P<what>\S.*)")
_MARKS = 20
# Below this share of the time the build's own pace predicts worse than that of the last build.
_TRUSTED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of a finished build.

    :param steps: number of steps.
    :param seconds: duration.
    :param marks: the share of the duration, 0 to 1, at which each further twentieth of the steps had begun.
    """

    steps: int
    seconds: float
    marks: tuple[float, ...]

    @classmethod
    def measured(cls, begun_at: Sequence[float], seconds: float) -> Pace:
        """Compute the pace of a build.

        :param begun_at: when each step began, in seconds after the start.
        :param seconds: duration of the build.
        """
        steps = len(begun_at)
        indexes = (max(1, steps * mark // _MARKS) - 1 for mark in range(1, _MARKS + 1))
        marks = tuple(round(begun_at[index] / seconds, 4) for index in indexes) if steps and seconds else ()
        return cls(steps, round(seconds, 3), marks)

    @classmethod
    def from_fact(cls, fact: Table | None) -> Pace | None:
        """Read a remembered pace; None when there is none, or it has another format."""
        pace = recall_facts(cls, fact)
        return pace if pace is not None and pace.steps > 0 and len(pace.marks) == _MARKS else None

    def share_done(self, done: int) -> float:
        """Return the share of the duration, 0 to 1, after which ``done`` steps had begun."""
        position = done / self.steps * _MARKS
        known = (0.0, *self.marks)
        below = min(int(position), len(known) - 2)
        return min(1.0, known[below] + (known[below + 1] - known[below]) * (position - below))


def parse_step(line: str) -> str:
    """Parse the step that a line of make announces, e.g. ``CC kernel/fork.o``; empty for any other line."""
    match = _STEP.fullmatch(line)
    return f"{match['verb']} {match['what']}" if match else ""


def progress_of(what: str, done: int, *, seconds: float, pace: Pace | None) -> Progress:
    """Return the progress of a running build, assuming the pace of the last one.

    :param what: the current step.
    :param done: number of steps that have begun.
    :param seconds: time since the build started.
    :param pace: pace of the last build; None without one.
    """
    if pace is None:
        return _progress(what, done)
    if done > pace.steps:  # more steps than the last build had; the total is unknown
        return _progress(what, done, total=done)
    share = pace.share_done(done)
    whole = seconds / share if share >= _TRUSTED_SHARE else pace.seconds
    return _progress(what, done, total=pace.steps, seconds_left=round(whole * (1 - share), 1))


def _progress(what: str, done: int, *, total: int | None = None, seconds_left: float | None = None) -> Progress:
    """Render ``building, 41%, 1:20 left: CC kernel/fork.o``; without an earlier build, ``building, step 7: ...``."""
    share = f", {min(99, 100 * done // total)}%" if total else f", step {done}"
    left = ""
    if seconds_left is not None:
        minutes, seconds = divmod(int(seconds_left), 60)
        left = f", {minutes}:{seconds:02} left"
    return Progress(f"building{share}{left}: {what}", done, total, seconds_left)


@dataclass(slots=True)
class BuildProgress:
    """A receiver of make's output lines, which writes the log and reports progress.

    :param began: when make was started, on the monotonic clock.
    :param begun_at: when each step began, in seconds since then.
    """

    log: IO[str]
    report: Report
    began: float
    pace: Pace | None
    begun_at: list[float] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        """Write one line to the log and report the step that it announces."""
        self.log.write(f"{line}\n")
        if what := parse_step(line):
            seconds = time.monotonic() - self.began
            self.begun_at.append(seconds)
            self.report(progress_of(what, len(self.begun_at), seconds=seconds, pace=self.pace))
