"""The display of one patch's cases: how far they are and not what each said, as the series is shown as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.model.run_record import CaseRecord, RunRecord
from harness.report.display.plain import RunDisplay
from harness.report.lines import Line, Tone
from harness.report.tables.summary import OUTCOME_WORDS, count_outcomes


class QuietDisplay:
    """A :class:`~harness.report.display.plain.RunDisplay` that passes on what goes on, and a line at the end.

    :param inner: the display that shows it. :param name: what the cases are asked of: ``patch 3/8``.
    """

    def __init__(self, inner: RunDisplay, name: str) -> None:
        self._inner = inner
        self._name = name
        self._total = 0
        self._ended = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def phase(self, text: str) -> None:
        """See :class:`~harness.report.display.plain.RunDisplay`."""
        self._inner.phase(text)

    def progress(self, text: str) -> None:
        """See :class:`~harness.report.display.plain.RunDisplay`."""
        self._inner.progress(text)

    def started(self, run: RunRecord, total: int) -> None:
        """See :class:`~harness.report.display.plain.RunDisplay`."""
        if not self._total:
            self._inner.phase(f"{self._name}: {total} cases")
        self._total = total

    def case_started(self, case_id: str, worker: str) -> None:
        """See :class:`~harness.report.display.plain.RunDisplay`."""

    def case_ended(self, case: CaseRecord) -> None:
        """See :class:`~harness.report.display.plain.RunDisplay`."""
        self._ended += 1
        self._inner.progress(f"{self._name}: case {self._ended} of {self._total}")

    def note(self, text: str) -> None:
        """See :class:`~harness.report.display.plain.RunDisplay`."""
        self._inner.note(text)

    def finished(self, run: RunRecord, junit_path: Path | None) -> None:
        """See :class:`~harness.report.display.plain.RunDisplay`."""
        said = count_outcomes(run, OUTCOME_WORDS) or "no case"
        self.lines(lambda width: [Line(f"{self._name}: {said}, {run.seconds:.0f} s", Tone.FAINT)])

    def beside(self, runs: Sequence[RunRecord], junit_path: Path) -> None:
        """See :class:`~harness.report.display.plain.RunDisplay`."""

    def alone(self, run: RunRecord) -> None:
        """See :class:`~harness.report.display.plain.RunDisplay`."""

    def lines(self, make: Callable[[int], Sequence[Line]]) -> None:
        """See :class:`~harness.report.display.plain.RunDisplay`."""
        self._inner.lines(make)
