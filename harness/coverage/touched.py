# SPDX-License-Identifier: GPL-2.0-only
"""Find the functions that a change of a kernel tree touches, and the cases that reach them. Pure.

Only functions of C files tell cases apart. Everything else reaches code in ways that coverage does not show: a header,
a structure, a table of operations, Kconfig, a Makefile. Such a change is a doubt, and in doubt all cases are run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.coverage.lines import LineCoverage

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NEITHER_CODE_NOR_DATA = re.compile(r"\s*(?:/\*.*|\*.*|//.*)?")


@dataclass(frozen=True, slots=True)
class Span:
    """The lines of one function, from its type to its closing brace."""

    first: int
    last: int

    def holds(self, line: int) -> bool:
        """Return whether a line is part of the function."""
        return self.first <= line <= self.last


@dataclass(frozen=True, slots=True)
class Touched:
    """What a change of one file touches.

    :param functions: the functions of the old file that it changes.
    :param doubts: places that are not in a function, as ``FILE:LINE``.
    """

    functions: frozenset[Span]
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """The cases that reach a change.

    :param cases: their ids.
    :param doubts: what else the change touches; if there is any, other cases may reach it, too.
    """

    cases: frozenset[str]
    doubts: tuple[str, ...]


def function_spans(text: str) -> list[Span]:
    """Return the functions of a C file in the kernel's style: the braces of a body are in the first column."""
    spans: list[Span] = []
    head, body = 0, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if body:
            if line.startswith("}"):
                spans.append(Span(head, number))
                head = body = 0
        elif line.startswith("{") and head:
            body = number
        elif not line or line[0] in "#/ *}" or line.rstrip().endswith((";", "}")):
            head = 0
        elif not head and not line[0].isspace():
            head = number
    return spans


def touched_functions(file: str, old: str, new: str, diff: str) -> Touched:
    """Return what a change of a C file touches.

    :param file: its path.
    :param old: its text before the change.
    :param new: its text after the change.
    :param diff: the output of ``git diff -U0`` for it.
    """
    before, after = function_spans(old), function_spans(new)
    old_lines, new_lines = old.splitlines(), new.splitlines()
    functions: set[Span] = set()
    doubts: list[str] = []
    for line in diff.splitlines():
        if (found := _HUNK.match(line)) is None:
            continue
        first, count, added, number = (int(one) if one is not None else 1 for one in found.groups())
        removed = range(first, first + count)
        functions |= {span for span in before if any(map(span.holds, removed))}
        # Lines that are only added follow line ``first``.
        functions |= {span for span in before if not count and span.first <= first < span.last}
        doubts += [f"{file}:{at}" for at in removed if _is_doubtful(at, old_lines, before)]
        doubts += [f"{file}:{at}" for at in range(added, added + number) if _is_doubtful(at, new_lines, after)]
    return Touched(frozenset(functions), tuple(dict.fromkeys(doubts)))


def _is_doubtful(line: int, lines: Sequence[str], spans: Iterable[Span]) -> bool:
    return not any(span.holds(line) for span in spans) and not _NEITHER_CODE_NOR_DATA.fullmatch(lines[line - 1])


def find_reach(touched: Mapping[str, Touched], code: Sequence[LineCoverage], others: Iterable[str]) -> Reach:
    """Return the cases that reach a change.

    A line counts where it was inlined as well, so a case that runs an inlined copy of a function reaches it.

    :param touched: what the change touches, by C file.
    :param code: the lines with code of these files, before the change.
    :param others: changed files that are no C files.
    """
    cases: set[str] = set()
    doubts = [*others, *(doubt for one in touched.values() for doubt in one.doubts)]
    for file, one in touched.items():
        own = [line for line in code if line.file == file]
        if not own:
            # Another file may include it.
            doubts.append(f"{file}: no code of its own in the kernel")
        for span in one.functions:
            lines = [line for line in own if span.holds(line.line)]
            reaching = {case for line in lines for case in line.cases}
            cases |= reaching
            if not reaching and any(line.is_boot for line in lines):
                doubts.append(f"{file}:{span.first}: run by the boot only")
    return Reach(frozenset(cases), tuple(doubts))
