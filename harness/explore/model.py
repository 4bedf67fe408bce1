# SPDX-License-Identifier: GPL-2.0-only
"""Define the model of a suite, which knows the answer of each operation, and compare it with a kernel. Pure.

An operation is one line of text; what it means, only the suite's model and its guest program know. Any sequence is
valid, also one that operations were removed from: an operation that makes no sense has an answer as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

MOST_BYTES = 3800
"""Most bytes of a sequence: it is typed as one line, and a terminal accepts 4095."""
SEPARATOR = "; "
"""The text between two operations in the argument of the guest program."""
ANSWER = " = "
"""The text between an operation and its answer in the output of the guest program."""


class World(Protocol):
    """The state of one machine, as the model of a suite knows it."""

    def propose(self, random: Random) -> str:
        """Return an operation that is worth a try in this state."""

    def apply(self, operation: str) -> Sequence[str]:
        """Return the answers that are allowed, and change the state; the state is the same after each of them."""


Start = Callable[[Mapping[str, str]], World]
"""Function ``start`` of a model: makes the world of a fresh machine, for the values of traits."""


@dataclass(frozen=True, slots=True)
class Model:
    """The model of a suite.

    :param start: see :data:`Start`.
    :param knows: the values that the model knows, by trait.
    :param simpler: function ``simpler`` of the model, which returns simpler forms of an operation.
    """

    start: Start
    knows: Mapping[str, frozenset[str]]
    simpler: Callable[[str], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a kernel answered to a sequence.

    :param answers: the answers, as far as they came.
    :param problem: what ended the sequence before its end, or the title of a splat; empty otherwise.
    :param evidence: lines of the kernel log, or the output.
    """

    answers: tuple[str, ...]
    problem: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first operation of a sequence whose answer is not as expected.

    :param operations: the sequence, which ends with that operation.
    :param expected: the answers that are allowed; empty when any answer would have been.
    :param answer: the answer; empty if there is none.
    :param problem: the problem of the kernel; empty if it is only the answer.
    :param evidence: lines of the kernel log, or the output.
    """

    operations: tuple[str, ...]
    expected: tuple[str, ...]
    answer: str
    problem: str = ""
    evidence: str = ""

    @property
    def line(self) -> str:
        """Describe the divergence in one line."""
        if self.problem:
            return f"{self.operations[-1]}: {self.problem}"
        return f"{self.operations[-1]}: expected {' or '.join(self.expected)}, got {self.answer}"


def predict(model: Model, traits: Mapping[str, str], operations: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the allowed answers of each operation of a sequence."""
    world = model.start(traits)
    return [tuple(world.apply(one)) for one in operations]


def compare(
    operations: Sequence[str], expected: Sequence[tuple[str, ...]], observation: Observation
) -> Divergence | None:
    """Return where a kernel differs from the expected answers first; None if it does not."""
    for at, (allowed, answer) in enumerate(zip(expected, observation.answers, strict=False)):
        if answer not in allowed:
            return Divergence(tuple(operations[: at + 1]), allowed, answer, "", observation.evidence)
    if observation.problem:
        at = min(len(observation.answers), len(operations) - 1)
        return Divergence(tuple(operations[: at + 1]), expected[at], "", observation.problem, observation.evidence)
    return None


def compare_two(operations: Sequence[str], one: Observation, other: Observation) -> Divergence | None:
    """Return where two kernels differ first; None if they do not. The first one is the expectation."""
    if one.problem and one.problem == other.problem:
        return None
    if one.problem:
        expected = [(answer,) for answer in one.answers]
        found = compare(operations[: len(expected)], expected, Observation(other.answers[: len(expected)]))
        return found or Divergence(
            tuple(operations[: len(expected) + 1]), (), "", f"only the first one: {one.problem}", one.evidence
        )
    return compare(operations, [(answer,) for answer in one.answers], other)


def size_of(operations: Sequence[str]) -> int:
    """Return the bytes of a sequence as an argument of the guest program."""
    return len(SEPARATOR.join(operations).encode())
