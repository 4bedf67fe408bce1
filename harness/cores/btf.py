# SPDX-License-Identifier: GPL-2.0-only
"""Read BTF, the types of a kernel as the kernel itself carries them (Documentation/bpf/btf.rst). Pure.

Kernels with CONFIG_DEBUG_INFO_BTF, as Debian's, have it in the section ``.BTF`` of the image.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from harness.base.errors import UsageError

_MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")
_ARRAY = struct.Struct("<III")
_NAMES_BY_FIELDS = 0x80000000  # kind_flag: bit sizes are in the offsets of members


class Kind(IntEnum):
    """The kinds of types."""

    VOID = 0
    INT = 1
    POINTER = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FORWARD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNCTION = 12
    FUNCTION_TYPE = 13
    VARIABLE = 14
    SECTION = 15
    FLOAT = 16
    DECLARATION_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


# Bytes behind the common 12: of the type, and for each of its elements.
_FIXED = {Kind.INT: 4, Kind.ARRAY: 12, Kind.VARIABLE: 4, Kind.DECLARATION_TAG: 4}
_EACH = {
    Kind.STRUCT: 12,
    Kind.UNION: 12,
    Kind.ENUM: 8,
    Kind.FUNCTION_TYPE: 8,
    Kind.SECTION: 12,
    Kind.ENUM64: 12,
}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct or union.

    :param name: empty for an anonymous one.
    :param type: number of its type.
    :param bit_offset: its place, in bits.
    :param bits: the size of a bit field; 0 for any other member.
    """

    name: str
    type: int
    bit_offset: int
    bits: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A type.

    :param size: bytes, or the number of the type that it refers to.
    :param count: the number of its elements.
    :param flag: the kind flag.
    :param at: where its own data begins.
    """

    kind: Kind
    name: str
    size: int
    count: int
    flag: bool
    at: int


class Btf:
    """The types of a kernel.

    :param data: the content of the section.
    :param source: its name in an error.
    :raises UsageError: it is not BTF, or is damaged.
    """

    def __init__(self, data: bytes, *, source: str) -> None:
        self._source = source
        try:
            magic, _, _, header, types, types_size, strings, strings_size = _HEADER.unpack_from(data)
        except struct.error:
            magic = 0
        if magic != _MAGIC:
            raise self._damaged("it does not begin as BTF does")
        self._types = data[header + types : header + types + types_size]
        self._strings = data[header + strings : header + strings + strings_size]
        if len(self._types) != types_size or len(self._strings) != strings_size:
            raise self._damaged("it ends before its types do")
        self._places = list(self._walk())

    def __len__(self) -> int:
        """Return the number of types; the first is void."""
        return len(self._places)

    def entry(self, number: int) -> Entry:
        """Return a type.

        :raises UsageError: there is no type of that number.
        """
        if not 0 <= number < len(self._places):
            raise self._damaged(f"there is no type {number}")
        if number == 0:
            return Entry(Kind.VOID, "", 0, 0, flag=False, at=0)
        at = self._places[number]
        name, info, size = _TYPE.unpack_from(self._types, at)
        kind = Kind(info >> 24 & 0x1F)
        return Entry(kind, self._text(name), size, info & 0xFFFF, bool(info & _NAMES_BY_FIELDS), at + _TYPE.size)

    def find(self, name: str, kinds: frozenset[Kind]) -> int:
        """Return the number of the first type of a name and of one of some kinds; 0 without one."""
        return next((number for number, kind in self._by_name.get(name, ()) if kind in kinds), 0)

    def find_value(self, name: str) -> tuple[int, int] | None:
        """Return the number of the enum that has a name among its values, and the value; None without one."""
        return self._by_value.get(name)

    def members(self, entry: Entry) -> list[Member]:
        """Return the members of a struct or union."""
        found = []
        for index in range(entry.count):
            name, kind, offset = _MEMBER.unpack_from(self._types, entry.at + index * _MEMBER.size)
            bits = offset >> 24 if entry.flag else 0
            found.append(Member(self._text(name), kind, offset & 0xFFFFFF if entry.flag else offset, bits))
        return found

    def integer(self, entry: Entry) -> tuple[bool, bool]:
        """Return whether an integer has a sign, and whether it is a boolean."""
        encoding = int.from_bytes(self._types[entry.at : entry.at + 4], "little") >> 24
        return bool(encoding & 1), bool(encoding & 4)

    def array(self, entry: Entry) -> tuple[int, int]:
        """Return the number of an array's type, and the array's length."""
        element, _, length = _ARRAY.unpack_from(self._types, entry.at)
        return element, length

    def values(self, entry: Entry) -> list[tuple[str, int]]:
        """Return the names and values of an enum."""
        form = struct.Struct("<IiI" if entry.kind is Kind.ENUM64 else "<Ii" if entry.flag else "<II")
        found = []
        for index in range(entry.count):
            name, *words = form.unpack_from(self._types, entry.at + index * form.size)
            value = words[0] if len(words) == 1 else (words[1] << 32) + (words[0] & 0xFFFFFFFF)
            found.append((self._text(name), value))
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[tuple[int, Kind]]]:
        found: dict[str, list[tuple[int, Kind]]] = {}
        for number in range(1, len(self._places)):
            entry = self.entry(number)
            if entry.name:
                found.setdefault(entry.name, []).append((number, entry.kind))
        return found

    @cached_property
    def _by_value(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for number in range(1, len(self._places)):
            entry = self.entry(number)
            if entry.kind in (Kind.ENUM, Kind.ENUM64):
                for name, value in self.values(entry):
                    found.setdefault(name, (number, value))
        return found

    def _walk(self) -> Iterator[int]:
        """Return the place of each type, of void first."""
        yield 0
        at = 0
        while at < len(self._types):
            try:
                _, info, _ = _TYPE.unpack_from(self._types, at)
                kind = Kind(info >> 24 & 0x1F)
            except (struct.error, ValueError):
                raise self._damaged(f"no type at offset {at}") from None
            yield at
            at += _TYPE.size + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)

    def _text(self, at: int) -> str:
        end = self._strings.find(b"\0", at)
        return self._strings[at : end if end >= 0 else None].decode(errors="replace")

    def _damaged(self, evidence: str) -> UsageError:
        return UsageError(f"the types of the kernel cannot be read: {self._source}", evidence=evidence)
