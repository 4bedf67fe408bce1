# SPDX-License-Identifier: GPL-2.0-only
"""Make sequences of operations: random ones, and changes of those that reached new code. Pure.

A sequence is a list of texts, and not the choices of a generator: it means the same after the model or the generator
has changed, so it can be kept, replayed on any kernel, cut and continued.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from harness.explore.model import MOST_BYTES, SEPARATOR, Model

STEPS = 220
"""Most operations of a sequence."""
MOST_KEPT = 200
"""Most sequences of a corpus; the oldest ones are dropped."""
_CHANGED = 0.5
_REMOVED = 0.3


class Generator:
    """Makes one sequence after the other.

    :param model: the model of the suite.
    :param traits: the values of traits for it.
    :param random: the source of all choices.
    :param corpus: the sequences that reached new code; grows.
    """

    def __init__(
        self, model: Model, traits: Mapping[str, str], random: Random, corpus: Sequence[Sequence[str]]
    ) -> None:
        self.corpus = [tuple(one) for one in corpus]
        self._model = model
        self._traits = traits
        self._random = random

    def sequence(self, steps: int = STEPS) -> tuple[str, ...]:
        """Return the next sequence: a new one, or the start of one of the corpus with another end."""
        random = self._random
        start: list[str] = []
        if self.corpus and random.random() < _CHANGED:
            kept = random.choice(self.corpus)
            start = list(kept[: random.randrange(len(kept) + 1)])
            while start and random.random() < _REMOVED:
                del start[random.randrange(len(start))]
        return self._continued(start, steps)

    def keep(self, operations: Sequence[str]) -> None:
        """Add a sequence to the corpus."""
        self.corpus.append(tuple(operations))
        del self.corpus[:-MOST_KEPT]

    def _continued(self, start: Sequence[str], steps: int) -> tuple[str, ...]:
        world = self._model.start(self._traits)
        operations: list[str] = []
        size = 0
        for at in range(steps):
            operation = start[at] if at < len(start) else world.propose(self._random)
            size += len(operation.encode()) + len(SEPARATOR)
            if size > MOST_BYTES:
                break
            world.apply(operation)
            operations.append(operation)
        return tuple(operations)
