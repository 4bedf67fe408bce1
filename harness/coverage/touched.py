# SPDX-License-Identifier: GPL-2.0-only
"""Find the functions that a change of a kernel tree touches, and the cases that reach the change. Pure.

A case behaves as before unless it comes to a changed line: a line that is removed or rewritten, or the lines before
and after what is added. Lines without code of their own stand for their neighbors, labels for their whole function.

Only functions of C files tell cases apart. Everything else reaches code in ways that coverage does not show: a header,
a structure, a table of operations, Kconfig, a Makefile. So does code that the boot ran: it may leave another state to
all cases. Such a change is a doubt, and in doubt all cases are run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.coverage.lines import LineCoverage

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NAME = re.compile(r"(\w+)\s*\(\s*(\w*)")
_LABEL = re.compile(r"\s*(?:case\b|default\s*:|switch\b|#|\w+:(?!:))")
_NEITHER_CODE_NOR_DATA = re.compile(r"\s*(?:/\*.*|\*.*|//.*)?")


@dataclass(frozen=True, slots=True)
class Span:
    """The lines of one function, from its type to its closing brace.

    :param name: its name; of a macro that defines a function, the macro and its first argument.
    """

    first: int
    last: int
    name: str = ""

    def holds(self, line: int) -> bool:
        """Return whether a line is part of the function."""
        return self.first <= line <= self.last


@dataclass(frozen=True, slots=True)
class Edit:
    """A place in a function at which something is removed, rewritten or added.

    :param span: the function in the old file.
    :param first: the first old line that is removed; for lines that are only added, the line after them.
    :param last: the last old line that is removed; for lines that are only added, the line before them.
    :param is_label: whether a label, a case of a ``switch`` or a line of the preprocessor is among the lines.
    """

    span: Span
    first: int
    last: int
    is_label: bool = False


@dataclass(frozen=True, slots=True)
class Touched:
    """What a change of one file touches.

    :param edits: the places in functions of the old file.
    :param doubts: places that are not in a function, as ``FILE:LINE``.
    """

    edits: frozenset[Edit]
    doubts: tuple[str, ...]

    @property
    def functions(self) -> frozenset[Span]:
        """Return the functions of the old file that the change touches."""
        return frozenset(one.span for one in self.edits)


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
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if body:
            if line.startswith("}"):
                spans.append(Span(head, number, _name_of(" ".join(lines[head - 1 : body]))))
                head = body = 0
        elif line.startswith("{") and head:
            body = number
        elif not line or line[0] in "#/ *}" or line.rstrip().endswith((";", "}")):
            head = 0
        elif not head and not line[0].isspace():
            head = number
    return spans


def _name_of(head: str) -> str:
    found = _NAME.search(head)
    if found is None:
        return ""
    return f"{found[1]}({found[2]})" if found[1].isupper() or found[1].startswith("SYSCALL") else found[1]


def touched_functions(file: str, old: str, new: str, diff: str) -> Touched:
    """Return what a change of a C file touches.

    :param file: its path.
    :param old: its text before the change.
    :param new: its text after the change.
    :param diff: the output of ``git diff -U0`` for it.
    """
    before, after = function_spans(old), function_spans(new)
    old_lines, new_lines = old.splitlines(), new.splitlines()
    edits: set[Edit] = set()
    doubts: list[str] = []
    for line in diff.splitlines():
        if (found := _HUNK.match(line)) is None:
            continue
        first, count, number, added = (int(one) if one is not None else 1 for one in found.groups())
        removed = range(first, first + count)
        written = [*old_lines[first - 1 : first - 1 + count], *new_lines[number - 1 : number - 1 + added]]
        is_label = any(map(_LABEL.match, written))
        # Lines that are only added follow line ``first``.
        place = (first, first + count - 1) if count else (first + 1, first)
        edits |= {Edit(span, *place, is_label) for span in before if _is_in(span, first, count)}
        doubts += [f"{file}:{at}" for at in removed if _is_doubtful(at, old_lines, before)]
        doubts += [f"{file}:{at}" for at in range(number, number + added) if _is_doubtful(at, new_lines, after)]
    return Touched(frozenset(edits), tuple(dict.fromkeys(doubts)))


def _is_in(span: Span, first: int, count: int) -> bool:
    """Return whether lines that are removed, or added after line ``first``, are in a function."""
    if not count:
        return span.first <= first < span.last
    return span.first < first + count and first <= span.last


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
        for edit in sorted(one.edits, key=lambda edit: (edit.first, edit.last)):
            lines = _lines_at(edit, own)
            cases |= {case for line in lines for case in line.cases}
            if any(line.is_boot for line in lines):
                doubts.append(f"{file}:{edit.first}: run by the boot as well")
    return Reach(frozenset(cases), tuple(dict.fromkeys(doubts)))


def _lines_at(edit: Edit, lines: Iterable[LineCoverage]) -> list[LineCoverage]:
    """Return the lines with code whose cases come to an edit."""
    own = {line.line: line for line in lines if edit.span.holds(line.line)}
    if edit.is_label:
        return list(own.values())
    found = {number for number in range(edit.first, edit.last + 1) if number in own}
    # A line without code of its own belongs to a statement that begins above, or to nothing.
    if edit.first not in found:
        found |= set(sorted(number for number in own if number < edit.first)[-1:])
    if edit.last not in found or edit.last < edit.first:
        found |= set(sorted(number for number in own if number > edit.last)[:1])
    return [own[number] for number in sorted(found)]
