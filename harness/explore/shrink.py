# SPDX-License-Identifier: GPL-2.0-only
"""Shrink a sequence of operations to a short one that still fails. Pure.

Parts are removed while the rest fails: halves first, then smaller parts, at last single operations (Zeller's ddmin).
Then operations are replaced by simpler ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

Fails = Callable[[tuple[str, ...]], tuple[str, ...] | None]
"""Tries a sequence; returns the failing start of it, or None if it does not fail or must not be tried any more."""
Simpler = Callable[[str], Iterable[str]]


def shrink(operations: Sequence[str], fails: Fails, simpler: Simpler) -> tuple[str, ...]:
    """Return a sequence that fails and that no single removal and no simpler operation makes shorter or simpler.

    :param operations: a sequence that fails.
    :param fails: see :data:`Fails`.
    :param simpler: returns the simpler forms of an operation, the simplest one first.
    """
    found = tuple(operations)
    while True:
        before = found
        found = _removed(found, fails)
        found = _simplified(found, fails, simpler)
        if found == before:
            return found


def _removed(operations: tuple[str, ...], fails: Fails) -> tuple[str, ...]:
    length = max(1, len(operations) // 2)
    while True:
        # From the end: what comes last was made by all that is before it.
        at = len(operations) - length
        is_shorter = False
        while at > -length:
            candidate = operations[: max(at, 0)] + operations[at + length :]
            failing = fails(candidate) if candidate else None
            if failing is not None and len(failing) < len(operations):
                operations, is_shorter = failing, True
                at = min(at, len(operations))
            at -= length
        if length == 1 and not is_shorter:
            return operations
        length = max(1, length // 2)


def _simplified(operations: tuple[str, ...], fails: Fails, simpler: Simpler) -> tuple[str, ...]:
    at = 0
    while at < len(operations):
        for other in simpler(operations[at]):
            failing = fails((*operations[:at], other, *operations[at + 1 :]))
            if failing is not None and len(failing) <= len(operations):
                operations = failing
                break
        at += 1
    return operations
