"""Who listens to make while it builds: the log, and whoever wants to know how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from harness.kernel.build.progress import Pace, Progress, parse_step, progress_of


@dataclass(slots=True)
class BuildProgress:
    """Takes the lines of make as they come: into the log, and for the progress.

    :param began: when make was started. :param begun_at: when each step began, in seconds since then.
    """

    log: IO[str]
    progress: Callable[[Progress], None]
    began: float
    pace: Pace | None
    begun_at: list[float] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        """Take one line."""
        self.log.write(f"{line}\n")
        if what := parse_step(line):
            seconds = time.monotonic() - self.began
            self.begun_at.append(seconds)
            self.progress(progress_of(what, len(self.begun_at), seconds=seconds, pace=self.pace))
