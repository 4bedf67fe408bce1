# SPDX-License-Identifier: GPL-2.0-only
"""Know which lines of the source an instruction belongs to, and which lines were run. Pure.

A unit is one object file that was compiled once more with line tables. Its code is that of the kernel, so a section of
it lies in the kernel where its functions do. An instruction belongs to its own line and, where a function was inlined,
to the line of the call as well (as ``addr2line -i`` lists them).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from harness.coverage.bitmap import Bitmap
from harness.coverage.branches import BranchCoverage, Jump, judge_jump, parse_jumps
from harness.coverage.functions import RunCoverage
from harness.coverage.symbols import Symbols

_SECTION = re.compile(r"Disassembly of section (\S+):")
_WEAK = re.compile(r"[0-9a-f]+ .?w.* (\S+)")
_FUNCTION = re.compile(r"([0-9a-f]+) <(.+)>:")
_INSTRUCTION = re.compile(r"\s*([0-9a-f]+):\t(.*)")
_FRAME = re.compile(r"(.+):([0-9]+|\?)(?: \(discriminator [0-9]+\))?")
_TEXT = ".text"
_ADDRESS = re.compile(r"0x([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Row:
    """Instructions one after another that belong to the same lines.

    :param start: offset of the first one in its section.
    :param end: offset after the last one.
    :param lines: indices into the unit's places, from the innermost function outward.
    """

    start: int
    end: int
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A section with code.

    :param functions: name and offset of each function.
    :param jumps: the conditional jumps.
    """

    name: str
    functions: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...]
    jumps: tuple[Jump, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """The line table of an object file.

    :param places: file and line of each place in the source; the file is relative to the tree.
    """

    object: str
    places: tuple[tuple[str, int], ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class LineCoverage:
    """One line with code.

    :param cases: ids of the cases that ran it, sorted.
    :param is_boot: whether the boot ran it.
    :param functions: names of the functions that hold its code, sorted.
    """

    file: str
    line: int
    cases: tuple[str, ...]
    is_boot: bool
    functions: tuple[str, ...]

    @property
    def is_run(self) -> bool:
        """Return whether anything ran it."""
        return self.is_boot or bool(self.cases)


@dataclass(frozen=True, slots=True)
class Disassembly:
    """A section as ``objdump -d`` lists it.

    :param functions: name and offset of each function.
    :param instructions: offset of each instruction, and of the one after it.
    :param jumps: the conditional jumps.
    """

    functions: tuple[tuple[str, int], ...]
    instructions: tuple[tuple[int, int], ...]
    jumps: tuple[Jump, ...] = ()


def parse_disassembly(text: str) -> dict[str, Disassembly]:
    """Read the output of ``objdump -t -d -r -w --no-show-raw-insn``, followed by that of ``objdump -r -w``, by section.

    Weak functions are left out: the kernel may use another one of that name, and then has this one elsewhere.
    Padding is left out, because nothing runs it between functions.
    """
    sections: dict[str, tuple[list[tuple[str, int]], list[tuple[int, bool]]]] = {}
    functions: list[tuple[str, int]] = []
    listed: list[tuple[int, bool]] = []
    weak: set[str] = set()
    for line in text.splitlines():
        if found := _INSTRUCTION.fullmatch(line):
            listed.append((int(found[1], 16), _is_padding(found[2])))
        elif found := _FUNCTION.fullmatch(line):
            if found[2] not in weak:
                functions.append((found[2], int(found[1], 16)))
        elif found := _WEAK.fullmatch(line):
            weak.add(found[1])
        elif found := _SECTION.fullmatch(line):
            functions, listed = sections.setdefault(found[1], ([], []))
    jumps = parse_jumps(text)
    return {
        name: Disassembly(tuple(own), tuple(_with_ends(listed)), jumps.get(name, ()))
        for name, (own, listed) in sections.items()
    }


def _with_ends(listed: Sequence[tuple[int, bool]]) -> Iterator[tuple[int, int]]:
    for (offset, is_padding), following in zip_longest(listed, listed[1:]):
        if not is_padding:
            yield offset, following[0] if following else offset + 1


def _is_padding(text: str) -> bool:
    """Return whether an instruction only fills space; a ``nop`` at a place that is patched at run time has 5 bytes."""
    return text.startswith(("int3", "xchg   %ax,%ax", "nopw", "cs nopw", "data16", "nopl   0x0(%rax)")) or text == "nop"


def parse_places(text: str, *, tree: str) -> dict[int, tuple[tuple[str, int], ...]]:
    """Read the output of ``addr2line -a -i``: the places of each address, from the innermost function outward.

    :param tree: path of the tree when the unit was compiled, to be left out of file names.
    """
    places: dict[int, tuple[tuple[str, int], ...]] = {}
    address = -1
    for line in text.splitlines():
        if found := _ADDRESS.fullmatch(line):
            address = int(found[1], 16)
            places[address] = ()
        elif (frame := _FRAME.fullmatch(line)) and frame[2] not in ("?", "0") and address >= 0:
            name = frame[1].removeprefix(f"{tree}/").removeprefix("./")
            places[address] = (*places[address], (name, int(frame[2])))
    return places


def make_unit(
    name: str,
    sections: Mapping[str, Disassembly],
    places: Mapping[str, Mapping[int, tuple[tuple[str, int], ...]]],
) -> Unit:
    """Put a line table together.

    :param name: the object file.
    :param sections: the result of :func:`parse_disassembly`.
    :param places: by section, the result of :func:`parse_places` for its instructions.
    """
    numbers: dict[tuple[str, int], int] = {}
    made = []
    for section, disassembly in sections.items():
        rows: list[Row] = []
        for offset, end in disassembly.instructions:
            lines = tuple(numbers.setdefault(one, len(numbers)) for one in places[section].get(offset, ()))
            if lines and rows and rows[-1].lines == lines and rows[-1].end == offset:
                rows[-1] = Row(rows[-1].start, end, lines)
            elif lines:
                rows.append(Row(offset, end, lines))
        jumps = [
            replace(jump, place=numbers[own[0]])
            for jump in disassembly.jumps
            if (own := places[section].get(jump.offset))
        ]
        made.append(Section(section, disassembly.functions, tuple(rows), tuple(jumps)))
    return Unit(name, tuple(numbers), tuple(made))


def locate(section: Section, symbols: Symbols) -> int | None:
    """Return the address of a section in the kernel; None when the kernel does not hold this code.

    Static functions of several files may share a name, so each function votes for the addresses that it allows. Code of
    another kernel has its functions at other distances: all that the kernel has once must agree.
    """
    found = {name: symbols.by_name.get(name, ()) for name, _ in section.functions}
    votes = Counter(one.start - offset for name, offset in section.functions for one in found[name])
    best = votes.most_common(2)
    if not best or (len(best) > 1 and best[1][1] == best[0][1]):
        return None
    base = best[0][0]
    agree = all(found[name][0].start == base + offset for name, offset in section.functions if len(found[name]) == 1)
    return base if agree else None


def line_coverage(
    run: RunCoverage, units: Iterable[Unit], *, wanted: Mapping[str, frozenset[int]] | None = None
) -> list[LineCoverage]:
    """Return the lines that have code in the kernel, by file and line.

    :param units: the line tables.
    :param wanted: lines by file; None for all lines.
    """
    ranges: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for unit in units:
        for start, end, places in _located(unit, run.symbols):
            for place in places:
                if wanted is None or place[1] in wanted.get(place[0], ()):
                    ranges.setdefault(place, []).append((start, end))
    return [_line_coverage(run, place, ranges[place]) for place in sorted(ranges)]


def _located(unit: Unit, symbols: Symbols) -> Iterator[tuple[int, int, set[tuple[str, int]]]]:
    """Return the code of a unit by its addresses in the kernel, with its places."""
    bases = _bases(unit, symbols)
    for section in unit.sections:
        if (base := bases.get(section.name)) is None:
            continue
        for row in section.rows:
            yield base + row.start, base + row.end, {unit.places[one] for one in row.lines}


def _bases(unit: Unit, symbols: Symbols) -> dict[str, int | None]:
    """Return the address of each section of a unit; nothing if its configuration leaves the file out of the kernel."""
    bases = {section.name: locate(section, symbols) for section in unit.sections}
    return {} if _TEXT in bases and bases[_TEXT] is None else bases


def branch_coverage(
    run: RunCoverage, units: Iterable[Unit], *, wanted: Mapping[str, frozenset[int]] | None = None
) -> list[BranchCoverage]:
    """Return the conditional jumps that cases ran, by file and line; the copies of an inlined one are listed each.

    :param units: the line tables.
    :param wanted: lines by file; None for all lines.
    """
    bitmaps = list(run.cases.values())
    found: list[BranchCoverage] = []
    for unit in units:
        bases = _bases(unit, run.symbols)
        for section in unit.sections:
            if (base := bases.get(section.name)) is None:
                continue
            for jump in section.jumps:
                file, line = unit.places[jump.place]
                if wanted is not None and line not in wanted.get(file, ()):
                    continue
                ways = [(way, None if (at := bases.get(way.section)) is None else at + way.offset) for way in jump.ways]
                if judged := judge_jump(base + jump.offset, ways, bitmaps):
                    traps = jump.ways[0].is_trap, jump.ways[1].is_trap
                    found.append(BranchCoverage(file, line, judged, traps))
    return sorted(found, key=lambda one: (one.file, one.line))


def _line_coverage(run: RunCoverage, place: tuple[str, int], ranges: Sequence[tuple[int, int]]) -> LineCoverage:
    def is_run(bitmap: Bitmap) -> bool:
        return any(bitmap.has_any(start, end) for start, end in ranges)

    functions = {found.name for start, _ in ranges if (found := run.symbols.find(start))}
    cases = tuple(name for name in sorted(run.cases) if is_run(run.cases[name]))
    return LineCoverage(*place, cases, is_run(run.boot), tuple(sorted(functions)))


def line_spans(lines: Iterable[int]) -> str:
    """Return line numbers as text, runs of them shortened: ``12, 15-17``."""
    spans: list[list[int]] = []
    for line in sorted(set(lines)):
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)
