# SPDX-License-Identifier: GPL-2.0-only
"""Functions by address, and by case."""

from __future__ import annotations

import pytest

from harness.base.errors import UsageError
from harness.coverage.bitmap import BASE, Bitmap
from harness.coverage.functions import RunCoverage, case_coverage, function_coverage, functions_run, only_in
from harness.coverage.symbols import Symbols, dump_symbols, load_symbols, parse_symbols
from tests.unit.coverage.test_bitmap import run

TEXT = """\
0000000000000000 A fixed_percpu_data
ffffffff80000010 T _stext
ffffffff80000010 T first
ffffffff8000001b t second
ffffffff8000001b t alias_of_second
ffffffff80000040 W third
ffffffff80000060 d data_in_text
ffffffff80000080 T fourth
ffffffff80000100 T _etext
ffffffff80001000 T _sinittext
ffffffff80001000 t once
ffffffff80001040 T _einittext
ffffffff80002000 D some_data
ffffffffc0000000 t of_a_module\t[ext4]
"""
SYMBOLS = parse_symbols(TEXT, source="kallsyms")


def bits(*ranges: tuple[int, int]) -> Bitmap:
    """Return the bitmap of ranges of code, start and length."""
    return run(*ranges)[0]


def names(bitmap: Bitmap, symbols: Symbols = SYMBOLS) -> set[str]:
    """Return the names of the functions that were run."""
    return {one.name for one in functions_run(bitmap, symbols)}


def test_functions_of_kallsyms() -> None:
    """A function ends where the next symbol starts; of aliases the first one counts; modules and data are left out."""
    shown = [(one.name, one.start - BASE, one.end - BASE) for one in SYMBOLS.functions]

    assert shown == [
        ("first", 0x10, 0x1B),
        ("second", 0x1B, 0x40),
        ("third", 0x40, 0x60),
        ("fourth", 0x80, 0x100),
        ("once", 0x1000, 0x1040),
    ]
    assert load_symbols(dump_symbols(SYMBOLS), source="functions") == SYMBOLS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "_stext"),
        ("0000000000000000 T _stext\n0000000000000000 T _etext\n", "kptr_restrict"),
        ("-- The real System.map is in another package\n", "no symbol"),
    ],
)
def test_text_without_addresses(text: str, says: str) -> None:
    """Debian's System.map, and what a user without root reads from /proc/kallsyms."""
    with pytest.raises(UsageError) as raised:
        parse_symbols(text, source="System.map")

    assert says in raised.value.evidence


def test_a_byte_decides_between_neighbors() -> None:
    """``second`` starts in the group of 8 bytes in which ``first`` ends."""
    assert names(bits((0x1A, 1))) == {"first"}
    assert names(bits((0x1B, 1))) == {"second"}
    assert names(bits((0x1A, 2), (0x60, 8))) == {"first", "second"}


def test_functions_by_case() -> None:
    """A case has its own numbers, without those of a clone that does nothing; boot is kept apart."""
    coverage = RunCoverage(
        SYMBOLS,
        {"s/a": bits((0x10, 8), (0x40, 4)), "s/b": bits((0x10, 2), (0x84, 1), (0x40, 1))},
        idle=bits((0x10, 1)),
        boot=bits((0x1000, 4), (0x10, 4)),
    )

    functions = function_coverage(coverage)

    assert [(one.function.name, one.cases, one.is_idle, one.is_boot) for one in functions] == [
        ("first", ("s/a", "s/b"), True, True),
        ("third", ("s/a", "s/b"), False, False),
        ("fourth", ("s/b",), False, False),
        ("once", (), False, True),
    ]
    assert [(one.id, one.functions, one.beyond_idle, one.only_here) for one in case_coverage(coverage, functions)] == [
        ("s/a", 2, 1, 0),
        ("s/b", 3, 2, 1),
    ]
    assert [one.function.name for one in function_coverage(coverage, ["f*", "o?ce"])] == ["first", "fourth", "once"]


def test_difference_of_two_kernels_is_by_name() -> None:
    """Addresses differ between kernels; what an idle clone of either runs is left out."""
    moved = parse_symbols(TEXT.replace("ffffffff8000008", "ffffffff8000009"), source="kallsyms")
    one = RunCoverage(SYMBOLS, {"s/a": bits((0x10, 1), (0x1B, 1), (0x80, 1))}, idle=bits((0x10, 1)))
    other = RunCoverage(moved, {"s/a": bits((0x90, 1), (0x40, 1))})

    assert only_in(one, other) == ["second"]
    assert only_in(other, one) == ["third"]
