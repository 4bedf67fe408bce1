# SPDX-License-Identifier: GPL-2.0-only
"""A kernel in Python that the suite about shelves explores, and what the tests of exploration need of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.base.deadline import Deadline
from harness.coverage.bitmap import BASE, NOTHING, PAGE_BYTES, Bitmap
from harness.explore.load import load_model
from harness.explore.model import Model, Observation
from harness.explore.trial import Sides
from harness.model.run_record import KernelRecord
from harness.suite.load import read_suite, suite_semantics

FOLDER = Path(__file__).parents[2] / "data" / "explored"
SUITE = read_suite(FOLDER)


def load() -> Model:
    """Return the model of the suite."""
    return load_model(SUITE, suite_semantics(SUITE))


@dataclass
class Shelves:
    """Shelves that behave as the model says, but for mistakes.

    :param room: how many things fit.
    :param breaks_at: number of things in a row that end the machine; 0 for none.
    :param wrong_once: whether the first sequence, and no other, has a wrong answer.
    :param name: the KERNEL argument.
    """

    room: int = 3
    breaks_at: int = 0
    wrong_once: bool = False
    name: str = "shelves"
    sequences: list[tuple[str, ...]] = field(default_factory=list)
    machines: int = 0

    @property
    def kernel(self) -> KernelRecord:
        """Return the record of the kernel."""
        return KernelRecord(self.name, "made up", "1.0", "x86_64", f"image of {self.name}", "", "")

    def run(self, operations: Sequence[str], *, deadline: Deadline) -> tuple[Observation, Bitmap]:
        """Do a sequence on new shelves."""
        self.machines += 1
        return self._answered(operations), self._ran(operations)

    @contextlib.contextmanager
    def repeated(self, *, deadline: Deadline) -> Iterator[Callable[[Sequence[str]], Observation]]:
        """Return the function that does sequences."""
        self.machines += 1
        yield self._answered

    def _answered(self, operations: Sequence[str]) -> Observation:
        self.sequences.append(tuple(operations))
        things: dict[str, int] = {}
        answers: list[str] = []
        row = 0
        for operation in operations:
            verb, shelf = operation.split()
            row = row + 1 if verb == "put" else 0
            if self.breaks_at and row == self.breaks_at:
                return Observation(tuple(answers), "BUG: the shelf broke", "line 1\nline 2")
            answers.append(self._answer(things, verb, shelf))
        if self.wrong_once and len(self.sequences) == 1:
            answers[-1] = "wrong"
        return Observation(tuple(answers))

    def _answer(self, things: dict[str, int], verb: str, shelf: str) -> str:
        count = things.get(shelf, 0)
        if verb == "count":
            return str(count)
        if verb == "put" and count < self.room:
            things[shelf] = count + 1
            return "0"
        if verb == "take" and count:
            things[shelf] = count - 1
            return "0"
        return "full" if verb == "put" else "empty"

    def _ran(self, operations: Sequence[str]) -> Bitmap:
        """Return one byte of code for each kind of operation."""
        page = bytearray(PAGE_BYTES)
        for number, verb in enumerate(("put", "take", "count")):
            if any(one.startswith(verb) for one in operations):
                page[0] |= 1 << number
        return Bitmap({0: bytes(page)}) if any(page) else NOTHING


def sides(kernel: Shelves, other: Shelves | None = None) -> Sides:
    """Compare shelves with the model by the profile "large", or with other shelves."""
    return Sides(SUITE, load(), {"room": "three"}, kernel, other)


def subject() -> Bitmap:
    """Return code of four bytes, three of which can be reached."""
    assert BASE
    return Bitmap({0: bytes([15]) + bytes(PAGE_BYTES - 1)})
