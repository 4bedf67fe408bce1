# SPDX-License-Identifier: GPL-2.0-only
"""Every Python, shell and C file says its license in the form that the kernel uses (process/license-rules.rst).

``python -m tests.unit.test_license`` adds the line to the Python and shell files that do not have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.base import paths

LICENSE = "SPDX-License-Identifier: GPL-2.0-only"
COMMENTS = {".py": f"# {LICENSE}", ".sh": f"# {LICENSE}", "": f"# {LICENSE}", ".c": f"// {LICENSE}"}
"""The line for each kind of file."""
FOLDERS = ("harness", "tests", "bench", "cases", "docs", "examples", "kconfigs", "qemu", "series")


def licensed_files() -> Iterator[Path]:
    """Find the files that have to say their license; an empty file has nothing to license."""
    yield paths.ROOT / "bootstrap"
    yield paths.ROOT / ".ci" / "run"
    for folder in FOLDERS:
        for path in sorted((paths.ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".sh", ".c") and path.is_file() and path.stat().st_size:
                yield path


def place_of_line(lines: list[str]) -> int:
    """Return the index of the line for the license: the first one, or the one below the name of the interpreter."""
    return 1 if lines and lines[0].startswith("#!") else 0


def says_license(path: Path) -> bool:
    """Read whether a file has the line where it belongs."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[place_of_line(lines) :][:1] == [COMMENTS[path.suffix]]


def test_every_file_says_its_license() -> None:
    """A file that is copied alone takes its license along."""
    files = list(licensed_files())
    silent = [path.relative_to(paths.ROOT).as_posix() for path in files if not says_license(path)]

    assert len(files) > 400
    assert not silent, "run: python -m tests.unit.test_license"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"# {LICENSE}\nx\n", True),
        (f"#!/bin/sh\n# {LICENSE}\n", True),
        (f'"""Words."""\n# {LICENSE}\n', False),
        ("# SPDX-License-Identifier: MIT\n", False),
        ("x\n", False),
    ],
)
def test_the_line_is_looked_for_in_its_place(tmp_path: Path, text: str, says: bool) -> None:
    """First, or below the interpreter."""
    file = tmp_path / "file.py"
    file.write_text(text)

    assert says_license(file) is says


def main() -> None:
    """Add the line where it is missing."""
    for path in licensed_files():
        if path.suffix != ".c" and not says_license(path):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            lines.insert(place_of_line(lines), COMMENTS[path.suffix] + "\n")
            path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
