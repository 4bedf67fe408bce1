# SPDX-License-Identifier: GPL-2.0-only
"""Hold which bytes of kernel code a machine ran, and convert that to a small file and back. Pure.

The plugin of QEMU (``qemu/coverage.c``) sets one bit for each byte of code that was run, in a window of addresses that
holds every x86-64 kernel, wherever it was loaded. Most of the window is empty: only its pages with a bit set are kept.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.base.errors import UsageError
from harness.base.json_records import dump_value, read_facts

BASE, SIZE = 0xFFFF_FFFF_8000_0000, 1 << 30
"""The window: the kernel image is mapped there (Documentation/arch/x86/x86_64/mm.rst), modules follow above it."""
PAGE_BYTES = 4096
"""Bytes of the bitmap in a page: code of 32 KiB."""

_FORMAT = 1
_LEVEL = 1  # 6 takes three times as long, for files that are a fifth smaller
_MOST_PAGES = SIZE // 8 // PAGE_BYTES
_ANY = re.compile(rb"[^\x00]+")
_EMPTY = bytes(PAGE_BYTES)


@dataclass(frozen=True, slots=True)
class _Header:
    """The first line of a file: which pages follow.

    :param base: the address of the first bit of page 0.
    :param pages: numbers of the pages, ascending.
    """

    format_version: int
    base: int
    pages: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bitmap:
    """The bytes of code that were run.

    :param pages: the pages with a bit set, by number.
    """

    pages: Mapping[int, bytes]

    def has_any(self, start: int, end: int) -> bool:
        """Return whether any byte of the code from ``start`` up to ``end`` was run."""
        at, last = start - BASE, min(end - BASE, SIZE)
        if at < 0:
            return False
        while at < last:
            number, offset = divmod(at, PAGE_BYTES * 8)
            until = min(last, (number + 1) * PAGE_BYTES * 8) - number * PAGE_BYTES * 8
            page = self.pages.get(number)
            if page is not None and _has_any_bit(page, offset, until):
                return True
            at = (number + 1) * PAGE_BYTES * 8
        return False

    def has(self, address: int) -> bool:
        """Return whether the byte of code at an address was run."""
        page = self.pages.get((address - BASE) // (PAGE_BYTES * 8))
        at = (address - BASE) % (PAGE_BYTES * 8)
        return page is not None and bool(page[at // 8] >> at % 8 & 1)

    def groups(self) -> Iterator[tuple[int, int]]:
        """Return the addresses in which some code was run as ranges, ascending, rounded to groups of 8 bytes."""
        for number, page in sorted(self.pages.items()):
            first = BASE + number * PAGE_BYTES * 8
            for found in _ANY.finditer(page):
                yield first + found.start() * 8, first + found.end() * 8

    def count(self) -> int:
        """Return the number of bytes that were run."""
        return sum(int.from_bytes(page).bit_count() for page in self.pages.values())

    def without(self, other: Bitmap) -> Bitmap:
        """Return the bytes that were run here and not there."""
        kept = {}
        for number, page in self.pages.items():
            against = int.from_bytes(other.pages.get(number, _EMPTY))
            if left := int.from_bytes(page) & ~against:
                kept[number] = left.to_bytes(PAGE_BYTES)
        return Bitmap(kept)


NOTHING = Bitmap({})


def union(bitmaps: Iterable[Bitmap]) -> Bitmap:
    """Return the bytes that were run in any of several bitmaps."""
    whole: dict[int, int] = {}
    for one in bitmaps:
        for number, page in one.pages.items():
            whole[number] = whole.get(number, 0) | int.from_bytes(page)
    return Bitmap({number: bits.to_bytes(PAGE_BYTES) for number, bits in whole.items()})


def encode(bitmap: Bitmap) -> bytes:
    """Convert a bitmap to the content of a file: a line of JSON that names the pages, and the pages, compressed."""
    numbers = tuple(sorted(bitmap.pages))
    header = dump_value(_Header(_FORMAT, BASE, numbers), indent=None)
    return header.encode() + zlib.compress(b"".join(bitmap.pages[number] for number in numbers), _LEVEL)


def decode(content: bytes, *, source: str) -> Bitmap:
    """Read the content that :func:`encode` returned.

    :param source: its name in an error.
    :raises UsageError: it is damaged, or of a newer format.
    """
    first, _, rest = content.partition(b"\n")
    header = read_facts(_Header, first)
    if header is None or header.format_version != _FORMAT or header.base != BASE or len(header.pages) > _MOST_PAGES:
        raise _damaged(source, f"it begins: {first[:60]!r}")
    expected = len(header.pages) * PAGE_BYTES
    unpacker = zlib.decompressobj()
    try:
        # Bounded: a damaged file must not fill the memory.
        raw = unpacker.decompress(rest, expected + 1)
    except zlib.error as error:
        raise _damaged(source, str(error)) from None
    if len(raw) != expected or not unpacker.eof:
        raise _damaged(source, f"{len(raw)} bytes, not {expected}")
    return Bitmap({number: raw[at * PAGE_BYTES :][:PAGE_BYTES] for at, number in enumerate(header.pages)})


def _has_any_bit(page: bytes, start: int, end: int) -> bool:
    """Return whether any of the bits from ``start`` up to ``end`` of a page is set; bit 0 is the lowest of byte 0."""
    bits = int.from_bytes(page[start // 8 : (end + 7) // 8], "little") >> start % 8
    return bool(bits & ((1 << (end - start)) - 1))


def _damaged(source: str, evidence: str) -> UsageError:
    return UsageError(
        f"{source} is no coverage that this harness reads",
        evidence=evidence,
        remedy="run the cases again: harness run --coverage",
    )
