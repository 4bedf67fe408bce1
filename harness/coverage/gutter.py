# SPDX-License-Identifier: GPL-2.0-only
"""Put what ran each line beside the source of a file, or beside a patch. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from harness.coverage.branches import BranchCoverage, Way, by_line
from harness.coverage.changes import ChangedLine
from harness.coverage.lines import LineCoverage

_HUNK = re.compile(r"@@ -[0-9,]+ \+([0-9]+)(?:,[0-9]+)? @@.*")
_FILE = re.compile(r"\+\+\+ (?:b/)?(.+?)\t?")


class Mark(Enum):
    """What ran a line."""

    NONE = ""
    RUN = "run"
    BOOT = "boot only"
    NOT_RUN = "not run"
    CHANGED_AGAIN = "changed again"
    """A later patch of the series changes or removes it."""


@dataclass(frozen=True, slots=True)
class GutterLine:
    """One line with what ran it.

    :param text: the line; of a patch with its first character.
    :param number: its number in the file; 0 for a line that the file does not have.
    :param cases: ids of the cases that ran it.
    :param ways: how many ways of its conditions were taken for certain, and of how many.
    :param is_one_way: whether one of its conditions certainly went one way only.
    """

    text: str
    number: int = 0
    mark: Mark = Mark.NONE
    cases: tuple[str, ...] = ()
    ways: tuple[int, int] = (0, 0)
    is_one_way: bool = False


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file with what ran its lines.

    :param run: number of lines with code that a case ran.
    :param code: number of lines with code.
    """

    name: str
    lines: tuple[GutterLine, ...]
    run: int
    code: int


def source_file(
    name: str, text: str, lines: Iterable[LineCoverage], branches: Iterable[BranchCoverage] = ()
) -> SourceFile:
    """Put what ran the lines of a file beside its source.

    :param text: the source; without it only lines with code are listed.
    :param lines: the lines with code of this file.
    :param branches: the conditional jumps of this file that were run.
    """
    known = {one.line: one for one in lines}
    jumps = by_line(branches)
    texts = dict(enumerate(text.splitlines(), start=1)) if text else dict.fromkeys(sorted(known), "")
    shown = tuple(
        _source_line(texts[number], number, known.get(number), jumps.get((name, number), [])) for number in texts
    )
    return SourceFile(name, shown, sum(bool(one.cases) for one in known.values()), len(known))


def _source_line(text: str, number: int, line: LineCoverage | None, branches: Sequence[BranchCoverage]) -> GutterLine:
    if line is None:
        return GutterLine(text, number)
    ways = [way for one in branches for way in one.ways]
    one_way = any(one.is_one_way for one in branches)
    mark = _mark(line.cases, is_boot=line.is_boot)
    return GutterLine(text, number, mark, line.cases, (ways.count(Way.TAKEN), len(ways)), one_way)


def _mark(cases: Sequence[str], *, is_boot: bool) -> Mark:
    if cases:
        return Mark.RUN
    return Mark.BOOT if is_boot else Mark.NOT_RUN


def patch_lines(patch: str, known: Mapping[tuple[str, int], ChangedLine]) -> tuple[GutterLine, ...]:
    """Put what ran the lines of a patch beside them.

    :param patch: the output of ``git show``.
    :param known: the lines of this patch that the whole series keeps, by file and by line as this patch leaves them.
    """
    shown: list[GutterLine] = []
    file, number = "", 0
    for text in patch.splitlines():
        if found := _HUNK.fullmatch(text):
            number = int(found[1])
            shown.append(GutterLine(text))
        elif number and text.startswith((" ", "+", "-", "\\")):
            shown.append(_patch_line(text, number, known.get((file, number)), is_c=file.endswith((".c", ".h"))))
            number += text.startswith((" ", "+"))
        else:
            number = 0
            found = _FILE.fullmatch(text)
            file = found[1] if found else file
            shown.append(GutterLine(text))
    return tuple(shown)


def _patch_line(text: str, number: int, line: ChangedLine | None, *, is_c: bool) -> GutterLine:
    if not text.startswith("+"):
        return GutterLine(text, number if text.startswith(" ") else 0)
    if line is None:
        return GutterLine(text, number, Mark.CHANGED_AGAIN if is_c else Mark.NONE)
    if not line.is_code:
        return GutterLine(text, number)
    mark = _mark(line.cases, is_boot=line.is_boot)
    return GutterLine(text, number, mark, line.cases, is_one_way=line.is_one_way)
