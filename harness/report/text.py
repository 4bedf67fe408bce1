"""Making text from a guest safe to show: control sequences out, what cannot be seen made visible, length bounded.

Pure. All that a guest prints is hostile until it went through :func:`plain_text`: it may hold escape sequences that
redraw a terminal, characters that XML forbids, and bidirectional controls that show a line as something else.
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
    """Made when first used: compiling them takes longer than all else in this module."""
    return _Patterns(
        # ECMA-48: control sequences (CSI), control strings (OSC, DCS, SOS, PM, APC) up to their terminator, other
        # escapes. A control string that is not ended loses only its introducer: what follows may be the evidence.
        sequence=re.compile(
            r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
            r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f\n]{0,4096}(?:\x07|\x1b\\|\x9c)"
            r"|\x1b[ -/]*[0-~]"
        ),
        # A serial console's line end; the look-behind keeps a megabyte of \r from costing the square of it.
        line_end=re.compile(r"(?<!\r)\r+\n"),
        # What is shown as <U+....>: C0 and C1 controls but tab and newline, lone surrogates, noncharacters (U+FFFE and
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
    """The text without escape sequences, with ``\\n`` as the only line end, and every unseen character made visible.

    What comes out is well-formed in XML 1.0, moves no cursor and shows in the order in which it is stored. A byte that
    was not UTF-8 (decoded with ``surrogateescape``) shows as ``<0x80>``, any other unseen character as ``<U+202E>``.
    """
    ascii_only = text.isascii()  # nearly always; then two of three searches cost nothing and the third a tenth
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
    """The text as one plain line, runs of white space as one space; cut to ``width`` columns when that is not 0."""
    line = " ".join(plain_text(text).split())
    return elide(line, width) if width else line


def bound(text: str, limit: int, *, whole: str = "") -> str:
    """The text, or its head and tail around a line that says how much was cut, in at most about ``limit`` characters.

    :param limit: characters; the line that tells of the cut comes on top.
    :param whole: where the whole text is, e.g. a path relative to the run folder; empty when nowhere.
    """
    if len(text) <= limit:
        return text
    head, tail = text[: limit * 2 // 3], text[len(text) - limit // 3 :]
    # Cut at line ends where one is near.
    head = head[: head.rfind("\n") + 1] if "\n" in head[-limit // 6 :] else head + "\n"
    tail = tail[tail.find("\n") + 1 :] if "\n" in tail[: limit // 6] else tail
    cut = len(text) - len(head) - len(tail)
    where = f"; the whole is in {whole}" if whole else ""
    return f"{head}[... {cut} characters cut here{where} ...]\n{tail}"


def bound_lines(text: str, limit: int, *, whole: str = "") -> str:
    """The first ``limit`` lines, and a line that says how many were cut; ``whole`` as in :func:`bound`."""
    lines = text.rstrip("\n").split("\n")
    if len(lines) <= limit:
        return "\n".join(lines)
    where = f"; all of them are in {whole}" if whole else ""
    return "\n".join([*lines[:limit], f"[... {len(lines) - limit} lines cut here{where} ...]"])


def safe_encoding(name: str | None) -> str:
    """``utf-8`` for a stream of that encoding, and for one in memory, which has none; else ``ascii``."""
    plain = (name or "utf-8").lower().replace("-", "").replace("_", "")
    return "utf-8" if plain.startswith("utf") else "ascii"


def encodable(text: str, encoding: str) -> str:
    """The text with what ``encoding`` cannot hold as a backslash escape, so that writing it cannot fail."""
    if encoding == "ascii" and not text.isascii():
        text = text.translate(_ASCII_BARS)
    return text.encode(encoding, errors="backslashreplace").decode(encoding)


_ASCII_BARS = str.maketrans("▁▂▃▄▅▆▇█·", "_.:-=+*# ")


def columns(text: str) -> int:
    """How many columns of a terminal one line of plain text takes (Unicode Standard Annex 11: wide ones take two)."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def elide(text: str, width: int) -> str:
    """One line of plain text, its end replaced by ``...`` when it takes more than ``width`` columns."""
    if columns(text) <= width:
        return text
    return text[: _fitting(text, max(1, width - 3))].rstrip() + "..."


def elide_start(text: str, width: int) -> str:
    """The same, but the start is replaced: for paths and ids, whose end tells more."""
    if columns(text) <= width:
        return text
    return "..." + text[len(text) - _fitting(text[::-1], max(1, width - 3)) :]


def fold(text: str, width: int) -> list[str]:
    """One line of plain text as lines of at most ``width`` columns, broken at spaces where that is possible."""
    lines: list[str] = []
    rest = text
    while columns(rest) > width:
        taken = _fitting(rest, width)
        space = rest.rfind(" ", 1, taken + 1)
        lines.append(rest[: space if space > 0 else taken])
        rest = rest[space + 1 if space > 0 else taken :]
    return [*lines, rest]


def _fitting(text: str, width: int) -> int:
    """How many of the first characters fit into ``width`` columns; one at least."""
    if text.isascii():
        return min(len(text), max(1, width))
    taken = used = 0
    for character in text:
        used += _columns_of(character)
        if used > width and taken:
            break
        taken += 1
    return taken
