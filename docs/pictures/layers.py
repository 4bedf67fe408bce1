# SPDX-License-Identifier: GPL-2.0-only
"""Draw the layers of the package from its imports: ``python -m docs.pictures.layers`` writes the picture.

One line per folder (or module at the root of ``harness/``), from the top layer to the bottom one. A dot in a
column says that the folder of the line imports the folder of the column. Imports go down only, so every dot lies right
of the diagonal. A test compares the file with what this module draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from tests.unit.test_layers import MODULES, ROWS, needed_modules, room_of

FILE = Path(__file__).parents[1] / "images" / "layers.svg"

PURPOSES = {
    "__main__": "python -m harness",
    "cli": "the harness command",
    "commands": "one module per command; prints and exits",
    "bisect": "find the commits that changed results",
    "series": "test a patch series patch by patch",
    "hosts": "run cases on other hosts",
    "follow": "test the series of mailing lists as they come",
    "watch": "rebuild a tree and rerun the cases after each edit",
    "explore": "search for what no case says",
    "checks": "check the patches of a series without a boot",
    "run": "cases on one kernel or several",
    "doctor": "check the host",
    "report.page": "the HTML page",
    "report.display": "a run on the terminal",
    "report.formats": "JUnit, KTAP, KCIDB, b4, forges",
    "pipeline": "from a kernel argument to a machine",
    "report.tables": "tables of text",
    "report.lines": "one line of text",
    "report.text": "text that is safe to print",
    "guest": "QEMU, templates, clones, consoles",
    "kernel.resolve": "kernel argument to kernel",
    "kernel.line_tables": "lines of built object files",
    "kernel.type_objects": "types of tasks and locks",
    "kernel.debug_package": "lines of a Debian kernel",
    "kernel.from_source": "source to kernel",
    "kernel.in_place": "a build in the user's own folder",
    "kernel.needs": "what cases need of a config",
    "kernel.build": "make, warnings, object cache",
    "kernel.image": "facts read from an image",
    "kernel.patches": "read and apply a series",
    "kernel.mail": "mails, threads, diffs",
    "kernel.config": "fragments, Kconfig",
    "kernel.source": "packages and trees",
    "kernel.toolchain": "compilers, missing tools",
    "kernel.git": "git commands, work trees",
    "kernel.sandbox": "bubblewrap, limits",
    "suite": "suites: suite.toml, checks, template",
    "results": "run folders, comparison, history",
    "coverage": "kernel code that was run",
    "export": "cases that run without the harness",
    "cores": "what the memory of a machine holds",
    "inventory": "what user space finds on a kernel",
    "semantics": "traits, profiles, judging",
    "session": "the language of session files",
    "model": "records and arguments",
    "base": "store, processes, errors",
    "kernellog": "kernel log to splats",
    "tap": "test output in, results out",
}
"""What each room is for, in a few words; a test holds that no room is missing."""

_LINE, _TOP, _LEFT = 20, 30, 16
_NAME, _COUNT, _PURPOSE, _MATRIX = _LEFT, 172, 190, 470
_DOT = 18
_STYLE = """
  text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328; }
  .name { font-weight: bold; } .count, .purpose, .head { fill: #57606a; } .count, .head { text-anchor: end; }
  .row { fill: #f6f8fa; } .self { fill: #d0d7de; } .import { fill: #0969da; }
"""


def draw() -> str:
    """Draw the picture as SVG, from the layers and the imports of today."""
    rooms = [room for row in ROWS for room in row]
    width, height = _MATRIX + _DOT * len(rooms) + 16, _TOP + _LINE * len(rooms) + 40
    about = "The layers of harness/: each folder with the folders that it imports, all below it"
    rule = "Folders of one band do not import each other; every import goes to a band further down."
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{about}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text class="name" x="{_NAME}" y="18">folder</text><text class="head" x="{_COUNT}" y="18">modules</text>',
        f'<text class="purpose" x="{_PURPOSE}" y="18">for</text>',
        f'<text class="purpose" x="{_MATRIX}" y="18">imports (a dot: the folder of that column)</text>',
        *_bands(width),
        *_lines(rooms),
        f'<text class="purpose" x="{_LEFT}" y="{height - 14}">{rule}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bands(width: int) -> Iterator[str]:
    """Draw a background for every second layer."""
    at = 0
    for number, row in enumerate(ROWS):
        if number % 2 == 0:
            yield f'<rect class="row" x="8" y="{_TOP + _LINE * at}" width="{width - 16}" height="{_LINE * len(row)}"/>'
        at += len(row)


def _lines(rooms: list[str]) -> Iterator[str]:
    """Draw the line of each room: name, size, purpose and imports."""
    columns = {room: _MATRIX + _DOT * at + _DOT // 2 for at, room in enumerate(rooms)}
    imports = _imports()
    for at, room in enumerate(rooms):
        base = _TOP + _LINE * at + 14
        size = sum(room_of(name) == room for name in MODULES)
        yield f'<text class="name" x="{_NAME}" y="{base}">{escape(room)}</text>'
        yield f'<text class="count" x="{_COUNT}" y="{base}">{size}</text>'
        yield f'<text class="purpose" x="{_PURPOSE}" y="{base}">{escape(PURPOSES[room])}</text>'
        middle = base - 4
        yield f'<rect class="self" x="{columns[room] - 5}" y="{middle - 5}" width="10" height="10"/>'
        for other in sorted(imports[room], key=rooms.index):
            title = escape(f"{room} imports {other}")
            yield f'<circle class="import" cx="{columns[other]}" cy="{middle}" r="4"><title>{title}</title></circle>'


def _imports() -> dict[str, set[str]]:
    """Collect the rooms that each room imports."""
    found: dict[str, set[str]] = {room: set() for row in ROWS for room in row}
    for name in MODULES:
        found[room_of(name)] |= {room_of(other) for other in needed_modules(name)} - {room_of(name)}
    return found


def main() -> None:
    """Write the picture."""
    FILE.write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
