# SPDX-License-Identifier: GPL-2.0-only
"""Show a run live on a terminal. Only this module imports rich, and only rich draws.

Lines that stay are above: a line for each case, failures with their diffs, and the summary at the end. The redrawn part
is below: the current case of each worker, and a bar with counts by outcome and the time.

All text is plain lines (``report/text.py``) and is passed to rich as ``Text``: neither markup nor escape sequences of a
guest are interpreted.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self, TextIO, assert_never

from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.base.events import Note, PhaseStarted, Progress
from harness.model.run_record import CaseRecord
from harness.model.verdict import Outcome
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
from harness.report.lines import Line, Tone, fold_line
from harness.report.tables.summary import (
    FLAKY_WORD,
    KNOWN_WORD,
    OUTCOME_TONES,
    OUTCOME_WORDS,
    UNJUDGED_WORD,
    case_lines,
    case_word,
    header_lines,
    results_lines,
    summary,
)
from harness.report.text import columns, elide, elide_start, encodable, one_line, safe_encoding

REDRAWS_PER_SECOND = 4.0
_LEAST_BAR = 8
_WORKER_WIDTH = 5

_STYLES = {
    Tone.PLAIN: "",
    Tone.STRONG: "bold",
    Tone.FAINT: "dim",
    Tone.GOOD: "green",
    Tone.BAD: "bold red",
    Tone.WARNING: "yellow",
}

_COUNTED = [
    *((OUTCOME_WORDS[one], OUTCOME_TONES[one]) for one in Outcome),
    (FLAKY_WORD, Tone.WARNING),
    (KNOWN_WORD, Tone.FAINT),
    (UNJUDGED_WORD, Tone.WARNING),
]


class LiveDisplay:
    """A :class:`~harness.report.display.plain.RunDisplay` for a terminal, which redraws.

    :param stream: the terminal. Nothing else is written to; pytest has replaced ``sys.stdout``.
    :param environment: ``NO_COLOR``, ``TERM`` and ``COLORTERM`` define the terminal's abilities.
    :param is_for_several: whether several kernels are run; their traits are one table at the end.
    :param size: returns columns and lines of the terminal, called at each redraw; None queries the terminal.
    :param redraws_per_second: how often a thread redraws; 0 redraws only on events.
    :param clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        stream: TextIO,
        environment: Mapping[str, str],
        *,
        is_for_several: bool = False,
        size: Callable[[], tuple[int, int]] | None = None,
        redraws_per_second: float = REDRAWS_PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = size or (lambda: os.get_terminal_size(stream.fileno()))
        self._clock = clock
        self._is_for_several = is_for_several
        self._redraws_per_second = redraws_per_second
        # rich computes the cursor position before it draws, without a lock around both: its redrawing thread and a
        # print at the same time would leave a line behind. So the thread is this class's, and one lock guards drawing.
        self._lock = threading.RLock()
        self._left = threading.Event()
        self._thread: threading.Thread | None = None
        self._live: Live | None = None
        self._encoding = safe_encoding(stream.encoding)
        self._console = Console(
            file=stream,
            force_terminal=True,
            _environ=environment,
            no_color=environment.get("NO_COLOR", "") != "",
            markup=False,
            emoji=False,
            highlight=False,
        )
        self._busy_since: float | None = None
        self._phase = ""
        self._phase_since = self._began = clock()
        self._total = 0
        self._shown_notes: set[str] = set()
        self._is_started = False
        self._counts: Counter[str] = Counter()
        self._failures = 0
        self._running: dict[str, tuple[str, float]] = {}
        self._measure()

    def __enter__(self) -> Self:
        if self._redraws_per_second:
            self._thread = threading.Thread(target=self._redraw_now_and_then, name="redraw", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        if self._thread:
            self._thread.join()
        with self._lock:
            self._stop()

    def show(self, event: RunEvent) -> None:
        """Show one event.

        :param event: the event.
        """
        with self._lock:
            match event:
                case PhaseStarted(text=text):
                    self._phase, self._phase_since = one_line(text), self._clock()
                    self._redraw()
                case Progress(text=text):
                    if not self._phase:
                        self._phase_since = self._clock()
                    self._phase = one_line(text)
                case Note(text=text):
                    self._shown_notes.add(text)
                    self._print(fold_line(Line(f"note: {one_line(text)}", Tone.WARNING), self._console.width))
                case RunStarted():
                    self._start(event)
                case CaseStarted(case_id=case_id, worker=worker):
                    self._running[case_id] = (one_line(worker), self._clock())
                    self._redraw()
                case CaseEnded(case=record):
                    self._count(record)
                    self._print(self._of_case(record))
                case RunFinished(run=run, junit_path=junit):
                    self._is_started = False
                    shown = frozenset(self._shown_notes)
                    self._write_below(
                        lambda width: [
                            *summary(run, width, is_one_of_several=self._is_for_several, shown_notes=shown),
                            *results_lines(junit),
                        ]
                    )
                case HostBusy(is_busy=is_busy):
                    self._busy_since = self._clock() if is_busy else None
                    self._redraw()
                case Lines(make=make):
                    self._write_below(make)
                case _:
                    assert_never(event)

    def _start(self, event: RunStarted) -> None:
        """Begin a run; the report of another worker only updates the total."""
        self._total = event.total
        if self._is_started:
            return
        self._is_started, self._phase, self._began = True, "", self._clock()
        self._counts.clear()
        self._failures = 0
        self._running.clear()
        self._print(self._header(event))

    def _header(self, event: RunStarted) -> Sequence[Line]:
        """Return the lines at the beginning of a run."""
        return [*header_lines(event.run, self._console.width, total=event.total), Line("")]

    def _of_case(self, case: CaseRecord) -> Sequence[Line]:
        """Return the lines of a case that ended."""
        return case_lines(case, self._console.width)

    def _footer(self, width: int) -> Sequence[Line]:
        """Return the lines at the end of the redrawn part."""
        return ()

    def _count(self, case: CaseRecord) -> None:
        word, _ = case_word(case)
        self._counts[word] += 1
        self._failures += case.is_failure
        self._running.pop(case.id, None)

    def _write_below(self, make: Callable[[int], Sequence[Line]]) -> None:
        """Write lines that stay after the redrawn part was removed."""
        self._stop()
        self._measure()
        self._write(make(self._console.width))

    def _redraw_now_and_then(self) -> None:
        while not self._left.wait(1.0 / self._redraws_per_second):
            self._redraw_if_moving()

    def _redraw_if_moving(self) -> None:
        """Draw again if what is shown depends on the time, or if the terminal has another size."""
        with self._lock:
            if self._live and (self._is_moving() or (self._console.width, self._console.height) != self._dimensions()):
                self._redraw()

    def _is_moving(self) -> bool:
        """Return whether the redrawn part changes with the time."""
        return True

    def _redraw(self) -> None:
        """Draw the redrawn part until :meth:`_stop`."""
        self._measure()
        if self._live is None:
            self._live = Live(
                console=self._console,
                get_renderable=self._view,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start()
        self._live.refresh()

    def _stop(self) -> None:
        """Remove the redrawn part and show the cursor again."""
        if self._live:
            self._total, self._phase = 0, ""
            self._running.clear()
            self._live.stop()
            self._live = None

    def _print(self, lines: Sequence[Line]) -> None:
        """Write lines that stay above the redrawn part; both are written at once."""
        with self._console:
            if lines:
                self._write(lines)
            self._redraw()

    def _write(self, lines: Iterable[Line]) -> None:
        # Not folded here: the terminal folds a long path, so that it can be copied.
        self._console.print(Text("\n").join(self._text(line) for line in lines), soft_wrap=True)

    def _measure(self) -> None:
        """Read the size of the terminal, which the user may have changed."""
        self._console.size = ConsoleDimensions(*self._dimensions())

    def _dimensions(self) -> tuple[int, int]:
        wide, high = self._size()
        return wide or 80, high or 25

    def _text(self, line: Line) -> Text:
        text = Text(encodable(line.text, self._encoding))
        if line.tone is not Tone.PLAIN:
            text.stylize(_STYLES[line.tone], 0, line.lead or len(text))
        return text

    def _view(self) -> RenderableType:
        """Return the redrawn part, at most half of the terminal."""
        width, now = self._console.width, self._clock()
        rows: list[RenderableType] = []
        if self._phase and not self._is_moving():
            rows.append(Text(f"{'':{_WORKER_WIDTH}} {self._phase}", no_wrap=True, overflow="crop"))
        elif self._phase:
            rows.append(self._row("", self._phase, now - self._phase_since, width))
        if self._busy_since is not None:
            rows.append(self._row("", BUSY, now - self._busy_since, width))
        running = list(self._running.items())
        room = max(1, self._console.height // 2 - 3)
        shown = running if len(running) <= room else running[: room - 1]
        rows += [self._row(worker, one_line(case_id), now - since, width) for case_id, (worker, since) in shown]
        if len(shown) < len(running):
            rows.append(Text(f"{'':{_WORKER_WIDTH}} and {len(running) - len(shown)} more"))
        if self._total:
            rows.append(self._bar(width, now - self._began))
        rows += [self._text(Line(elide(one.text, width), one.tone, one.lead)) for one in self._footer(width)]
        return Group(*rows)

    def _row(self, worker: str, what: str, seconds: float, width: int) -> Text:
        time_text = f"{seconds:7.1f}s"
        room = max(8, width - _WORKER_WIDTH - 2 - len(time_text))
        what = elide_start(encodable(what, self._encoding), room)
        gap = " " * max(0, room - columns(what))
        worker = encodable(elide(worker, _WORKER_WIDTH), self._encoding)
        text = Text(f"{worker:<{_WORKER_WIDTH}} {what}{gap} {time_text}", no_wrap=True, overflow="crop")
        text.stylize("dim", 0, _WORKER_WIDTH)
        text.stylize("cyan", len(text) - len(time_text))
        return text

    def _bar(self, width: int, seconds: float) -> RenderableType:
        ended = self._counts.total()
        minutes, rest = divmod(int(seconds), 60)
        counts = Text(f"{ended}/{self._total}", no_wrap=True, overflow="crop")
        for word, tone in _COUNTED:
            if number := self._counts[word]:
                counts.append(f"  {number} {word}", _STYLES[tone])
        counts.append(f"  {minutes}:{rest:02}", "cyan")
        bar = ProgressBar(
            total=max(self._total, ended),
            completed=ended,
            width=max(_LEAST_BAR, min(60, width - counts.cell_len - 3)),
            complete_style="green" if not self._failures else "red",
            finished_style="green" if not self._failures else "red",
        )
        table = Table.grid(padding=(0, 1))
        table.add_row(bar, counts)
        return table
