# SPDX-License-Identifier: GPL-2.0-only
"""What a stage reports while it works, as small values. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A stage begins.

    :param text: what it does, for example ``checking out``.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the current stage is; reported often.

    :param text: the same for humans, for example ``building, 41%, 1:20 left: CC kernel/fork.o``.
    :param done: steps begun so far.
    :param total: steps expected; None when unknown.
    :param seconds_left: seconds until the stage ends; None when unknown.
    """

    text: str
    done: int = 0
    total: int | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """One line that the user should know now."""

    text: str


StageEvent = PhaseStarted | Progress | Note
Report = Callable[[StageEvent], None]


def ignore(event: object) -> None:
    """Report nothing.

    :param event: any event.
    """
