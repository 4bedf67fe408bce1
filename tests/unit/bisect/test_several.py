# SPDX-License-Identifier: GPL-2.0-only
"""Several commits at a time: together they cut the history into equal parts, and never tell less than one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.bisections import between, forked, rounds, row
from harness.bisect.commit_graph import Lineage
from harness.bisect.intervals import Interval, find_intervals
from harness.bisect.several import choose_several, hoped_rounds
from harness.bisect.strategy import choose


def between_ends(lineage: Lineage) -> list[Interval]:
    """Return the interval of a target that differs between the ends."""
    return list(find_intervals(lineage, "t", {0: "before", len(lineage) - 1: "after"}))


@pytest.mark.parametrize(("builders", "expected"), [(1, (4,)), (2, (3, 6)), (3, (2, 4, 7)), (7, (1, 2, 3, 4, 5, 6, 7))])
def test_equal_parts_of_a_linear_history(builders: int, expected: tuple[int, ...]) -> None:
    """Eight commits: with two builders at one and two thirds, not at the half and the quarter."""
    lineage = row(8)
    found = choose_several(lineage, between_ends(lineage), builders)

    assert found is not None
    sizes = [high - low for low, high in zip((0, *found.nodes), (*found.nodes, 8), strict=True)]
    assert max(sizes) == -(-8 // (builders + 1))
    assert len(found.nodes) == len(expected)


@given(commits=st.integers(2, 60), builders=st.integers(1, 8), seed=st.integers(0, 1000))
def test_more_builders_tell_more(commits: int, builders: int, seed: int) -> None:
    """At least what the best single commit tells, at most what its number can; never a node twice or one untestable."""
    lineage = forked(commits)
    untestable = random.Random(seed).getrandbits(len(lineage))
    intervals = between_ends(lineage)
    found = choose_several(lineage, intervals, builders, untestable=untestable)
    single = choose(lineage, intervals, untestable=untestable)

    assert (found is None) == (single is None)
    if found is None or single is None:
        return
    assert len(set(found.nodes)) == len(found.nodes) <= builders
    assert not any(untestable >> node & 1 for node in found.nodes)
    assert found.bits <= len(found.nodes) + 1e-9
    if not untestable:
        assert found.bits >= single.bits - 1e-9


@given(commits=st.integers(2, 200), builders=st.integers(1, 5), seed=st.integers(0, 10_000))
def test_a_target_is_found_in_few_rounds(commits: int, builders: int, seed: int) -> None:
    """In a linear history: log_{k+1}(N) + 2 rounds at most, wherever the change is."""
    place = random.Random(seed).randrange(1, commits + 1)

    assert rounds(row(commits), [place], builders) <= hoped_rounds(commits, builders)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("builders", [2, 3, 5])
def test_a_target_is_found_in_few_rounds_among_merges(seed: int, builders: int) -> None:
    """In histories with short branches as well; one of a hundred parallel branches would take more, however chosen."""
    lineage = forked(150, seed)
    candidates = between(lineage)
    place = random.Random(seed).choice(candidates)

    assert rounds(lineage, [place], builders) <= hoped_rounds(len(candidates), builders)


def test_nothing_is_left_to_choose() -> None:
    """One commit between the ends needs no build."""
    lineage = row(1)

    assert choose_several(lineage, between_ends(lineage), 4) is None
    assert choose_several(lineage, [], 4) is None
