# SPDX-License-Identifier: GPL-2.0-only
"""Shrinking finds short sequences, and asks no question twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.explore.shrink import shrink


def _nothing(operation: str) -> list[str]:
    return []


@given(st.lists(st.sampled_from("abxyz"), max_size=40), st.lists(st.sampled_from("xyz"), min_size=1, max_size=4))
def test_only_the_needed_operations_stay(noise: list[str], needed: list[str]) -> None:
    """Of a sequence that fails by a subsequence, nothing else is left, wherever it was."""
    sequence = [*noise, *needed]

    def fails(operations: tuple[str, ...]) -> tuple[str, ...] | None:
        rest = iter(operations)
        return operations if all(one in rest for one in needed) else None

    assert shrink(sequence, fails, _nothing) == tuple(needed)


def test_the_failing_start_is_what_goes_on() -> None:
    """A sequence that fails early is cut there: what comes after it is not tried."""
    tried: list[tuple[str, ...]] = []

    def fails(operations: tuple[str, ...]) -> tuple[str, ...] | None:
        tried.append(operations)
        return operations[: operations.index("x") + 1] if "x" in operations else None

    assert shrink(["a", "x", "b", "x", "c"], fails, _nothing) == ("x",)
    assert len(tried) < 10


def test_simpler_operations_replace_others() -> None:
    """A simpler form is kept if the sequence still fails with it."""

    def fails(operations: tuple[str, ...]) -> tuple[str, ...] | None:
        return operations if len(operations) == 2 and operations[1].startswith("put") else None

    def simpler(operation: str) -> list[str]:
        return [f"{operation.split()[0]} a"] if not operation.endswith(" a") else []

    assert shrink(["take b", "put c"], fails, simpler) == ("take a", "put a")


def test_a_sequence_that_nothing_shortens_is_returned() -> None:
    """If all tries pass, the sequence itself is the result."""
    assert shrink(["a", "b"], lambda operations: None, _nothing) == ("a", "b")
