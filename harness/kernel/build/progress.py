"""How far a build is and how long it will take, by what the last one of the same config took. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from harness.base.events import Progress, Report

# "  CC      kernel/x.o", "  CC [M]  fs/x.o", "  HOSTCC  scripts/x": scripts/Kbuild.include, "quiet_cmd_".
_STEP = re.compile(r"  (?P<verb>[A-Z][A-Z0-9_-]*)(?: \[[A-Z]+\])? +(?P<what>\S.*)")
_MARKS = 20
# Before that share of the time an own pace says less than the last build's.
_TRUSTED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Pace:
    """How a build went.

    :param steps: how many it had. :param seconds: how long it took.
    :param marks: when each further twentieth of the steps had begun, the last of them too, as a share of the time.
    """

    steps: int
    seconds: float
    marks: tuple[float, ...]

    @classmethod
    def measured(cls, begun_at: Sequence[float], seconds: float) -> Pace:
        """The pace of a build whose steps began that many seconds after its start."""
        steps = len(begun_at)
        places = (max(1, steps * mark // _MARKS) - 1 for mark in range(1, _MARKS + 1))
        marks = tuple(round(begun_at[place] / seconds, 4) for place in places) if steps and seconds else ()
        return cls(steps, round(seconds, 3), marks)

    @classmethod
    def from_fact(cls, fact: Mapping[str, object] | None) -> Pace | None:
        """The pace that was remembered; None when it was not, or not by this version."""
        match fact:
            case {"steps": int(steps), "seconds": float(seconds), "marks": list(marks)}:
                if steps > 0 and len(marks) == _MARKS and all(isinstance(mark, float) for mark in marks):
                    return cls(steps, seconds, tuple(marks))
        return None

    def to_fact(self) -> dict[str, object]:
        """What to remember."""
        return {"steps": self.steps, "seconds": float(self.seconds), "marks": list(self.marks)}

    def share_done(self, done: int) -> float:
        """The share of the time that had gone when so many steps had begun, 0 to 1."""
        place = done / self.steps * _MARKS
        known = (0.0, *self.marks)
        below = min(int(place), len(known) - 2)
        return min(1.0, known[below] + (known[below + 1] - known[below]) * (place - below))


def parse_step(line: str) -> str:
    """What a line of make says is being made, e.g. ``CC kernel/fork.o``; empty when it says something else."""
    match = _STEP.fullmatch(line)
    return f"{match['verb']} {match['what']}" if match else ""


def progress_of(what: str, done: int, *, seconds: float, pace: Pace | None) -> Progress:
    """How far a build is that began ``seconds`` ago, if it goes as the last one did.

    :param pace: of the last build; None when there was none.
    """
    if pace is None:
        return _progress(what, done)
    if done > pace.steps:  # more is built than the last time, and nobody knows how much
        return _progress(what, done, total=done)
    share = pace.share_done(done)
    whole = seconds / share if share >= _TRUSTED_SHARE else pace.seconds
    return _progress(what, done, total=pace.steps, seconds_left=round(whole * (1 - share), 1))


def _progress(what: str, done: int, *, total: int | None = None, seconds_left: float | None = None) -> Progress:
    """``building, 41%, 1:20 left: CC kernel/fork.o``; without an earlier build, ``building, step 7: ...``."""
    share = f", {min(99, 100 * done // total)}%" if total else f", step {done}"
    left = ""
    if seconds_left is not None:
        minutes, seconds = divmod(int(seconds_left), 60)
        left = f", {minutes}:{seconds:02} left"
    return Progress(f"building{share}{left}: {what}", done, total, seconds_left)


@dataclass(slots=True)
class BuildProgress:
    """Takes the lines of make as they come: into the log, and for the progress.

    :param began: when make was started. :param begun_at: when each step began, in seconds since then.
    """

    log: IO[str]
    report: Report
    began: float
    pace: Pace | None
    begun_at: list[float] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        """Take one line."""
        self.log.write(f"{line}\n")
        if what := parse_step(line):
            seconds = time.monotonic() - self.began
            self.begun_at.append(seconds)
            self.report(progress_of(what, len(self.begun_at), seconds=seconds, pace=self.pace))
