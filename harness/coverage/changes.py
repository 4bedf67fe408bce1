# SPDX-License-Identifier: GPL-2.0-only
"""Compare the lines that a series adds or changes with the lines that were run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.coverage.branches import BranchCoverage
from harness.coverage.lines import LineCoverage
from harness.model.series_record import ChangedLines, LineSpan

_FILE = re.compile(r"\+\+\+ b/(.+?)\t?")
_HUNK = re.compile(r"@@ -[0-9,]+ \+([0-9]+)(?:,([0-9]+))? @@.*")


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """One line that a patch adds or changes, as the whole series leaves it.

    :param is_code: whether instructions of the kernel belong to it.
    :param cases: ids of the cases that ran it, sorted.
    :param is_boot: whether the boot ran it.
    :param is_one_way: whether a condition in it certainly went one way only.
    """

    file: str
    line: int
    is_code: bool = False
    cases: tuple[str, ...] = ()
    is_boot: bool = False
    is_one_way: bool = False

    @property
    def is_run(self) -> bool:
        """Return whether a case ran it."""
        return bool(self.cases)


def changed_lines(diff: str) -> dict[str, frozenset[int]]:
    """Return the lines that a diff adds or changes, by file.

    :param diff: the output of ``git diff -U0``.
    """
    lines: dict[str, set[int]] = {}
    file = ""
    for line in diff.splitlines():
        if found := _FILE.fullmatch(line):
            file = found[1]
        elif (found := _HUNK.fullmatch(line)) and file:
            first, count = int(found[1]), int(found[2] or 1)
            lines.setdefault(file, set()).update(range(first, first + count))
    return {name: frozenset(numbers) for name, numbers in lines.items() if numbers}


def judge_changes(
    changed: Mapping[str, Iterable[int]], code: Iterable[LineCoverage], branches: Iterable[BranchCoverage] = ()
) -> list[ChangedLine]:
    """Return the changed lines with what ran them, by file and line.

    :param changed: lines by file.
    :param code: the lines with code.
    :param branches: the conditional jumps that cases ran.
    """
    one_way = {(one.file, one.line) for one in branches if one.is_one_way}
    known = {(one.file, one.line): one for one in code}
    judged = []
    for file, numbers in sorted(changed.items()):
        for number in sorted(numbers):
            one = known.get((file, number))
            if one is None:
                judged.append(ChangedLine(file, number))
            else:
                judged.append(ChangedLine(file, number, True, one.cases, one.is_boot, (file, number) in one_way))
    return judged


def summarize(changed: Sequence[ChangedLine]) -> ChangedLines:
    """Return the numbers of changed lines, and where those are that no case ran.

    :param changed: the lines, by file and line.
    """
    code = [one for one in changed if one.is_code]
    left = [one for one in code if not one.is_run]
    return ChangedLines(
        changed=len(changed),
        code=len(code),
        run=len(code) - len(left),
        cases=len({case for one in code for case in one.cases}),
        boot_only=_spans(one for one in left if one.is_boot),
        not_run=_spans(one for one in left if not one.is_boot),
        one_way=_spans(one for one in code if one.is_one_way and one.is_run),
    )


def _spans(lines: Iterable[ChangedLine]) -> tuple[LineSpan, ...]:
    spans: list[LineSpan] = []
    for one in lines:
        if spans and spans[-1].file == one.file and spans[-1].last == one.line - 1:
            spans[-1] = replace(spans[-1], last=one.line)
        else:
            spans.append(LineSpan(one.file, one.line, one.line))
    return tuple(spans)
