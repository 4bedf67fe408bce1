# SPDX-License-Identifier: GPL-2.0-only
"""The model of shelves: "put SHELF", "take SHELF" and "count SHELF", on shelves with limited room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random

KNOWS = {"room": ("two", "three")}
_ROOM = {"two": 2, "three": 3}


class World:
    """Shelves, empty at the start."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._things: Counter[str] = Counter()

    def propose(self, random: Random) -> str:
        """Return an operation on one of the shelves."""
        return f"{random.choice(('put', 'put', 'take', 'count'))} {random.choice('abc')}"

    def apply(self, operation: str) -> Sequence[str]:
        """Return the answer, and change the shelf."""
        verb, shelf = operation.split()
        if verb == "count":
            return (str(self._things[shelf]),)
        if verb == "put" and self._things[shelf] < self._room:
            self._things[shelf] += 1
            return ("0",)
        if verb == "take" and self._things[shelf]:
            self._things[shelf] -= 1
            return ("0",)
        return ("full" if verb == "put" else "empty",)


def start(traits: Mapping[str, str]) -> World:
    """Return empty shelves."""
    return World(_ROOM[traits["room"]])


def simpler(operation: str) -> Iterator[str]:
    """Return the operation on the first shelf."""
    verb, shelf = operation.split()
    if shelf != "a":
        yield f"{verb} a"
