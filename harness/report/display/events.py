"""What happens in a run, as small values that a display shows or a filter changes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.events import Note, PhaseStarted, Progress
from harness.model.run_record import CaseRecord, RunRecord
from harness.report.lines import Line


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The cases begin. Each worker of pytest-xdist reports it; within one run, only the first has a header.

    :param run: what is known before the first case.
    :param total: the number of cases; the newest one counts.
    """

    run: RunRecord
    total: int


@dataclass(frozen=True, slots=True)
class CaseStarted:
    """A worker begins a case.

    :param case_id: the case's id in reports.
    :param worker: ``gw0``, or empty when there is one worker.
    """

    case_id: str
    worker: str


@dataclass(frozen=True, slots=True)
class CaseEnded:
    """A case has its outcome.

    :param case: its record.
    """

    case: CaseRecord


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is over, complete or not.

    :param run: its record.
    :param junit_path: the file with its results; None when there is none.
    """

    run: RunRecord
    junit_path: Path | None


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines that stay on the screen.

    :param make: returns them for a number of columns.
    """

    make: Callable[[int], Sequence[Line]]


RunEvent = PhaseStarted | Progress | Note | RunStarted | CaseStarted | CaseEnded | RunFinished | Lines
RunReport = Callable[[RunEvent], None]
"""Receives events; also a :data:`harness.base.events.Report`. The stages of a kernel report from a thread of theirs."""
