# SPDX-License-Identifier: GPL-2.0-only
"""Draw a watch as a terminal shows it: ``python -m docs.pictures.watch [WATCH.cast]`` writes ``docs/images/watch.svg``.

The recording is of a real watch, in the format of asciinema (version 2): a line with the size, then a line for each
piece of output with its time. ``asciinema play docs/pictures/watch.cast`` shows it as it went.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from docs.pictures.run import HERE, Terminal, without_fonts

RECORDING = HERE / "watch.cast"
FILE = HERE.parent / "images" / "watch.svg"
TITLE = "harness watch"
_OUTPUT = "o"


def rows_of(recording: str) -> list[str]:
    """Return the rows that a recording leaves on the terminal, with their styles as escape sequences."""
    terminal = Terminal()
    for line in recording.splitlines()[1:]:
        _, kind, text = json.loads(line)
        if kind == _OUTPUT:
            terminal.write(text)
    return terminal.rows


def draw(recording: str) -> str:
    """Draw what a recording leaves on the terminal as SVG."""
    width = int(json.loads(recording.partition("\n")[0])["width"])
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, highlight=False)
    for row in rows_of(recording):
        console.print(Text.from_ansi(row), soft_wrap=False, overflow="crop", no_wrap=True)
    return without_fonts(console.export_svg(title=TITLE, unique_id="watch"))


def main() -> None:
    """Keep the given recording, if there is one, and write the picture."""
    if len(sys.argv) > 1:
        RECORDING.write_text(Path(sys.argv[1]).read_text(encoding="utf-8"), encoding="utf-8")
    FILE.write_text(draw(RECORDING.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
