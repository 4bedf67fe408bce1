# SPDX-License-Identifier: GPL-2.0-only
"""Filter events between a run and its display; each filter takes all events and passes on some. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import assert_never

from harness.base.events import Note, PhaseStarted, Progress, Report, StageEvent
from harness.model.run_record import CaseRecord, RunRecord
from harness.report.display.events import (
    CaseEnded,
    CaseStarted,
    HostBusy,
    Lines,
    RunEvent,
    RunFinished,
    RunReport,
    RunStarted,
)
from harness.report.lines import Line, Tone
from harness.report.tables.summary import OUTCOME_WORDS, count_outcomes


def prefixed(report: Report, prefix: str) -> Report:
    """Return a receiver that puts the name of the kernel before each phase and its progress.

    :param report: receives the changed events.
    :param prefix: the name, e.g. ``deb:6.12: ``; notes are not changed.
    """

    def name_kernel(event: StageEvent) -> None:
        report(event if isinstance(event, Note | HostBusy) else replace(event, text=prefix + event.text))

    return name_kernel


def as_progress(report: Report, prefix: str) -> Report:
    """Return a receiver that turns phases into progress of the caller's phase and drops notes.

    :param report: receives the progress.
    :param prefix: added before each text.
    """

    def demote(event: StageEvent) -> None:
        if not isinstance(event, Note | HostBusy):
            report(Progress(prefix + event.text))

    return demote


@dataclass(slots=True)
class Quiet:
    """Shows the progress of the cases of one patch instead of each result, and a line at the end.

    :param report: receives the events that are passed on.
    :param name: the name of the tested kernel, e.g. ``patch 3/8``.
    """

    report: RunReport
    name: str
    _total: int = 0
    _ended: int = 0

    def __call__(self, event: RunEvent) -> None:
        """Handle one event.

        :param event: an event of the cases of this patch.
        """
        match event:
            case RunStarted(total=total):
                if not self._total:
                    self.report(PhaseStarted(f"{self.name}: {total} cases"))
                self._total = total
            case CaseEnded():
                self._ended += 1
                self.report(Progress(f"{self.name}: case {self._ended} of {self._total}", self._ended, self._total))
            case RunFinished(run=run):
                self.report(Lines(lambda width: [self._summary(run)]))
            case CaseStarted():
                pass
            case PhaseStarted() | Progress() | Note() | HostBusy() | Lines():
                self.report(event)
            case _:
                assert_never(event)

    def _summary(self, run: RunRecord) -> Line:
        counts = count_outcomes(run, OUTCOME_WORDS) or "no cases"
        return Line(f"{self.name}: {counts}, {run.seconds:.0f} s", Tone.FAINT)


@dataclass(slots=True)
class Hushed:
    """Shows progress only and collects each result of each round; the run record has only the worst of all rounds.

    :param report: receives the progress.
    :param name: the name of the tested kernel, e.g. ``commit 3``.
    :param cases: the results so far.
    """

    report: RunReport
    name: str
    cases: list[CaseRecord] = field(default_factory=list)
    _total: int = 0

    def __call__(self, event: RunEvent) -> None:
        """Handle one event.

        :param event: an event of the cases of this kernel.
        """
        match event:
            case RunStarted(total=total):
                self._total = total
            case CaseEnded(case=case):
                self.cases.append(case)
                self.report(Progress(f"{self.name}: case {len(self.cases)} of {self._total}"))
            case PhaseStarted(text=text):
                self.report(Progress(text))
            case Progress() | HostBusy() | Lines():
                self.report(event)
            case CaseStarted() | RunFinished() | Note():
                pass
            case _:
                assert_never(event)
