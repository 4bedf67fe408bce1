# SPDX-License-Identifier: GPL-2.0-only
"""Show the rounds of ``harness watch``: redrawn on a terminal, as plain lines elsewhere.

Both show failing cases only, and the lines of a result instead of the whole summary of a run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from harness.base.events import Note, PhaseStarted
from harness.model.run_record import CaseRecord
from harness.model.verdict import Outcome
from harness.report.display.events import CaseEnded, Lines, RunEvent, RunFinished, RunStarted
from harness.report.display.live import LiveDisplay
from harness.report.display.plain import PlainDisplay, RunDisplay, choose_display, choose_width
from harness.report.lines import Line, Tone
from harness.watch.keyboard import KEYS_LINE

IDLE = "waiting for a change"
"""The phase between two rounds."""


def is_shown(case: CaseRecord) -> bool:
    """Return whether the line of a case is shown: it failed, or could not be run."""
    return case.outcome not in (Outcome.MATCH, Outcome.SKIPPED) and not case.why_not_failed


class LiveRounds(LiveDisplay):
    """The live display, brief, with the last result and the keys at its end."""

    footer: Callable[[], Sequence[Line]] = staticmethod(lambda: ())

    def _header(self, event: RunStarted) -> Sequence[Line]:
        return ()

    def _of_case(self, case: CaseRecord) -> Sequence[Line]:
        return super()._of_case(case) if is_shown(case) else ()

    def _is_moving(self) -> bool:
        """Return whether a round runs: a watch waits for hours, and shall not draw a clock meanwhile."""
        return self._phase != IDLE

    def _footer(self, width: int) -> Sequence[Line]:
        return [*self.footer(), Line(KEYS_LINE, Tone.FAINT)]


class Screen:
    """The display of all rounds.

    :param stream: the stream to write to.
    :param environment: the environment variables.
    :param footer: returns the lines to show beside the keys.
    """

    def __init__(
        self, stream: TextIO, environment: Mapping[str, str], *, footer: Callable[[], Sequence[Line]] = lambda: ()
    ) -> None:
        self._stream = stream
        self._environment = environment
        self._footer = footer
        self._ends = contextlib.ExitStack()
        self._display: RunDisplay | None = None
        self._notes: set[str] = set()
        self.is_live = not isinstance(choose_display(stream, environment), PlainDisplay)
        """Whether the screen is a terminal that can be redrawn."""

    @property
    def width(self) -> int:
        """Return the number of columns."""
        return choose_width(self._stream, self._environment)

    def show(self, event: RunEvent) -> None:
        """Show an event of the round.

        :param event: the event.
        """
        if isinstance(event, RunFinished):
            self.close()  # the display counts the cases of one round
        if isinstance(event, RunFinished | Lines):
            return  # the lines of the result or of the error follow
        if isinstance(event, Note):
            if event.text in self._notes:
                return
            self._notes.add(event.text)
        if not self.is_live and isinstance(event, RunStarted):
            event = PhaseStarted(f"{event.total} cases")
        if not self.is_live and isinstance(event, CaseEnded) and not is_shown(event.case):
            return
        self._opened().show(event)

    def write(self, make: Callable[[int], Sequence[Line]]) -> None:
        """Write lines that stay."""
        self._opened().show(Lines(make))

    def idle(self) -> None:
        """Show that nothing runs."""
        if self.is_live:
            self._opened().show(PhaseStarted(IDLE))
        else:
            # A display that is open would report twice a minute that it goes on.
            self.close()

    def close(self) -> None:
        """Remove the redrawn part, until something is shown again."""
        self._ends.close()
        self._display = None

    def _opened(self) -> RunDisplay:
        if self._display is None:
            display: RunDisplay
            if self.is_live:
                display = live = LiveRounds(self._stream, self._environment)
                live.footer = self._footer
            else:
                display = PlainDisplay(self._stream, width=self.width)
            self._ends.enter_context(display)
            self._display = display
        return self._display
