# SPDX-License-Identifier: GPL-2.0-only
"""Find the comment in a line of source. Pure."""

from __future__ import annotations

import re

_C = re.compile(r"/\*(.*?)(?:\*/|$)|//(.*)")
_CONTINUED = re.compile(r"\s*\*(?:\s+(.*?))?(?:\*/)?$")
_HASH = re.compile(r"(?:^|\s)#\s+(.*)")


def comment_text(path: str, line: str) -> str:
    """Return the text of the comment in a line; empty without one.

    :param path: the file, whose suffix tells the language.
    :param line: the line; that it is within a comment is only known from its leading ``*``.
    """
    if path.endswith((".c", ".h", ".S", ".dts", ".dtsi", ".lds")):
        if found := _CONTINUED.fullmatch(line):
            return found[1] or ""
        parts = _C.findall(re.sub(r'"(?:[^"\\]|\\.)*"', '""', line))
        return " ".join(one or other for one, other in parts)
    if path.rpartition("/")[2].startswith(("Kconfig", "Makefile")) or path.endswith((".py", ".sh", ".yaml")):
        found = _HASH.search(line)
        return found[1] if found else ""
    return ""
