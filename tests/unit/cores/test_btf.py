# SPDX-License-Identifier: GPL-2.0-only
"""Types are read from BTF: of bytes written here, and of what pahole makes of a program's debug information."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.cores.btf import Btf, Kind

SOURCE = """
enum color { RED = -1, GREEN = 5 };
union word { long number; char *text; };
struct waiter { struct waiter *next; unsigned flag : 3; unsigned rest : 29; union word words[4]; enum color color; };
typedef struct waiter entry_t;
_Bool is_set;
entry_t one;
"""


def build(types: bytes, strings: bytes) -> bytes:
    """The section ``.BTF``: its header, types and strings."""
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings


def test_a_struct_of_one_int() -> None:
    """Number, size and place of each."""
    strings = b"\0int\0pair\0left\0"
    integer = struct.pack("<IIII", 1, 1 << 24, 4, (1 << 24) | 32)
    pair = struct.pack("<III", 5, (4 << 24) | 1, 8) + struct.pack("<III", 10, 1, 32)
    btf = Btf(build(integer + pair, strings), source="here")

    assert len(btf) == 3
    number = btf.find("pair", frozenset({Kind.STRUCT}))
    entry = btf.entry(number)
    assert (entry.kind, entry.size) == (Kind.STRUCT, 8)
    (member,) = btf.members(entry)
    assert (member.name, member.bit_offset, member.bits) == ("left", 32, 0)
    assert btf.integer(btf.entry(member.type)) == (True, False)
    assert btf.find("pair", frozenset({Kind.UNION})) == 0


@pytest.mark.parametrize(
    ("data", "evidence"),
    [
        (b"", "does not begin"),
        (b"\x7fELF" + bytes(40), "does not begin"),
        (build(struct.pack("<III", 0, 1 << 24, 4), b"\0")[:-3], "ends before"),
        (build(b"\1\0\0\0\1", b"\0"), "no type at offset 0"),
        (build(struct.pack("<III", 0, 31 << 24, 4), b"\0"), "no type at offset 0"),
    ],
)
def test_damaged_types_are_an_error(data: bytes, evidence: str) -> None:
    """The kernel under test wrote them: they may be anything."""
    with pytest.raises(UsageError, match="here") as error:
        Btf(data, source="here")

    assert evidence in error.value.evidence


@pytest.mark.skipif(shutil.which("pahole") is None, reason="pahole is not installed (package dwarves)")
def test_what_pahole_writes(tmp_path: Path) -> None:
    """Bit fields, arrays, unions, enums with a sign, booleans and typedefs, as the kernel's build makes them."""
    (tmp_path / "one.c").write_text(SOURCE)
    subprocess.run(["gcc", "-g", "-c", "one.c"], cwd=tmp_path, check=True)
    subprocess.run(["pahole", "-J", "one.o"], cwd=tmp_path, check=True)
    words = ["objcopy", "-O", "binary", "--only-section=.BTF", "--set-section-flags", ".BTF=alloc", "one.o", "btf"]
    subprocess.run(words, cwd=tmp_path, check=True)
    btf = Btf((tmp_path / "btf").read_bytes(), source="btf")
    waiter = btf.entry(btf.find("waiter", frozenset({Kind.STRUCT})))
    members = {one.name: one for one in btf.members(waiter)}

    assert (members["flag"].bit_offset, members["flag"].bits) == (64, 3)
    assert (members["rest"].bit_offset, members["rest"].bits) == (67, 29)
    array = btf.entry(members["words"].type)
    element, length = btf.array(array)
    assert (btf.entry(element).name, length) == ("word", 4)
    color = btf.entry(btf.find("color", frozenset({Kind.ENUM})))
    assert dict(btf.values(color)) == {"RED": -1, "GREEN": 5}
    assert btf.entry(btf.entry(btf.find("entry_t", frozenset({Kind.TYPEDEF}))).size).name == "waiter"
    boolean = btf.entry(btf.find("_Bool", frozenset({Kind.INT})))
    assert btf.integer(boolean) == (False, True)
