# SPDX-License-Identifier: GPL-2.0-only
"""Try a sequence of operations: on a kernel against the model, or on two kernels."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.base.deadline import Deadline
from harness.coverage.bitmap import NOTHING, Bitmap
from harness.explore.load import explained
from harness.explore.model import Divergence, Model, Observation, compare, compare_two, predict
from harness.explore.shrink import shrink
from harness.model.run_record import KernelRecord
from harness.suite.definition import Suite

_SHRINK_SECONDS = 180.0
_SHRINK_TRIES = 400

Expected = list[tuple[str, ...]]


class Runner(Protocol):
    """Runs sequences of operations; see :class:`harness.explore.guest.GuestRunner`."""

    @property
    def kernel(self) -> KernelRecord:
        """Return the record of the kernel."""

    def run(self, operations: Sequence[str], *, deadline: Deadline) -> tuple[Observation, Bitmap]:
        """Do a sequence on a fresh machine."""

    def repeated(
        self, *, deadline: Deadline
    ) -> contextlib.AbstractContextManager[Callable[[Sequence[str]], Observation]]:
        """Return a function that does sequences one after the other on one machine."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A sequence that was tried.

    :param expected: the allowed answers of each operation.
    :param observation: the answers of the kernel; of two, those of the first one.
    :param divergence: where they differ first; None if they do not.
    :param ran: the kernel code that it ran, if that was noted.
    :param seconds: how long it took.
    """

    expected: Expected
    observation: Observation
    divergence: Divergence | None
    ran: Bitmap = NOTHING
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides that are compared.

    :param suite: the suite.
    :param model: its model.
    :param traits: the values of traits for the model.
    :param runner: the kernel.
    :param other: the second kernel, whose answers are compared with those of the first; None to use the model.
    """

    suite: Suite
    model: Model
    traits: Mapping[str, str]
    runner: Runner
    other: Runner | None = None

    def try_once(self, operations: Sequence[str], *, deadline: Deadline) -> Tried:
        """Try a sequence on a fresh machine.

        :raises HarnessError: there is no machine, or the model is broken.
        """
        began = time.monotonic()
        observation, ran = self.runner.run(operations, deadline=deadline)
        other = self.other.run(operations, deadline=deadline)[0] if self.other else None
        expected, divergence = self._compared(operations, observation, other)
        return Tried(expected, observation, divergence, ran, time.monotonic() - began)

    @contextlib.contextmanager
    def repeated(self, *, deadline: Deadline) -> Iterator[Callable[[Sequence[str]], Tried]]:
        """Return a function that tries one sequence after the other on the same machine."""
        with contextlib.ExitStack() as ends:
            run = ends.enter_context(self.runner.repeated(deadline=deadline))
            run_other = ends.enter_context(self.other.repeated(deadline=deadline)) if self.other else None

            def attempt(operations: Sequence[str]) -> Tried:
                observation = run(operations)
                other = run_other(operations) if run_other else None
                return Tried(*self._outcome(operations, observation, other))

            yield attempt

    def _outcome(
        self, operations: Sequence[str], observation: Observation, other: Observation | None
    ) -> tuple[Expected, Observation, Divergence | None]:
        expected, divergence = self._compared(operations, observation, other)
        return expected, observation, divergence

    def _compared(
        self, operations: Sequence[str], observation: Observation, other: Observation | None
    ) -> tuple[Expected, Divergence | None]:
        if other is not None:
            return [(one,) for one in observation.answers], compare_two(operations, observation, other)
        with explained(operations, self.suite.folder):
            expected = predict(self.model, self.traits, operations)
        return expected, compare(operations, expected, observation)


def shrunk(sides: Sides, divergence: Divergence, *, deadline: Deadline) -> Tried | None:
    """Return the shortest sequence that still diverges, as it was tried on a fresh machine.

    Sequences are tried on one machine, which is fast. If the result does not diverge on a fresh one, each is tried on a
    fresh one.

    :return: None if the divergence is not seen again at all.
    """
    again = sides.try_once(divergence.operations, deadline=deadline)
    if again.divergence is None:
        return None
    if not again.divergence.problem:
        with sides.repeated(deadline=deadline) as attempt:
            short = _shortened(sides, again.divergence, attempt)
        verified = sides.try_once(short, deadline=deadline)
        if verified.divergence is not None:
            return verified
    short = _shortened(sides, again.divergence, lambda operations: sides.try_once(operations, deadline=deadline))
    verified = sides.try_once(short, deadline=deadline)
    return verified if verified.divergence is not None else again


def _shortened(sides: Sides, first: Divergence, attempt: Callable[[Sequence[str]], Tried]) -> tuple[str, ...]:
    """Return the shortest sequence that diverges, within limits of time and tries."""
    until = time.monotonic() + _SHRINK_SECONDS
    known: set[tuple[str, ...]] = set()

    def fails(operations: tuple[str, ...]) -> tuple[str, ...] | None:
        if operations in known or len(known) >= _SHRINK_TRIES or time.monotonic() > until:
            return None
        known.add(operations)
        found = attempt(operations).divergence
        # A lost machine is not a shorter form of a wrong answer, nor the reverse.
        return found.operations if found is not None and bool(found.problem) == bool(first.problem) else None

    return shrink(first.operations, fails, sides.model.simpler)
