# SPDX-License-Identifier: GPL-2.0-only
"""Know the functions of a kernel by their addresses, from the text of /proc/kallsyms or System.map. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from harness.base.errors import UsageError

_SYMBOL = re.compile(r"([0-9a-f]{16}) (\S) (\S+)(?:\t\[\S+\])?")
_CODE = frozenset("tTwW")
_START, _END = "_stext", "_etext"
_INIT_START, _INIT_END = "_sinittext", "_einittext"
# Labels that the linker script, or assembler code of an entry, puts between functions or onto one.
_LABELS = frozenset({_START, _INIT_START, "_text", "__init_begin", "startup_64"})


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the kernel.

    :param start: its first address.
    :param end: the address after it, which is where the next symbol starts.
    """

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Symbols:
    """The functions of a kernel image: of its text, and of the text that only boot runs.

    :param functions: by address; of several names for an address the first one.
    """

    functions: tuple[Function, ...]

    @cached_property
    def _starts(self) -> list[int]:
        return [one.start for one in self.functions]

    @cached_property
    def by_name(self) -> dict[str, tuple[Function, ...]]:
        """Return the functions by name; static functions of several files may share one."""
        found: dict[str, tuple[Function, ...]] = {}
        for one in self.functions:
            found[one.name] = (*found.get(one.name, ()), one)
        return found

    def find(self, address: int) -> Function | None:
        """Return the function that an address is in."""
        at = bisect_right(self._starts, address) - 1
        return self.functions[at] if at >= 0 and address < self.functions[at].end else None

    def between(self, start: int, end: int) -> Iterator[Function]:
        """Return the functions that have code from ``start`` up to ``end``."""
        at = max(bisect_right(self._starts, start) - 1, 0)
        while at < len(self.functions) and self.functions[at].start < end:
            if self.functions[at].end > start:
                yield self.functions[at]
            at += 1


def parse_symbols(text: str, *, source: str) -> Symbols:
    """Read the functions of the kernel image; those of modules are left out.

    :param text: the text of /proc/kallsyms, as root reads it, or of System.map.
    :param source: its name in an error.
    :raises UsageError: a line is no symbol, or the text does not say where the kernel's code is.
    """
    marks: dict[str, int] = {}
    names: dict[int, str] = {}
    others: set[int] = set()
    for line in text.splitlines():
        found = _SYMBOL.fullmatch(line)
        if found is None:
            raise _unusable(source, f"no symbol: {line[:100]!r}")
        address, kind, name = int(found[1], 16), found[2], found[3]
        if line.endswith("]"):
            continue
        if name in (_START, _END, _INIT_START, _INIT_END):
            marks[name] = address
        if kind in _CODE and name not in _LABELS:
            names.setdefault(address, name)
        else:
            others.add(address)
    ranges = [
        (marks[start], marks[end])
        for start, end in ((_START, _END), (_INIT_START, _INIT_END))
        if marks.get(start, 0) < marks.get(end, 0)
    ]
    if marks.get(_START, 0) >= marks.get(_END, 0):
        raise _unusable(source, f"{_START} and {_END} are not in it, or all addresses are 0 (kernel.kptr_restrict)")
    return Symbols(tuple(_functions(names, others, ranges)))


def _functions(names: dict[int, str], others: set[int], ranges: list[tuple[int, int]]) -> Iterator[Function]:
    for first, last in ranges:
        starts = [*sorted(address for address in names.keys() | others if first <= address < last), last]
        for start, end in pairwise(starts):
            if start in names:
                yield Function(names[start], start, end)


def dump_symbols(symbols: Symbols) -> str:
    """Return functions as lines of text; see :func:`load_symbols`."""
    return "".join(f"{one.start:x} {one.end - one.start:x} {one.name}\n" for one in symbols.functions)


def load_symbols(text: str, *, source: str) -> Symbols:
    """Read the lines that :func:`dump_symbols` returned.

    :param source: their name in an error.
    :raises UsageError: they are damaged.
    """
    functions = []
    try:
        for line in text.splitlines():
            start, size, name = line.split(" ")
            functions.append(Function(name, int(start, 16), int(start, 16) + int(size, 16)))
    except ValueError as error:
        raise _unusable(source, str(error)) from None
    return Symbols(tuple(functions))


def _unusable(source: str, evidence: str) -> UsageError:
    return UsageError(
        f"{source} does not list the functions of a kernel",
        evidence=evidence,
        remedy="boot a kernel with CONFIG_KALLSYMS=y",
    )
