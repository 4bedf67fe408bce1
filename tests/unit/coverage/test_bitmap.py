# SPDX-License-Identifier: GPL-2.0-only
"""The bytes of kernel code that were run: union, difference, ranges, and the file."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import UsageError
from harness.coverage import files
from harness.coverage.bitmap import BASE, NOTHING, PAGE_BYTES, SIZE, Bitmap, decode, encode, union

_NEAR = st.integers(0, 3 * PAGE_BYTES * 8)
_RANGES = st.lists(st.tuples(_NEAR, st.integers(1, 300)), max_size=8)


def run(*ranges: tuple[int, int]) -> tuple[Bitmap, set[int]]:
    """Return the bitmap of ranges of code, start and length, and the same as a set."""
    bits = {BASE + at for start, length in ranges for at in range(start, start + length)}
    pages: dict[int, bytearray] = {}
    for address in bits:
        number, bit = divmod(address - BASE, PAGE_BYTES * 8)
        pages.setdefault(number, bytearray(PAGE_BYTES))[bit >> 3] |= 1 << (bit & 7)
    return Bitmap({number: bytes(page) for number, page in pages.items()}), bits


@given(_RANGES, _RANGES)
def test_union_and_difference_are_those_of_sets(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    """Bit by bit, also across pages."""
    (first, first_bits), (second, second_bits) = run(*one), run(*other)

    assert union([first, second]).count() == len(first_bits | second_bits)
    assert first.without(second).count() == len(first_bits - second_bits)
    assert all(first.without(second).has(address) for address in first_bits - second_bits)


@given(_RANGES, st.tuples(_NEAR, st.integers(1, 70_000)))
def test_has_any_is_exact_to_a_byte(ranges: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    """A function of which only its neighbor's bytes were run was not run."""
    bitmap, bits = run(*ranges)
    start, end = BASE + asked[0], BASE + sum(asked)

    assert bitmap.has_any(start, end) == any(start <= address < end for address in bits)


@given(_RANGES)
def test_groups_hold_every_byte(ranges: list[tuple[int, int]]) -> None:
    """Ranges are rounded to 8 bytes, and no further."""
    bitmap, bits = run(*ranges)
    grouped = {address for start, end in bitmap.groups() for address in range(start, end)}

    assert grouped == {address & ~7 | low for address in bits for low in range(8)}


@given(_RANGES)
def test_a_file_holds_a_bitmap(ranges: list[tuple[int, int]]) -> None:
    """What is read is what was written."""
    bitmap, _ = run(*ranges)

    assert decode(encode(bitmap), source="coverage") == bitmap


def test_addresses_outside_of_the_window_were_not_run() -> None:
    """User space is no kernel code."""
    bitmap, _ = run((0, 8))

    assert not bitmap.has(0x401000)
    assert not bitmap.has_any(BASE + SIZE - 8, BASE + SIZE + 8)


@pytest.mark.parametrize("keep", [0, 10, 60, -3])
def test_a_cut_file_is_refused(keep: int) -> None:
    """A damaged file is an error with a hint, and no coverage of nothing."""
    content = encode(run((0, 100))[0])

    with pytest.raises(UsageError, match="no coverage"):
        decode(content[:keep], source="coverage")


def test_a_file_that_unpacks_to_more_is_refused() -> None:
    """The header bounds what is unpacked."""
    header = encode(NOTHING).partition(b"\n")[0]
    rest = encode(run((0, 100))[0]).partition(b"\n")[2]

    with pytest.raises(UsageError, match="no coverage"):
        decode(header + b"\n" + rest, source="coverage")


def test_a_window_is_read_while_it_is_written() -> None:
    """Only pages with a bit set are kept."""
    window = files.open_window()
    try:
        assert files.read_window(window) == NOTHING
        os.pwrite(window, b"\x00\x05", 5 * PAGE_BYTES)
        os.pwrite(window, b"\x00", 9 * PAGE_BYTES)
        bitmap = files.read_window(window)
    finally:
        os.close(window)

    assert list(bitmap.pages) == [5]
    assert bitmap.has(BASE + 5 * PAGE_BYTES * 8 + 8)
    assert not bitmap.has(BASE + 5 * PAGE_BYTES * 8 + 9)
    assert bitmap.count() == 2
