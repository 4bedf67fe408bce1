# SPDX-License-Identifier: GPL-2.0-only
"""Artificial histories, and a bisection on them in which a build is a table lookup."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from harness.bisect.commit_graph import Commit, Lineage
from harness.bisect.intervals import Interval, find_intervals
from harness.bisect.strategy import NextCommit, choose


def linear(size: int) -> Lineage:
    """Return a linear history whose first commit is the root."""
    return Lineage([commit(at, (at - 1,) if at else ()) for at in range(size)], ["0"])


def commit(at: int, parents: Sequence[int], *, tree: str = "", is_inert: bool = False) -> Commit:
    """Return a commit whose hash is its number."""
    return Commit(str(at), tree or f"tree{at}", tuple(map(str, parents)), f"subject {at}", is_inert)


@st.composite
def merged(draw: st.DrawFn, most: int = 40) -> Lineage:
    """Draw a history with forks and merges: the ancestors of its last commit."""
    size = draw(st.integers(2, most))
    # A byte for each parent, and one draw for all of them: a draw for each takes longer than the bisection.
    drawn = draw(st.binary(min_size=2 * size, max_size=2 * size))
    above: list[tuple[int, ...]] = [()]
    for at in range(1, size):
        near = range(max(0, at - 6), at)
        first, second = drawn[2 * at], drawn[2 * at + 1]
        parents = [near[first % len(near)], *([near[second // 2 % len(near)]] if second % 2 else [])]
        above.append(tuple(dict.fromkeys(parents)))
    kept, left = set(), [size - 1]
    while left:
        one = left.pop()
        if one not in kept:
            kept.add(one)
            left += above[one]
    return Lineage([commit(at, above[at]) for at in sorted(kept)], ["0"])


@dataclass
class Bisected:
    """The course of a bisection.

    :param builds: the nodes that were built, in order.
    :param choices: the decisions, in order.
    :param found: the intervals of each target that are left.
    """

    lineage: Lineage
    builds: list[int] = field(default_factory=list)
    choices: list[NextCommit] = field(default_factory=list)
    found: dict[str, tuple[Interval, ...]] = field(default_factory=dict)


def bisect(
    lineage: Lineage,
    truth: Mapping[str, Callable[[int], str | None]],
    *,
    ends: Sequence[int],
    broken: Sequence[int] = (),
) -> Bisected:
    """Bisect until no build gives more information.

    :param truth: the value of each target on a node; None if the node has no verdict on it.
    """
    done = Bisected(lineage)
    observed: dict[str, dict[int, str]] = {target: {} for target in truth}
    silent = dict.fromkeys(truth, 0)
    untestable = 0

    def observe(node: int) -> None:
        for target, of in truth.items():
            value = of(node)
            if value is None:
                silent[target] |= 1 << node
            else:
                observed[target][node] = value

    for end in ends:
        observe(end)
    while True:
        done.found = _find_all(lineage, observed)
        every = [one for found in done.found.values() for one in found]
        choice = choose(lineage, every, untestable=untestable, silent=silent)
        if choice is None:
            return done
        assert choice.node not in done.builds
        done.builds.append(choice.node)
        done.choices.append(choice)
        if choice.node in broken:
            untestable |= 1 << choice.node
        else:
            observe(choice.node)


def _find_all(lineage: Lineage, observed: Mapping[str, Mapping[int, str]]) -> dict[str, tuple[Interval, ...]]:
    """Return the intervals of each target; those of a hundred targets with equal values are found once."""
    found: dict[tuple[tuple[int, str], ...], tuple[Interval, ...]] = {}
    for target, values in observed.items():
        if (key := tuple(values.items())) not in found:
            found[key] = find_intervals(lineage, target, values)
    return {
        target: tuple(replace(one, target=target) for one in found[tuple(values.items())])
        for target, values in observed.items()
    }
