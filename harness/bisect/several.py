# SPDX-License-Identifier: GPL-2.0-only
"""Choose several commits to build at the same time, which together tell most. Pure.

With k builders a round is k builds, and its results together leave one of several parts of an interval. In a linear
history the best k commits cut an interval of n commits into k + 1 equal parts, so a round leaves n / (k + 1) and a
target is found after log_{k+1}(N) rounds. The best single commit is none of them: with two builders they are at one and
two thirds, not at the half. So the commits are chosen together: from equal parts, each of them is moved to where it
tells most besides the others, until none moves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.bisect.commit_graph import Lineage, nodes
from harness.bisect.intervals import Interval
from harness.bisect.strategy import entropy, hope

_PASSES = 8
"""How often each commit is moved at most; in a history with merges two or three are enough."""


@dataclass(frozen=True, slots=True)
class NextCommits:
    """The nodes to build in a round.

    :param nodes: the nodes, oldest first.
    :param bits: the expected information of all results together, summed over the targets.
    """

    nodes: tuple[int, ...]
    bits: float


def hoped_rounds(candidates: int, builders: int) -> float:
    """Return log_{k+1}(N) + 2, the figure that the rounds of a bisection for one target are compared with.

    :param candidates: the number of nodes that may have made the change.
    :param builders: the number of builds in a round.
    """
    return (math.log(candidates) / math.log(builders + 1) if candidates > 1 else 0.0) + 2


def choose_several(
    lineage: Lineage,
    intervals: Sequence[Interval],
    builders: int,
    *,
    untestable: int = 0,
    silent: Mapping[str, int] | None = None,
) -> NextCommits | None:
    """Choose the nodes of a round.

    :param lineage: the graph of the history.
    :param intervals: the intervals of all targets.
    :param builders: the number of nodes at most.
    :param untestable: the set of nodes that do not build or boot.
    :param silent: by target, the set of nodes that give no verdict on it.
    :return: None if no node gives more information.
    """
    silent = silent or {}
    groups: dict[tuple[int, int], int] = {}
    for interval in intervals:
        if testable := interval.testable(untestable | silent.get(interval.target, 0)):
            key = (interval.members, testable)
            groups[key] = groups.get(key, 0) + 1
    chosen = _equal_parts(lineage, groups, builders)
    for _ in range(_PASSES):
        before = list(chosen)
        for at in range(max(builders, len(chosen))):
            others = chosen[:at] + chosen[at + 1 :]
            gains = _gains(lineage, groups, others, untestable)
            best = max(gains, key=lambda node: (round(gains[node], 9), -node), default=None)
            if best is None or gains[best] <= 0.0:
                chosen = others
                break
            if at >= len(chosen):
                chosen.append(best)
            elif round(gains[best], 9) > round(gains.get(chosen[at], 0.0), 9):
                chosen[at] = best
        if chosen == before:
            break
    if not chosen:
        return None
    bits = sum(
        number * _joint(_parts(lineage, members, chosen, testable)) for (members, testable), number in groups.items()
    )
    return NextCommits(tuple(sorted(chosen)), bits)


def _equal_parts(lineage: Lineage, groups: Mapping[tuple[int, int], int], builders: int) -> list[int]:
    """Return nodes that cut the largest group of intervals into parts of about one size."""
    if not groups:
        return []
    members, testable = max(groups, key=lambda key: (groups[key] * math.log2(key[0].bit_count() + 1), key))
    weights, size = lineage.weights(members), members.bit_count()
    left = list(nodes(testable))
    found: list[int] = []
    for part in range(1, builders + 1):
        free = [node for node in left if node not in found]
        if not free:
            break
        wanted = part * size / (builders + 1)
        found.append(min(free, key=lambda node: (abs(weights[node] - wanted), node)))
    return found


def _parts(lineage: Lineage, members: int, chosen: Sequence[int], testable: int) -> list[int]:
    """Divide an interval into the sets of nodes that the results of some nodes cannot tell apart."""
    parts = [members]
    for node in chosen:
        if testable >> node & 1:
            above = lineage.ancestors(node)
            parts = [one for part in parts for one in (part & above, part & ~above) if one]
    return parts


def _joint(parts: Sequence[int]) -> float:
    """Return the information, in bits, of learning in which part a node is."""
    sizes = [part.bit_count() for part in parts]
    whole = sum(sizes)
    return -sum(size / whole * math.log2(size / whole) for size in sizes)


def _gains(
    lineage: Lineage, groups: Mapping[tuple[int, int], int], others: Sequence[int], untestable: int
) -> dict[int, float]:
    """Return the information that each node is expected to give besides the results of others, about its own part."""
    gains: dict[int, float] = {}
    for (members, testable), number in groups.items():
        size, refused = members.bit_count(), tuple(nodes(members & untestable))
        for part in _parts(lineage, members, others, testable):
            weights, whole = lineage.weights(part), part.bit_count()
            for node in nodes(part & testable):
                gain = whole / size * entropy(weights[node], whole) * hope(node, refused) * number
                gains[node] = gains.get(node, 0.0) + gain
    return gains
