# SPDX-License-Identifier: GPL-2.0-only
"""Show a run as plain lines, for a file or a CI log; ``live.py`` is for a terminal.

rich is imported only if a :class:`~harness.report.display.live.LiveDisplay` is made: it would double the start-up time
of every run that writes to a file.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self, TextIO, assert_never

from harness.base import log
from harness.base.errors import HostError
from harness.base.events import Note, PhaseStarted, Progress
from harness.report.display.events import (
    BUSY,
    CaseEnded,
    CaseStarted,
    HostBusy,
    Lines,
    RunEvent,
    RunFinished,
    RunStarted,
)
from harness.report.display.heartbeat import Heartbeat
from harness.report.lines import Line
from harness.report.tables.summary import case_lines, header_lines, results_lines, summary
from harness.report.text import encodable, one_line, safe_encoding

PLAIN_WIDTH = 80
PROGRESS_SECONDS = 30.0
"""The time between two progress lines of a long build, and the longest silence."""
_NO = ("", "0", "false", "no")


class RunDisplay(Protocol):
    """Shows the events of a run. A context manager: leaving it restores the terminal.

    It may show several consecutive runs; :class:`RunStarted` begins one.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: RunEvent) -> None:
        """Show one event; phases, progress and notes may come from another thread.

        :param event: the event.
        """


class PlainDisplay:
    """Writes plain lines: no escape codes, no redraw, nothing wrapped, each line flushed.

    A context manager. Within it, a line is written at least every half minute: a CI system may end a silent job, and a
    person cannot tell a long step from one that hangs.

    :param stream: the stream; if its encoding is not UTF-8, ASCII is written.
    :param width: the width of tables, in columns.
    :param is_for_several: whether several kernels are run; their traits are one table at the end.
    :param clock: a monotonic clock, in seconds.
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
        self._began = clock()
        self._phase = ""
        self._progress = ""
        """Progress of the phase that is not shown yet."""
        self._running: dict[str, str] = {}
        self._lock = threading.Lock()
        self._heartbeat: Heartbeat | None = None
        self._is_for_several = is_for_several
        self._next_progress = self._next_busy = 0.0
        self._stream = stream
        self._width = width
        self._encoding = safe_encoding(stream.encoding)
        self._reader_is_gone = False
        self._is_started = False
        self._shown_notes: set[str] = set()

    def __enter__(self) -> Self:
        self._heartbeat = Heartbeat(self._show_that_it_goes_on, seconds=PROGRESS_SECONDS)
        self._heartbeat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()

    def show(self, event: RunEvent) -> None:
        """Show one event; progress at most twice a minute, and never the start of a case.

        :param event: the event.
        """
        match event:
            case PhaseStarted(text=text):
                self._show_phase(text)
            case Progress(text=text):
                self._progress = text
                if self._clock() >= self._next_progress:
                    self._show_phase(text)
            case Note(text=text):
                self._shown_notes.add(text)
                self._write([Line(f"note: {one_line(text)}")])
            case RunStarted(run=run, total=total):
                if not self._is_started:
                    self._write([*header_lines(run, self._width, total=total), Line("")])
                self._is_started = True
                self._phase = self._progress = ""
            case CaseStarted(case_id=case, worker=worker):
                # One line for each case is enough, and has more information at its end.
                self._running = {**self._running, worker: case}
            case CaseEnded(case=record):
                self._running = {worker: case for worker, case in self._running.items() if case != record.id}
                self._write(case_lines(record))
            case RunFinished(run=run, junit_path=junit):
                self._is_started = False
                self._running = {}
                shown = frozenset(self._shown_notes)
                lines = summary(run, self._width, is_one_of_several=self._is_for_several, shown_notes=shown)
                self._write([*lines, *results_lines(junit)])
            case HostBusy(is_busy=is_busy):
                if is_busy and self._clock() >= self._next_busy:
                    self._write([Line(BUSY)])
                    self._next_busy = self._clock() + PROGRESS_SECONDS
            case Lines(make=make):
                self._write(make(self._width))
            case _:
                assert_never(event)

    def _show_phase(self, text: str) -> None:
        self._phase, self._progress = one_line(text), ""
        seconds = int(self._clock() - self._began)
        elapsed = f"{seconds // 60}:{seconds % 60:02}"
        self._write([Line(f"{elapsed:<5} {self._phase}")])
        self._next_progress = self._clock() + PROGRESS_SECONDS

    def _show_that_it_goes_on(self) -> None:
        running = ", ".join(sorted(self._running.values()))
        if running:
            phase, self._phase = self._phase, ""
            self._show_phase(f"still running {running}")
            self._phase = phase
        elif self._progress:
            self._show_phase(self._progress)
        elif self._phase:
            self._show_phase(self._phase if self._phase.startswith("still ") else f"still {self._phase}")

    def _write(self, lines: Iterable[Line]) -> None:
        if self._heartbeat is not None:
            self._heartbeat.touch()
        with self._lock:
            self._write_whole(lines)

    def _write_whole(self, lines: Iterable[Line]) -> None:
        if self._reader_is_gone:
            return
        try:
            self._stream.write(encodable("".join(f"{line.text}\n" for line in lines), self._encoding))
            self._stream.flush()
        except BrokenPipeError:
            # ``harness run | head``: the run continues, its results are in the run folder.
            self._reader_is_gone = True
        except OSError as error:
            raise HostError(
                "the output of the run cannot be written",
                evidence=str(error),
                remedy="redirect it to a disk with free space; the results are in the run folder",
            ) from None


def choose_display(stream: TextIO, environment: Mapping[str, str], *, is_for_several: bool = False) -> RunDisplay:
    """Return the display for a stream: live on a terminal, else plain lines.

    The display is plain if the stream is not a terminal, if the terminal has no abilities (``TERM`` unset, ``dumb`` or
    ``unknown``), if ``CI`` is set, or if ``-v`` writes the log to the terminal. With ``NO_COLOR`` the live display has
    no color.

    :param stream: the stream to write to.
    :param environment: the environment variables.
    :param is_for_several: whether several kernels are run; they are shown side by side at the end.
    """
    if not stream.isatty():
        return PlainDisplay(stream, width=choose_width(stream, environment), is_for_several=is_for_several)
    in_ci = environment.get("CI", "").lower() not in _NO
    if in_ci or log.is_on_terminal() or environment.get("TERM", "").lower() in ("", "dumb", "unknown"):
        return PlainDisplay(stream, width=choose_width(stream, environment), is_for_several=is_for_several)
    from harness.report.display.live import LiveDisplay  # see the top of this file

    return LiveDisplay(stream, environment, is_for_several=is_for_several)


def choose_width(stream: TextIO, environment: Mapping[str, str]) -> int:
    """Return the width of tables in columns: that of the terminal; for a file ``COLUMNS``, or 80."""
    if stream.isatty():
        return os.get_terminal_size(stream.fileno()).columns or PLAIN_WIDTH
    columns = environment.get("COLUMNS", "")
    return max(40, int(columns)) if columns.isdecimal() else PLAIN_WIDTH
