"""What a person sees of a run: plain lines in a file or a CI log; on a terminal, see ``report/live.py``.

rich is imported only when a :class:`~harness.report.display.live.LiveDisplay` is made: it would double the start-up
time of every run that writes to a file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self, TextIO, assert_never

from harness.base import log
from harness.base.errors import HostError
from harness.base.events import Note, PhaseStarted, Progress
from harness.report.display.events import CaseEnded, CaseStarted, Lines, RunEvent, RunFinished, RunStarted
from harness.report.lines import Line
from harness.report.tables.summary import case_lines, header_lines, results_lines, summary
from harness.report.text import encodable, one_line, safe_encoding

PLAIN_WIDTH = 80
PROGRESS_SECONDS = 30.0
"""How often a log file is told how far a long build is."""
_NO = ("", "0", "false", "no")


class RunDisplay(Protocol):
    """Shows what happens in a run. A context manager: leaving it gives the terminal back as it was.

    May be used for several runs after each other; :class:`RunStarted` begins one.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: RunEvent) -> None:
        """Show one event; phases, progress and notes may come from another thread.

        :param event: what happened.
        """


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

    def show(self, event: RunEvent) -> None:
        """Show one event; progress at most twice a minute, the start of a case not at all.

        :param event: what happened.
        """
        match event:
            case PhaseStarted(text=text):
                self._show_phase(text)
            case Progress(text=text):
                if self._clock() >= self._next_progress:
                    self._show_phase(text)
            case Note(text=text):
                self._write([Line(f"note: {one_line(text)}")])
            case RunStarted(run=run, total=total):
                if not self._is_started:
                    self._write([*header_lines(run, self._width, total=total), Line("")])
                self._is_started = True
            case CaseStarted():
                pass  # a line a case is enough, and says more when the case has ended
            case CaseEnded(case=record):
                self._write(case_lines(record))
            case RunFinished(run=run, junit_path=junit):
                self._is_started = False
                said = summary(run, self._width, is_one_of_several=self._is_for_several)
                self._write([*said, *results_lines(junit)])
            case Lines(make=make):
                self._write(make(self._width))
            case _:
                assert_never(event)

    def _show_phase(self, text: str) -> None:
        self._write([Line(f"...  {one_line(text)}")])
        self._next_progress = self._clock() + PROGRESS_SECONDS

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

    :param is_for_several: several kernels are run, and shown beside each other at the end. Plain when the stream is no
        terminal, when the terminal can do nothing (``TERM`` unset, ``dumb`` or ``unknown``), when ``CI`` is set, and
        when ``-v`` writes the log to the terminal. ``NO_COLOR`` on a terminal is a live display without color.
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
