# SPDX-License-Identifier: GPL-2.0-only
"""Make text from a guest safe to show: remove control sequences, show invisible characters, bound the length.

Pure. The output of a guest is untrusted until :func:`plain_text` has processed it: it may have escape sequences that
redraw a terminal, characters that XML forbids, and bidirectional controls that disguise a line.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple


class _Patterns(NamedTuple):
    sequence: re.Pattern[str]
    line_end: re.Pattern[str]
    unseen: re.Pattern[str]
    unseen_ascii: re.Pattern[str]


@cache
def _patterns() -> _Patterns:
    """Compile the patterns on first use: that takes longer than everything else in this module."""
    return _Patterns(
        # ECMA-48: control sequences (CSI), control strings (OSC, DCS, SOS, PM, APC) up to their terminator, other
        # escapes. An unterminated control string loses only its introducer: the rest may be the evidence.
        sequence=re.compile(
            r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
            r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f\n]{0,4096}(?:\x07|\x1b\\|\x9c)"
            r"|\x1b[ -/]*[0-~]"
        ),
        # The line end of a serial console; without the look-behind, a megabyte of \r would take quadratic time.
        line_end=re.compile(r"(?<!\r)\r+\n"),
        # Shown as <U+....>: C0 and C1 controls except tab and newline, lone surrogates, noncharacters (U+FFFE and
        # U+FFFF are forbidden in XML 1.0, section 2.2), line and paragraph separators, bidirectional controls (Unicode
        # Standard Annex 9, section 2), invisible characters, tags.
        unseen=re.compile(
            "[\x00-\x08\x0b-\x1f\x7f-\x9f"
            "\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
            "\ud800-\udfff\ufdd0-\ufdef"
            + "".join(f"{chr(n + 0xFFFE)}{chr(n + 0xFFFF)}" for n in range(0, 0x110000, 0x10000))
            + "\U000e0000-\U000e007f]"
        ),
        unseen_ascii=re.compile("[\x00-\x08\x0b-\x1f\x7f]"),
    )


_PLAIN = bytes([*b"\t\n", *range(0x20, 0x7F)])


def plain_text(text: str) -> str:
    """Return a text without escape sequences, with ``\\n`` as the only line end, and with invisible characters shown.

    The result is well-formed in XML 1.0, moves no cursor and is shown in storage order. A byte that was not UTF-8
    (decoded with ``surrogateescape``) becomes ``<0x80>``, any other invisible character ``<U+202E>``.
    """
    ascii_only = text.isascii()  # nearly always; then two of three searches are skipped and the third costs a tenth
    if ascii_only and not text.encode("ascii").translate(None, _PLAIN):
        return text
    patterns = _patterns()
    if "\x1b" in text or not ascii_only:
        text = patterns.sequence.sub("", text)
    if "\r" in text:
        text = patterns.line_end.sub("\n", text)
    return (patterns.unseen_ascii if ascii_only else patterns.unseen).sub(lambda found: _name(ord(found.group())), text)


def _name(point: int) -> str:
    return f"<0x{point - 0xDC00:02X}>" if 0xDC80 <= point <= 0xDCFF else f"<U+{point:04X}>"


def one_line(text: str, width: int = 0) -> str:
    """Return a text as one plain line with single spaces; cut to ``width`` columns unless that is 0."""
    line = " ".join(plain_text(text).split())
    return elide(line, width) if width else line


def bound(text: str, limit: int, *, whole: str = "") -> str:
    """Return a text of at most about ``limit`` characters: its head, a line with the size of the cut, and its tail.

    :param limit: the number of characters, not counting the inserted line.
    :param whole: the path of the whole text, e.g. relative to the run folder; empty if there is none.
    """
    if len(text) <= limit:
        return text
    head, tail = text[: limit * 2 // 3], text[len(text) - limit // 3 :]
    # Cut at line ends where one is near.
    head = head[: head.rfind("\n") + 1] if "\n" in head[-limit // 6 :] else head + "\n"
    tail = tail[tail.find("\n") + 1 :] if "\n" in tail[: limit // 6] else tail
    cut = len(text) - len(head) - len(tail)
    where = f"; see {whole}" if whole else ""
    return f"{head}[... {cut} characters cut here{where} ...]\n{tail}"


def bound_lines(text: str, limit: int, *, whole: str = "") -> str:
    """Return the first ``limit`` lines, and a line with the number of lines cut; ``whole`` as in :func:`bound`."""
    lines = text.rstrip("\n").split("\n")
    if len(lines) <= limit:
        return "\n".join(lines)
    where = f"; see {whole}" if whole else ""
    return "\n".join([*lines[:limit], f"[... {len(lines) - limit} lines cut here{where} ...]"])


def safe_encoding(name: str | None) -> str:
    """Return ``utf-8`` for a stream with a UTF encoding or without one (in memory), else ``ascii``."""
    plain = (name or "utf-8").lower().replace("-", "").replace("_", "")
    return "utf-8" if plain.startswith("utf") else "ascii"


def encodable(text: str, encoding: str) -> str:
    """Return a text that can be written in an encoding; other characters become backslash escapes."""
    if encoding == "ascii" and not text.isascii():
        text = text.translate(_ASCII_BARS)
    return text.encode(encoding, errors="backslashreplace").decode(encoding)


_ASCII_BARS = str.maketrans("▁▂▃▄▅▆▇█·", "_.:-=+*# ")


def columns(text: str) -> int:
    """Return the terminal columns of a line of plain text; wide characters take two (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def elide(text: str, width: int) -> str:
    """Replace the end of a line of plain text with ``...`` if it takes more than ``width`` columns."""
    if columns(text) <= width:
        return text
    return text[: _fitting(text, max(1, width - 3))].rstrip() + "..."


def elide_start(text: str, width: int) -> str:
    """Replace the start of a line with ``...`` if it is too wide: for paths and ids, whose end matters more."""
    if columns(text) <= width:
        return text
    return "..." + text[len(text) - _fitting(text[::-1], max(1, width - 3)) :]


def fold(text: str, width: int) -> list[str]:
    """Fold a line of plain text into lines of at most ``width`` columns, at spaces if possible."""
    lines: list[str] = []
    rest = text
    while columns(rest) > width:
        taken = _fitting(rest, width)
        space = rest.rfind(" ", 1, taken + 1)
        lines.append(rest[: space if space > 0 else taken])
        rest = rest[space + 1 if space > 0 else taken :]
    return [*lines, rest]


def _fitting(text: str, width: int) -> int:
    """Return how many of the first characters fit into ``width`` columns; at least one."""
    if text.isascii():
        return min(len(text), max(1, width))
    taken = used = 0
    for character in text:
        used += _columns_of(character)
        if used > width and taken:
            break
        taken += 1
    return taken
