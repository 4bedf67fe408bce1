"""The live display of a run on a terminal. The one module that imports rich, which is the only thing that draws.

Above, what stays: a line a case, failures with their diff, at the end the summary. Below, what is redrawn: what each
worker runs now, and a bar with the counts by outcome and the time.

All text comes as plain lines (``report/text.py``) and goes to rich as ``Text``: no markup and no escape sequence of a
guest is ever interpreted.
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
from harness.report.display.events import CaseEnded, CaseStarted, Lines, RunEvent, RunFinished, RunStarted
from harness.report.lines import Line, Tone, fold_line
from harness.report.tables.summary import (
    FLAKY_WORD,
    KNOWN_WORD,
    OUTCOME_TONES,
    OUTCOME_WORDS,
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
]


class LiveDisplay:
    """A :class:`~harness.report.display.plain.RunDisplay` that redraws; the stream is a terminal.

    :param stream: the terminal. Nothing else is written to, ``sys.stdout`` is left alone (pytest has taken it).
    :param environment: ``NO_COLOR``, ``TERM`` and ``COLORTERM`` say what the terminal can show.
    :param is_for_several: several kernels are run; the traits of all are one table at the end.
    :param size: columns and lines of the terminal, asked at each redraw; None asks the terminal.
    :param redraws_per_second: how often a thread redraws what runs; 0: only when something happens.
    :param clock: the monotonic clock, in seconds.
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
        # rich works out where the cursor goes before it draws, and without a lock around both: its own redrawing thread
        # and a print of ours at the same time leave a line behind. So the thread is ours, and all drawing has one lock.
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
        self._phase = ""
        self._phase_since = self._began = clock()
        self._total = 0
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

        :param event: what happened.
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
                    self._print(fold_line(Line(f"note: {one_line(text)}", Tone.WARNING), self._console.width))
                case RunStarted():
                    self._start(event)
                case CaseStarted(case_id=case_id, worker=worker):
                    self._running[case_id] = (one_line(worker), self._clock())
                    self._redraw()
                case CaseEnded(case=record):
                    self._count(record)
                    self._print(case_lines(record, self._console.width))
                case RunFinished(run=run, junit_path=junit):
                    self._is_started = False
                    self._write_below(
                        lambda width: [
                            *summary(run, width, is_one_of_several=self._is_for_several),
                            *results_lines(junit),
                        ]
                    )
                case Lines(make=make):
                    self._write_below(make)
                case _:
                    assert_never(event)

    def _start(self, event: RunStarted) -> None:
        """Begin a run; when another worker reports the same, only the total changes."""
        self._total = event.total
        if self._is_started:
            return
        self._is_started, self._phase, self._began = True, "", self._clock()
        self._counts.clear()
        self._failures = 0
        self._running.clear()
        self._print([*header_lines(event.run, self._console.width, total=event.total), Line("")])

    def _count(self, case: CaseRecord) -> None:
        word, _ = case_word(case)
        self._counts[word] += 1
        self._failures += case.is_failure
        self._running.pop(case.id, None)

    def _write_below(self, make: Callable[[int], Sequence[Line]]) -> None:
        """Write lines that stay when nothing runs any more."""
        self._stop()
        self._measure()
        self._write(make(self._console.width))

    def _redraw_now_and_then(self) -> None:
        while not self._left.wait(1.0 / self._redraws_per_second):
            with self._lock:
                if self._live:
                    self._redraw()

    def _redraw(self) -> None:
        """Draw what runs, from its first drawing on until :meth:`_stop`."""
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
        """Take away what runs, and give the cursor back."""
        if self._live:
            self._total, self._phase = 0, ""
            self._running.clear()
            self._live.stop()
            self._live = None

    def _print(self, lines: Iterable[Line]) -> None:
        """Lines that stay, above what is redrawn below them; both written at once."""
        with self._console:
            self._write(lines)
            self._redraw()

    def _write(self, lines: Iterable[Line]) -> None:
        # Not folded here: a path that is wider is for the terminal to fold, and can be copied.
        self._console.print(Text("\n").join(self._text(line) for line in lines), soft_wrap=True)

    def _measure(self) -> None:
        """Take over the size of the terminal, which its user may have changed."""
        wide, high = self._size()
        self._console.size = ConsoleDimensions(wide or 80, high or 25)

    def _text(self, line: Line) -> Text:
        text = Text(encodable(line.text, self._encoding))
        if line.tone is not Tone.PLAIN:
            text.stylize(_STYLES[line.tone], 0, line.lead or len(text))
        return text

    def _view(self) -> RenderableType:
        """What is redrawn, at most half of the terminal."""
        width, now = self._console.width, self._clock()
        rows: list[RenderableType] = []
        if self._phase:
            rows.append(self._row("", self._phase, now - self._phase_since, width))
        running = list(self._running.items())
        room = max(1, self._console.height // 2 - 3)
        shown = running if len(running) <= room else running[: room - 1]
        rows += [self._row(worker, one_line(case_id), now - since, width) for case_id, (worker, since) in shown]
        if len(shown) < len(running):
            rows.append(Text(f"{'':{_WORKER_WIDTH}} and {len(running) - len(shown)} more"))
        if self._total:
            rows.append(self._bar(width, now - self._began))
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
        said = Text(f"{ended}/{self._total}", no_wrap=True, overflow="crop")
        for word, tone in _COUNTED:
            if number := self._counts[word]:
                said.append(f"  {number} {word}", _STYLES[tone])
        said.append(f"  {minutes}:{rest:02}", "cyan")
        bar = ProgressBar(
            total=max(self._total, ended),
            completed=ended,
            width=max(_LEAST_BAR, min(60, width - said.cell_len - 3)),
            complete_style="green" if not self._failures else "red",
            finished_style="green" if not self._failures else "red",
        )
        table = Table.grid(padding=(0, 1))
        table.add_row(bar, said)
        return table
