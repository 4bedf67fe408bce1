# SPDX-License-Identifier: GPL-2.0-only
"""Give drgn the types of a kernel from its BTF: then a core can be read without debug information."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

from drgn import FindObjectFlags, Object, Program, Type, TypeEnumerator, TypeKind, TypeKindSet, TypeMember

from harness.cores.btf import Btf, Entry, Kind, Member

_KINDS = {
    TypeKind.INT: Kind.INT,
    TypeKind.BOOL: Kind.INT,
    TypeKind.FLOAT: Kind.FLOAT,
    TypeKind.STRUCT: Kind.STRUCT,
    TypeKind.UNION: Kind.UNION,
    TypeKind.ENUM: Kind.ENUM,
    TypeKind.TYPEDEF: Kind.TYPEDEF,
}
_QUALIFIERS = frozenset({Kind.CONST, Kind.VOLATILE, Kind.RESTRICT, Kind.TYPE_TAG})
# BTF has the types of processors' own variables alone, before pahole 1.28.
_VARIABLES = {
    "init_nsproxy": "nsproxy",
    "init_pid_ns": "pid_namespace",
    "init_task": "task_struct",
    "init_user_ns": "user_namespace",
    "init_uts_ns": "uts_namespace",
}
TypeFinder = Callable[[Program, TypeKindSet, str, str | None], Type | None]
"""What drgn asks for a type by its kinds and its name."""
ObjectFinder = Callable[[Program, str, FindObjectFlags, str | None], Object | None]
"""What drgn asks for a constant or a variable by its name."""


def finder(btf: Btf) -> TypeFinder:
    """Return a finder of types for drgn."""

    def find(program: Program, kinds: TypeKindSet, name: str, _file: str | None) -> Type | None:
        wanted = frozenset(ours for theirs, ours in _KINDS.items() if theirs in kinds)
        wanted |= {Kind.ENUM64} if Kind.ENUM in wanted else set()
        number = btf.find(name, wanted)
        return _make(btf, program, number) if number else None

    return find


def object_finder(btf: Btf, addresses: Mapping[str, int]) -> ObjectFinder:
    """Return a finder of constants and variables for drgn: values of enums, and variables whose type is known.

    :param addresses: the address of each symbol.
    """

    def find(program: Program, name: str, flags: FindObjectFlags, _file: str | None) -> Object | None:
        if FindObjectFlags.CONSTANT in flags and (found := btf.find_value(name)):
            return Object(program, _make(btf, program, found[0]), found[1])
        if FindObjectFlags.VARIABLE not in flags or name not in addresses:
            return None
        if number := btf.find(name, frozenset({Kind.VARIABLE})):
            return Object(program, _make(btf, program, btf.entry(number).size), address=addresses[name])
        kind = btf.find(_VARIABLES.get(name, ""), frozenset({Kind.STRUCT}))
        return Object(program, _make(btf, program, kind), address=addresses[name]) if kind else None

    return find


@cache
def _make(btf: Btf, program: Program, number: int) -> Type:
    """Return the type of a number; members are made when drgn asks for them, since types refer to each other."""
    entry = btf.entry(number)
    if entry.kind in _QUALIFIERS:
        return _make(btf, program, entry.size)
    if entry.kind is Kind.POINTER:
        return program.pointer_type(_make(btf, program, entry.size))
    if entry.kind is Kind.TYPEDEF:
        return program.typedef_type(entry.name, _make(btf, program, entry.size))
    if entry.kind is Kind.ARRAY:
        element, length = btf.array(entry)
        return program.array_type(_make(btf, program, element), length)
    if entry.kind in (Kind.INT, Kind.FLOAT, Kind.ENUM, Kind.ENUM64):
        return _make_number(btf, program, entry)
    if entry.kind in (Kind.STRUCT, Kind.UNION):
        make = program.struct_type if entry.kind is Kind.STRUCT else program.union_type
        members = [_make_member(btf, program, one) for one in btf.members(entry)]
        return make(entry.name or None, entry.size, members)
    if entry.kind is Kind.FORWARD:
        return program.union_type(entry.name) if entry.flag else program.struct_type(entry.name)
    # void, and functions, which are only pointed to
    return program.void_type()


def _make_number(btf: Btf, program: Program, entry: Entry) -> Type:
    if entry.kind is Kind.FLOAT:
        return program.float_type(entry.name, entry.size)
    if entry.kind is Kind.INT:
        is_signed, is_boolean = btf.integer(entry)
        if is_boolean:
            return program.bool_type(entry.name, entry.size)
        return program.int_type(entry.name, entry.size, is_signed)
    values = btf.values(entry)
    base = program.int_type("int", entry.size, any(value < 0 for _, value in values))
    return program.enum_type(entry.name or None, base, [TypeEnumerator(name, value) for name, value in values])


def _make_member(btf: Btf, program: Program, member: Member) -> TypeMember:
    make = partial(_make_object, btf, program, member)
    return TypeMember(make, member.name or None, member.bit_offset)


def _make_object(btf: Btf, program: Program, member: Member) -> Object:
    kind = _make(btf, program, member.type)
    return Object(program, kind, bit_field_size=member.bits or None)
