"""What a person sees of a run: plain lines in a file or a CI log; on a terminal, see ``report/live.py``.

rich is imported only when a :class:`~harness.report.display.live.LiveDisplay` is made: it would double the start-up
time of every run that writes to a file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TextIO

from harness.base import log
from harness.base.errors import HostError
from harness.model.run_record import CaseRecord, RunRecord
from harness.report.lines import Line
from harness.report.tables.kernels import kernels_lines
from harness.report.tables.summary import case_lines, header_lines, results_lines, summary
from harness.report.tables.traits import trait_lines
from harness.report.text import encodable, one_line, safe_encoding

PLAIN_WIDTH = 80
PROGRESS_SECONDS = 30.0
"""How often a log file is told how far a long build is."""
_NO = ("", "0", "false", "no")


class RunDisplay(Protocol):
    """Told what happens in a run, and shows it. A context manager: leaving it gives the terminal back as it was.

    May be used for several runs after each other; ``started`` begins one.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def phase(self, text: str) -> None:
        """What is being done before the first case: fetching the kernel, booting the template, ..."""

    def progress(self, text: str) -> None:
        """How far that is: said often, shown when there is time. May come from another thread, as ``phase`` may."""

    def started(self, run: RunRecord, total: int) -> None:
        """The cases begin; ``run`` holds what is known so far, ``total`` is the number of cases.

        Said again before ``finished`` (each worker of pytest-xdist says it), it only changes the total.
        """

    def case_started(self, case_id: str, worker: str) -> None:
        """That worker (``gw0``, or empty when there is one) begins that case."""

    def case_ended(self, case: CaseRecord) -> None:
        """A case came to its outcome."""

    def note(self, text: str) -> None:
        """One line that the user should know now."""

    def finished(self, run: RunRecord, junit_path: Path | None) -> None:
        """The run is over, complete or not; ``junit_path`` is where its results are."""

    def beside(self, runs: Sequence[RunRecord], junit_path: Path) -> None:
        """All runs of this command are over; ``junit_path`` is where the results of all are."""

    def alone(self, run: RunRecord) -> None:
        """Several kernels were wanted, and of one only there is a run to show."""

    def lines(self, make: Callable[[int], Sequence[Line]]) -> None:
        """Show lines that stay; ``make`` makes them for a number of columns."""


class PlainDisplay:
    """Lines, one after the other: no escape codes, no redraw, nothing wrapped, each line written at once.

    :param stream: where they go; what is not UTF-8 gets ASCII.
    :param width: columns that tables keep to.
    :param is_for_several: several kernels are run; the traits of all are one table at the end.
    :param clock: the monotonic clock, in seconds.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        width: int = PLAIN_WIDTH,
        is_for_several: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._is_for_several = is_for_several
        self._next_progress = 0.0
        self._stream = stream
        self._width = width
        self._encoding = safe_encoding(stream.encoding)
        self._reader_is_gone = False
        self._is_started = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def phase(self, text: str) -> None:
        """See :class:`RunDisplay`."""
        self._write([Line(f"...  {one_line(text)}")])
        self._next_progress = self._clock() + PROGRESS_SECONDS

    def progress(self, text: str) -> None:
        """See :class:`RunDisplay`."""
        if self._clock() >= self._next_progress:
            self.phase(text)

    def started(self, run: RunRecord, total: int) -> None:
        """See :class:`RunDisplay`."""
        if not self._is_started:
            self._write([*header_lines(run, self._width, total=total), Line("")])
        self._is_started = True

    def case_started(self, case_id: str, worker: str) -> None:
        """Shows nothing: a line a case is enough, and says more when the case has ended."""

    def case_ended(self, case: CaseRecord) -> None:
        """See :class:`RunDisplay`."""
        self._write(case_lines(case))

    def note(self, text: str) -> None:
        """See :class:`RunDisplay`."""
        self._write([Line(f"note: {one_line(text)}")])

    def finished(self, run: RunRecord, junit_path: Path | None) -> None:
        """See :class:`RunDisplay`."""
        self._is_started = False
        said = summary(run, self._width, is_one_of_several=self._is_for_several)
        self._write([*said, *results_lines(junit_path)])

    def beside(self, runs: Sequence[RunRecord], junit_path: Path) -> None:
        """See :class:`RunDisplay`."""
        self._write([*kernels_lines(runs, self._width), *results_lines(junit_path)])

    def alone(self, run: RunRecord) -> None:
        """See :class:`RunDisplay`."""
        self._write([Line(""), *trait_lines(run, self._width)])

    def lines(self, make: Callable[[int], Sequence[Line]]) -> None:
        """See :class:`RunDisplay`."""
        self._write(make(self._width))

    def _write(self, lines: Iterable[Line]) -> None:
        if self._reader_is_gone:
            return
        try:
            self._stream.write(encodable("".join(f"{line.text}\n" for line in lines), self._encoding))
            self._stream.flush()
        except BrokenPipeError:
            # ``harness run | head``: the run goes on, its results are in the run folder.
            self._reader_is_gone = True
        except OSError as error:
            raise HostError(
                "the output of the run cannot be written",
                evidence=str(error),
                remedy="send it to a place with room; the results are in the run folder",
            ) from None


def choose_display(stream: TextIO, environment: Mapping[str, str], *, is_for_several: bool = False) -> RunDisplay:
    """The display for that stream: live on a terminal, else plain lines.

    :param is_for_several: several kernels are run, and shown beside each other at the end.

    Plain when the stream is no terminal, when the terminal can do nothing (``TERM`` unset, ``dumb`` or ``unknown``),
    when ``CI`` is set, and when ``-v`` writes the log to the terminal. ``NO_COLOR`` on a terminal is a live display
    without color.
    """
    if not stream.isatty():
        return PlainDisplay(stream, width=choose_width(stream, environment), is_for_several=is_for_several)
    in_ci = environment.get("CI", "").lower() not in _NO
    if in_ci or log.is_on_terminal() or environment.get("TERM", "").lower() in ("", "dumb", "unknown"):
        return PlainDisplay(stream, width=choose_width(stream, environment), is_for_several=is_for_several)
    from harness.report.display.live import LiveDisplay  # see the top of this file

    return LiveDisplay(stream, environment, is_for_several=is_for_several)


def choose_width(stream: TextIO, environment: Mapping[str, str]) -> int:
    """How many columns tables keep to: the terminal's; in a file ``COLUMNS``, or 80."""
    if stream.isatty():
        return os.get_terminal_size(stream.fileno()).columns or PLAIN_WIDTH
    columns = environment.get("COLUMNS", "")
    return max(40, int(columns)) if columns.isdecimal() else PLAIN_WIDTH
