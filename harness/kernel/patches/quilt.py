# SPDX-License-Identifier: GPL-2.0-only
"""The file ``series`` of a folder of patches, as quilt(1) has it: one name a line, options behind it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.base.errors import SeriesError

SERIES_FILE = "series"
# -pab is quilt's word for -p1 with the names a/ and b/.
_STRIP = {"-p0": 0, "-p1": 1, "-pab": 1}


@dataclass(frozen=True, slots=True)
class QuiltEntry:
    """A patch of the file.

    :param file: its name, from the folder of the file.
    :param strip: how many folders of its paths are not of the tree.
    """

    file: str
    strip: int = 1


def parse_quilt(text: str, *, name: str) -> tuple[QuiltEntry, ...]:
    """Read the file's text.

    :param name: what the user called the file, for errors.
    :raises SeriesError: an option that cannot be heeded, a name outside the folder, or one that stands twice.
    """
    entries: list[QuiltEntry] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = re.sub(r"(?:^|\s)#.*", "", line).split()
        if not words:
            continue
        file, *options = words
        where = f"{name}, line {number}"
        if file.startswith("/") or ".." in file.split("/"):
            raise SeriesError(f"{where}: {file} is not in the folder", remedy="put the patch into the folder")
        if any(entry.file == file for entry in entries):
            raise SeriesError(f"{where}: {file} is listed twice", remedy="remove one of the lines")
        strip = 1
        for option in options:
            if option not in _STRIP:
                raise SeriesError(
                    f"{where}: the option {option} of {file} is not supported",
                    remedy=f"supported: {', '.join(_STRIP)}; refresh the patch with: quilt refresh -p1",
                )
            strip = _STRIP[option]
        entries.append(QuiltEntry(file, strip))
    return tuple(entries)
