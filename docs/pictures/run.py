# SPDX-License-Identifier: GPL-2.0-only
"""Draw a run as a terminal shows it: ``python -m docs.pictures.run [RUN.json]`` writes ``docs/images/run.svg``.

The record of a real run is shown by the real live display on a terminal in memory; rich exports what is left on it.
With a file, that record is kept as ``docs/pictures/run.json`` first.
"""

from __future__ import annotations

import io
import re
import sys
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.model.run_record import RunRecord
from harness.report.display.events import CaseEnded, CaseStarted, RunFinished, RunStarted
from harness.report.display.live import LiveDisplay
from harness.results.records import load_run_record

HERE = Path(__file__).parent
RECORD = HERE / "run.json"
FILE = HERE.parent / "images" / "run.svg"
WIDTH = 100
TITLE = "harness run"

_TOKEN = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|[\r\n]|[^\x1b\r\n]")

_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class Terminal(io.StringIO):
    """A terminal in memory that keeps each character with its style; it obeys the sequences that rich writes."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[list[tuple[str, str]]] = [[]]
        self._row = self._column = 0
        self._style = ""

    def isatty(self) -> bool:
        """Be a terminal."""
        return True

    def write(self, text: str) -> int:
        """Show the text and obey the sequences in it."""
        for token in _TOKEN.finditer(text):
            self._obey(token.group(), token.group(1) or "", token.group(2) or "")
        return len(text)

    @property
    def rows(self) -> list[str]:
        """Return all rows, scrolled ones included, each with its styles as escape sequences."""
        rows = [_ansi(row) for row in self._rows]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def _obey(self, token: str, parameter: str, final: str) -> None:
        if final == "m":
            self._style = "" if parameter in ("", "0") else self._style + token
        elif final == "A":
            self._row = max(0, self._row - int(parameter or 1))
        elif final == "K":
            self._rows[self._row] = []
        elif token == "\r":
            self._column = 0
        elif token == "\n":
            self._row, self._column = self._row + 1, 0
            self._rows += [[] for _ in range(self._row - len(self._rows) + 1)]
        elif not final:
            row = self._rows[self._row]
            row += [(" ", "")] * (self._column - len(row) + 1)
            row[self._column] = (token, self._style)
            self._column += 1


def _ansi(row: list[tuple[str, str]]) -> str:
    """Write a row as text with one escape sequence per stretch of one style."""
    stretches = ((style, "".join(char for char, _ in cells)) for style, cells in groupby(row, key=lambda cell: cell[1]))
    return "".join(f"{style}{text}\x1b[0m" if style else text for style, text in stretches)


def show(run: RunRecord) -> list[str]:
    """Show a run on the live display and return the rows that are left on the terminal."""
    terminal = Terminal()
    environment = {"TERM": "xterm-256color"}
    with LiveDisplay(terminal, environment, size=lambda: (WIDTH, 60), redraws_per_second=0) as display:
        display.show(RunStarted(run, len(run.cases)))
        for case in run.cases:
            display.show(CaseStarted(case.id, ""))
            display.show(CaseEnded(case))
        display.show(RunFinished(run, None))
    return [f"\x1b[1m$ {run.command}\x1b[0m", *terminal.rows]


def draw(run: RunRecord) -> str:
    """Draw the rows as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    for row in show(run):
        console.print(Text.from_ansi(row), soft_wrap=False, overflow="crop", no_wrap=True)
    return without_fonts(console.export_svg(title=TITLE, unique_id="run"))


def without_fonts(svg: str) -> str:
    """Return a picture without the fonts that rich names: they are on a server, and a picture loads nothing."""
    return _FONTS.sub("", svg)


def read_record() -> RunRecord:
    """Read the record that the picture shows."""
    return load_run_record(RECORD.read_text(encoding="utf-8"), source=str(RECORD))


def main() -> None:
    """Keep the given record, if there is one, and write the picture."""
    if len(sys.argv) > 1:
        RECORD.write_text(Path(sys.argv[1]).read_text(encoding="utf-8"), encoding="utf-8")
    FILE.write_text(draw(read_record()), encoding="utf-8")


if __name__ == "__main__":
    main()
