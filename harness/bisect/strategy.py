# SPDX-License-Identifier: GPL-2.0-only
"""Choose the commit to build next, and bound the number of builds. Pure.

One build observes all targets. Each target has its intervals (``intervals.py``). Building a node splits each interval
that contains it into the ancestors of the node and the rest. The node with the most expected information, summed over
all targets, is built next. Every commit of an interval is equally likely to have made the change, so a node that halves
the interval of a target gives one bit, and a node that halves the intervals of three targets gives three.

The number of builds: let N be the number of nodes that may have made a change (inert commits do not count) and c the
number of nodes that did; let the history be linear and every build observe all targets. Then all intervals end at the
same built nodes: those of two targets are equal or disjoint. A build in an interval of n nodes leaves at most
ceil(n / 2) on either side, so after j builds along one line at most ceil(N / 2^j) are left, and at depth j at most
min(2^j, c) intervals are still open. The sum over j < ceil(log2 N), at most N - 1, is :func:`most_builds`:
ceil(log2 N) for one change, about c * log2(N / c) + c for c changes.

No strategy is better by more than that c. Suppose it is known in which of c blocks of N / c nodes each change is. A
build then gives information about one block only, one bit, so the worst case needs c * log2(N / c) builds. The figure
log2(N) + k for k targets (:func:`hoped_builds`) is therefore met if targets change in the same commits, as a trait and
the cases that show it do, and cannot be guaranteed for k targets that change in k different commits.

Each node that cannot be tested adds a build, and so does each merge without an even split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.bisect.commit_graph import Lineage, nodes
from harness.bisect.intervals import Interval


@dataclass(frozen=True, slots=True)
class Split:
    """How a node splits the candidates of one target.

    :param target: the key of the target.
    :param candidates: the number of nodes that may have made the change.
    :param below: the number of these that are ancestors of the node, itself included.
    """

    target: str
    candidates: int
    below: int


@dataclass(frozen=True, slots=True)
class NextCommit:
    """The node to build next.

    :param node: the node.
    :param bits: the expected information, summed over the targets.
    :param splits: how it splits the candidates of each target.
    """

    node: int
    bits: float
    splits: tuple[Split, ...]


def choose(
    lineage: Lineage,
    intervals: Sequence[Interval],
    *,
    untestable: int = 0,
    silent: Mapping[str, int] | None = None,
    among: int = -1,
) -> NextCommit | None:
    """Choose the node with the most expected information for the open targets; the oldest of equal ones.

    :param lineage: the graph of the history.
    :param intervals: the intervals of all targets.
    :param untestable: the set of nodes that do not build or boot.
    :param silent: by target, the set of nodes that give no verdict on it.
    :param among: the set of nodes to choose from; -1 for all.
    :return: None if no node gives more information.
    """
    silent = silent or {}
    # Targets that changed together have equal intervals, which are processed once.
    groups: dict[tuple[int, int], list[str]] = {}
    for interval in intervals:
        if testable := interval.testable(untestable | silent.get(interval.target, 0)) & among:
            groups.setdefault((interval.members, testable), []).append(interval.target)
    weights = {members: lineage.weights(members) for members in {members for members, _ in groups}}
    bits: dict[int, float] = {}
    for (members, testable), targets in groups.items():
        size, refused = members.bit_count(), tuple(nodes(members & untestable))
        for node in nodes(testable):
            gain = entropy(weights[members][node], size) * hope(node, refused) * len(targets)
            bits[node] = bits.get(node, 0.0) + gain
    if not bits:
        return None
    # Rounded, so that the order of the summands does not matter.
    best = max(bits, key=lambda node: (round(bits[node], 9), -node))
    splits = tuple(
        Split(target, members.bit_count(), weights[members][best])
        for (members, testable), targets in groups.items()
        if testable >> best & 1
        for target in targets
    )
    return NextCommit(best, sum(entropy(one.below, one.candidates) for one in splits), splits)


def entropy(part: int, whole: int) -> float:
    """Return the information, in bits, of learning whether one of ``whole`` equally likely items is among ``part``."""
    if not 0 < part < whole:
        return 0.0
    share = part / whole
    return -share * math.log2(share) - (1 - share) * math.log2(1 - share)


def hoped_builds(candidates: int, targets: int) -> float:
    """Return log2(N) + k, the figure that the builds are compared with; the top of this module explains its limits."""
    return (math.log2(candidates) if candidates else 0.0) + targets


def most_builds(candidates: int, changes: int) -> int:
    """Return an upper bound of the builds in a linear history without skips; see the top of this module.

    :param candidates: the number of nodes that may have made a change.
    :param changes: the number of nodes that made one.
    """
    if candidates < 2 or not changes:
        return 0
    depth = (candidates - 1).bit_length()
    return min(sum(min(1 << level, changes) for level in range(depth)), candidates - 1)


def hope(node: int, refused: Sequence[int]) -> float:
    """Estimate the probability that a node can be tested, near nodes that could not be.

    A fault that breaks a commit often breaks its neighbors, so the next node is chosen further away with each failed
    one. git-bisect(1), "Bisect skip", uses chance for that.
    """
    if not refused:
        return 1.0
    distance = min(abs(node - one) for one in refused)
    return float(1 - 0.5 ** (distance / len(refused)))
