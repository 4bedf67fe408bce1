# SPDX-License-Identifier: GPL-2.0-only
"""Tell which sequences reached code about the subject that no sequence before them reached. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.coverage.bitmap import BASE, NOTHING, PAGE_BYTES, SIZE, Bitmap, union
from harness.coverage.symbols import Function

_PAGE_CODE = PAGE_BYTES * 8


class Reached:
    """The code about the subject that was reached so far.

    :param subject: the code about the subject, from :func:`code_of`.
    """

    def __init__(self, subject: Bitmap) -> None:
        self._left = subject
        self.whole = subject.count()
        """Bytes of code about the subject."""

    @property
    def count(self) -> int:
        """Return how many bytes of that code were reached."""
        return self.whole - self._left.count()

    def add(self, ran: Bitmap) -> int:
        """Add what a sequence ran, and return how many bytes of it are new."""
        before = self._left.count()
        self._left = self._left.without(ran)
        return before - self._left.count()


def code_of(functions: Iterable[Function], pattern: str) -> Bitmap:
    """Return the code of the functions whose names a regular expression matches; of none if it is empty."""
    if not pattern:
        return NOTHING
    matches = re.compile(pattern).search
    return union(_code(one) for one in functions if matches(one.name))


def _code(function: Function) -> Bitmap:
    pages: dict[int, bytearray] = {}
    for at in range(max(function.start - BASE, 0), min(function.end - BASE, SIZE)):
        page = pages.setdefault(at // _PAGE_CODE, bytearray(PAGE_BYTES))
        page[at % _PAGE_CODE // 8] |= 1 << at % 8
    return Bitmap({number: bytes(page) for number, page in pages.items()})
