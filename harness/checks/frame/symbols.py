# SPDX-License-Identifier: GPL-2.0-only
"""Find the Kconfig symbols that a patch touches. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from harness.checks.frame.difference import ChangedFile

_ENTRY = re.compile(r"\s*(?:menu)?config\s+(?P<name>\w+)")
_END = re.compile(r"\s*(?:menu|endmenu|choice|endchoice|if|endif|source|comment|mainmenu)\b(?!.*\bhelp\b)")


def is_kconfig(path: str) -> bool:
    """Return whether a file is one of Kconfig."""
    return path.rpartition("/")[2].startswith("Kconfig")


def touched_symbols(changes: Iterable[ChangedFile], path: str, read: Callable[[str], str]) -> tuple[str, ...]:
    """Return the symbols whose entries a patch changes or adds in a file.

    :param changes: the changes of the patch.
    :param path: the file.
    :param read: reads a file after the patch; a later state may be read, as symbols rarely move.
    """
    lines = read(path).split("\n")
    numbers = [number for one in changes if one.path == path for number in one.added]
    return tuple(dict.fromkeys(name for number in numbers for name in _entry(lines, number)))


def _entry(lines: list[str], number: int) -> Iterator[str]:
    for line in reversed(lines[:number]):
        if found := _ENTRY.match(line):
            yield found["name"]
            return
        if _END.match(line) and not line.startswith("\t  "):
            return
