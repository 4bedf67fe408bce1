# SPDX-License-Identifier: GPL-2.0-only
"""A terminal in memory that shows what a display wrote."""

from __future__ import annotations

import io
import re

_TOKEN = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|\x1b.|[\r\n]|[^\x1b\r\n]")


class Screen(io.StringIO):
    """A screen that knows the few sequences that rich writes, scrolls without end, and rejects all others.

    :param width: columns; a line goes on in the next one when they are used up, as in a real terminal.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.styles: set[str] = set()
        self.cursor_shown = True
        self._lines = [""]
        self._row = self._column = 0

    def isatty(self) -> bool:
        """Report that this is a terminal."""
        return True

    def write(self, text: str) -> int:
        """Show a text and obey the sequences in it."""
        for found in _TOKEN.finditer(text):
            self._obey(found.group(), found.group(1) or "", found.group(2) or "")
        return len(text)

    @property
    def lines(self) -> list[str]:
        """All lines, including those that scrolled away, without blank ones at the end."""
        lines = [line.rstrip() for line in self._lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def text(self) -> str:
        """The lines as a text."""
        return "".join(f"{line}\n" for line in self.lines)

    def _obey(self, token: str, parameter: str, final: str) -> None:
        if final == "m":
            self.styles.add(parameter)
        elif final in ("h", "l") and parameter == "?25":
            self.cursor_shown = final == "h"
        elif final == "A":
            self._row = max(0, self._row - int(parameter or 1))
        elif final == "K" and parameter == "2":
            self._lines[self._row] = ""
        elif token == "\r":
            self._column = 0
        elif token == "\n":
            self._row, self._column = self._row + 1, 0
            self._lines += [""] * (self._row + 1 - len(self._lines))
        elif len(token) == 1:
            self._put(token)
        else:
            raise AssertionError(f"a display wrote {token!r}")

    def _put(self, character: str) -> None:
        if self._column == self.width:
            self._obey("\n", "", "")
        line = self._lines[self._row].ljust(self._column)
        self._lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
        self._column += 1
