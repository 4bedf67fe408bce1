# SPDX-License-Identifier: GPL-2.0-only
"""Know which ways the conditional jumps of a file have gone. Pure.

QEMU translates a block when it runs it first, so both ways of a jump are blocks of their own. A way was taken when
its block was run, if only this jump leads there, or if the other way's block was not run. A block that other code
leads to as well (the statement after an ``if``) shows nothing by itself; a case that did not run the other way does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from harness.coverage.bitmap import Bitmap

_SECTION = re.compile(r"Disassembly of section (\S+):")
_INSTRUCTION = re.compile(r"\s+([0-9a-f]+):\t(\S+)\s*([^\t]*)(?:\t[0-9a-f]+: R_X86_64_\w+\t(.*))?")
_FUNCTION = re.compile(r"[0-9a-f]+ <(.+)>:")
_INDIRECT = re.compile(r"(?:(?:notrack|bnd) )?jmpq? +\*")
_TARGET = re.compile(r"([0-9a-f]+) <")
_RELOCATIONS = re.compile(r"RELOCATION RECORDS FOR \[(\S+)\]:")
_RELOCATION = re.compile(r"[0-9a-f]+ R_X86_64_\w+\s+(\S+)")
_SYMBOL = re.compile(r"(\.?[^+\s]+?)([+-]0x[0-9a-f]+)?")
# Descriptions of code: they lead nowhere.
_DESCRIPTIONS = re.compile(r"\.debug|\.eh_frame|\.orc_|\.discard|__mcount_loc|__patchable|\.return_sites|\.retpoline")
_NO_CONDITION = frozenset({"jmp", "jmpq", "bnd"})
_ENDS = ("jmp", "ret", "ud2", "int3", "bnd jmp", "notrack jmp")
_PADDING = ("nop", "xchg", "cs", "data16", "int3")


class Way(Enum):
    """What is known of one way of a jump."""

    TAKEN = "taken"
    NOT_TAKEN = "not taken"
    UNKNOWN = "unknown"
    """Its block was run, and other code leads there as well."""


@dataclass(frozen=True, slots=True)
class Successor:
    """The code at the end of one way of a jump.

    :param section: its section; empty when the jump leads out of the file.
    :param offset: its offset in the section.
    :param is_only: whether no other code leads there.
    :param is_trap: whether it begins with the instruction of ``BUG`` or ``WARN``.
    """

    section: str = ""
    offset: int = 0
    is_only: bool = False
    is_trap: bool = False


@dataclass(frozen=True, slots=True)
class Jump:
    """A conditional jump.

    :param offset: its offset in its section.
    :param ways: the code after it, and the code at its target.
    :param place: index into the unit's places: the innermost line that it belongs to; -1 when it has none.
    """

    offset: int
    ways: tuple[Successor, Successor]
    place: int = -1


@dataclass(slots=True)
class _Code:
    """Instructions of a file as they are listed, and where others lead."""

    instructions: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    jumps: list[tuple[str, int, tuple[str, int]]] = field(default_factory=list)
    """Section, index of the instruction, and target of each conditional jump."""
    entries: Counter[tuple[str, int]] = field(default_factory=Counter)
    functions: dict[tuple[str, int], str] = field(default_factory=dict)
    """The function of each instruction."""
    indirect: set[str] = field(default_factory=set)
    """Functions with a jump through a register: it may lead anywhere in them, as the one of a ``switch`` does."""

    def is_entered(self, section: str, offset: int) -> bool:
        """Return whether code that is not listed as a jump may lead to an instruction."""
        return self.functions[section, offset].removesuffix(".cold") in self.indirect


def parse_jumps(text: str) -> dict[str, tuple[Jump, ...]]:
    """Read the conditional jumps of each section.

    :param text: the output of ``objdump -t -d -r -w --no-show-raw-insn``, followed by that of ``objdump -r -w``.
    """
    code = _read(text)
    found: dict[str, list[Jump]] = {}
    for section, index, target in code.jumps:
        listed = code.instructions[section]
        ways = (_after(code, section, index), _at(code, target))
        found.setdefault(section, []).append(Jump(listed[index][0], ways))
    return {section: tuple(jumps) for section, jumps in found.items()}


def _read(text: str) -> _Code:
    code = _Code()
    section, described, function = "", False, ""
    listed: list[tuple[int, str]] = []
    for line in text.splitlines():
        if section and (found := _INSTRUCTION.fullmatch(line)):
            name, operand, reference = found[2], found[3], found[4]
            listed.append((int(found[1], 16), f"{name} {operand}"))
            code.functions[section, listed[-1][0]] = function
            if _INDIRECT.match(f"{name} {operand}") or (reference or "").startswith("__x86_indirect"):
                code.indirect.add(function.removesuffix(".cold"))
            target = _target(section, operand, reference)
            if name.startswith("j") and name not in _NO_CONDITION:
                code.jumps.append((section, len(listed) - 1, target))
            if target[0]:
                code.entries[target] += 1
        elif section and (found := _FUNCTION.fullmatch(line)):
            function = found[1]
        elif found := _SECTION.fullmatch(line):
            section = found[1]
            listed = code.instructions.setdefault(section, [])
        elif found := _RELOCATIONS.fullmatch(line):
            section, described = "", bool(_DESCRIPTIONS.match(found[1])) or found[1] in code.instructions
        elif not section and not described and (found := _RELOCATION.fullmatch(line)):
            # Exceptions and jump labels. Some count from four bytes after the entry.
            for add in (0, 4):
                code.entries[_referred(found[1], add)] += 1
    return code


def _target(section: str, operand: str, reference: str | None) -> tuple[str, int]:
    """Return where a jump or a call leads; no section when that is outside of the file or not known."""
    if reference:
        return _referred(reference, 4)
    found = _TARGET.match(operand)
    return (section, int(found[1], 16)) if found else ("", 0)


def _referred(reference: str, add: int) -> tuple[str, int]:
    found = _SYMBOL.fullmatch(reference)
    if found is None or not found[1].startswith("."):
        return "", 0
    return found[1], int(found[2] or "0", 16) + add


def _after(code: _Code, section: str, index: int) -> Successor:
    listed = code.instructions[section]
    if index + 1 >= len(listed):
        return Successor()
    offset, text = listed[index + 1]
    is_only = not code.entries[section, offset] and not code.is_entered(section, offset)
    return Successor(section, offset, is_only, text.startswith("ud2"))


def _at(code: _Code, target: tuple[str, int]) -> Successor:
    section, offset = target
    listed = code.instructions.get(section, [])
    low, high = 0, len(listed)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if listed[middle][0] < offset else (low, middle)
    if low >= len(listed) or listed[low][0] != offset:
        return Successor()
    before = low - 1
    while before >= 0 and listed[before][1].startswith(_PADDING):
        before -= 1
    falls = before >= 0 and not listed[before][1].startswith(_ENDS)
    is_only = code.entries[target] == 1 and not falls and not code.is_entered(section, offset)
    return Successor(section, offset, is_only, listed[low][1].startswith("ud2"))


def judge_jump(
    address: int, ways: Sequence[tuple[Successor, int | None]], bitmaps: Iterable[Bitmap]
) -> tuple[Way, Way] | None:
    """Return what is known of the two ways of a jump; None when none of the bitmaps has run it.

    :param address: the address of the jump.
    :param ways: the code of each way, and its address; None when it is not known.
    :param bitmaps: what each case has run.
    """
    first, second = ways
    own = [one for one in bitmaps if one.has(address)]
    if not own:
        return None
    return _judge(own, first, second), _judge(own, second, first)


def _judge(bitmaps: Iterable[Bitmap], way: tuple[Successor, int | None], other: tuple[Successor, int | None]) -> Way:
    found = Way.NOT_TAKEN
    for bitmap in bitmaps:
        if other[1] is not None and not bitmap.has(other[1]):
            return Way.TAKEN
        if way[1] is None or bitmap.has(way[1]):
            if way[1] is not None and way[0].is_only:
                return Way.TAKEN
            found = Way.UNKNOWN
    return found


@dataclass(frozen=True, slots=True)
class BranchCoverage:
    """One conditional jump that was run.

    :param ways: what is known of its two ways.
    :param traps: which of them lead to ``BUG`` or ``WARN``.
    """

    file: str
    line: int
    ways: tuple[Way, Way]
    traps: tuple[bool, bool] = (False, False)

    @property
    def is_one_way(self) -> bool:
        """Return whether it certainly went one way only; a check that has not failed is left out."""
        return any(way is Way.NOT_TAKEN and not trap for way, trap in zip(self.ways, self.traps, strict=True))


def by_line(branches: Iterable[BranchCoverage]) -> Mapping[tuple[str, int], list[BranchCoverage]]:
    """Return jumps by file and line."""
    found: dict[tuple[str, int], list[BranchCoverage]] = {}
    for one in branches:
        found.setdefault((one.file, one.line), []).append(one)
    return found
