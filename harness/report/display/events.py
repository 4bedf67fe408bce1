# SPDX-License-Identifier: GPL-2.0-only
"""The events of a run, which a display shows or a filter changes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.events import HostBusy as HostBusy
from harness.base.events import Note, PhaseStarted, Progress
from harness.model.run_record import CaseRecord, RunRecord
from harness.report.lines import Line

BUSY = "host busy: waiting"
"""The line of a display while the machines wait for a processor."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The cases begin. Each worker of pytest-xdist reports it; a display shows the header once.

    :param run: the record before the first case.
    :param total: the number of cases; the newest event counts.
    """

    run: RunRecord
    total: int


@dataclass(frozen=True, slots=True)
class CaseStarted:
    """A worker begins a case.

    :param case_id: the id of the case.
    :param worker: the name of the worker, e.g. ``gw0``; empty if there is only one.
    """

    case_id: str
    worker: str


@dataclass(frozen=True, slots=True)
class CaseEnded:
    """A case ended.

    :param case: its record.
    """

    case: CaseRecord


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is over, complete or not.

    :param run: its record.
    :param junit_path: the file with its results; None if there is none.
    """

    run: RunRecord
    junit_path: Path | None


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines to print.

    :param make: returns the lines for a number of columns.
    """

    make: Callable[[int], Sequence[Line]]


RunEvent = PhaseStarted | Progress | Note | RunStarted | CaseStarted | CaseEnded | RunFinished | HostBusy | Lines
RunReport = Callable[[RunEvent], None]
"""Receives events; also a :data:`harness.base.events.Report`. Stages of a kernel may call it from another thread."""
