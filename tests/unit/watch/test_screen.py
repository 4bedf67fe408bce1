# SPDX-License-Identifier: GPL-2.0-only
"""The display of the rounds of a watch."""

from __future__ import annotations

import io
import os
import termios
import threading
from dataclasses import replace

from harness.base.events import PhaseStarted
from harness.report.display.events import CaseEnded, RunFinished, RunStarted
from harness.report.lines import Line
from harness.watch.screen import IDLE, LiveRounds, Screen
from tests.unit.report.sample import CASES, RUN

BEGUN = replace(RUN, cases=(), traits=())

_LOOKS = 50
_SECONDS = 60.0


class Terminal:
    """A terminal in memory: its size is asked for at each look of the display, and each drawing is counted."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.width = 80
        self.drawings = 0
        self._looks = 0
        self._looked = threading.Condition()

    def size(self) -> tuple[int, int]:
        """Return the size, and count the look."""
        with self._looked:
            self._looks += 1
            self._looked.notify()
        return self.width, 25

    def footer(self) -> list[object]:
        """Count the drawing."""
        self.drawings += 1
        return []

    def drawn_in_looks(self) -> int:
        """Return how many drawings there were while the display looked many times."""
        with self._looked:
            before, drawn = self._looks, self.drawings
            assert self._looked.wait_for(lambda: self._looks >= before + _LOOKS, _SECONDS)
            return self.drawings - drawn


def test_a_watch_that_waits_draws_nothing() -> None:
    """It waits for hours; a change of the terminal's size is drawn, and so is a round again and again."""
    terminal = Terminal()
    display = LiveRounds(terminal.stream, {"TERM": "xterm"}, size=terminal.size, redraws_per_second=1000)
    display.footer = terminal.footer  # type: ignore[assignment]
    with display:
        display.show(PhaseStarted(IDLE))
        idle = terminal.drawn_in_looks()
        terminal.width = 100
        resized = terminal.drawn_in_looks()
        display.show(PhaseStarted("building"))
        running = terminal.drawn_in_looks()

    assert idle == 0
    assert 1 <= resized <= 2
    assert running > 1
    assert "0.0s" not in terminal.stream.getvalue().partition("building")[0]


def test_each_round_counts_its_own_cases() -> None:
    """The second round begins with no case and no phase of the first one, on a real terminal."""
    first, second = os.openpty()
    with open(first, "rb", buffering=0) as master, open(second, "w", encoding="utf-8") as stream:  # noqa: PTH123
        termios.tcsetwinsize(second, (25, 80))
        screen = Screen(stream, {"TERM": "xterm-256color"})
        for _ in range(2):
            screen.show(PhaseStarted("booting"))
            screen.show(RunStarted(BEGUN, 1))
            screen.show(CaseEnded(CASES[0]))
            screen.show(RunFinished(RUN, None))
            screen.write(lambda width: [Line("the result")])
        screen.close()
        os.set_blocking(first, False)
        shown = b"".join(iter(lambda: _read(master), b"")).decode()

    assert screen.is_live
    assert "1/1" in shown
    assert "2/1" not in shown


def _read(master: io.FileIO) -> bytes:
    return master.read(1 << 16) or b""
