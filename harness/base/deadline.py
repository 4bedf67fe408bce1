# SPDX-License-Identifier: GPL-2.0-only
"""Define a deadline: made at the top of a run or case and passed down; a stage may only shorten it. Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock, in seconds.

    :param at: the time on ``clock``; ``math.inf`` for no deadline.
    :param clock: the monotonic clock; tests pass their own.
    """

    at: float
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

    @classmethod
    def after(cls, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """Return the deadline that is ``seconds`` from now."""
        return cls(clock() + seconds, clock)

    @classmethod
    def never(cls) -> Deadline:
        """Return a deadline that is never reached."""
        return cls(math.inf)

    def sooner(self, seconds: float) -> Deadline:
        """Return this deadline, or the one ``seconds`` from now if that is earlier."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock)

    @property
    def seconds_left(self) -> float:
        """Return the seconds left; 0.0 when the deadline is past, ``math.inf`` when it is never reached."""
        return max(0.0, self.at - self.clock())

    @property
    def is_past(self) -> bool:
        """Return whether the deadline is past."""
        return self.clock() >= self.at
