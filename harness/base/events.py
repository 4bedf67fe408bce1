# SPDX-License-Identifier: GPL-2.0-only
"""Define the events that a stage reports. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """The start of a stage.

    :param text: its work, for example ``checking out``.
    :param leaves_time: whether a processor of the host is mostly idle meanwhile, for work that comes later.
    """

    text: str
    leaves_time: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of the current stage; reported often.

    :param text: the progress for people, for example ``building, 41%, 1:20 left: CC kernel/fork.o``.
    :param done: number of steps begun.
    :param total: expected number of steps; None when unknown.
    :param seconds_left: estimated seconds until the stage ends; None when unknown.
    """

    text: str
    done: int = 0
    total: int | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A line to show to the user."""

    text: str


@dataclass(frozen=True, slots=True)
class HostBusy:
    """The machines, or a build, began or ceased to wait for a processor of the host most of the time.

    :param is_busy: whether they wait.
    """

    is_busy: bool


StageEvent = PhaseStarted | Progress | Note | HostBusy
Report = Callable[[StageEvent], None]


def ignore(event: object) -> None:
    """Ignore an event.

    :param event: any event.
    """
