"""Which commit to build next, and how many builds it can take. Pure.

One build observes all targets. Each target has its stretches (``trace.py``); building a node splits each stretch that
it is in, into what the node is built on and the rest. The node with the most expected information, summed over all
targets, is built next: every commit of a stretch is as likely as any other to have brought the change, so a node that
halves the stretch of a target tells one bit of it, and one that halves the stretches of three targets tells three.

How many builds that takes: let N be the nodes that may have brought a change (inert commits
do not count), c the places where something changed, the history linear, and all targets answered by every build. Then
all stretches end at the same built nodes: those of two targets are the same or disjoint. A build in one of n nodes
leaves at most ceil(n / 2) on either side, so after j builds along one line at most ceil(N / 2^j) are left, and at depth
j at most min(2^j, c) stretches are still looked at. The sum over j < ceil(log2 N), and never more than N - 1, is
:func:`most_builds`: ceil(log2 N) for one place, about c * log2(N / c) + c for c places.

No strategy does better by more than that c: tell for nothing in which of c blocks of N / c nodes each change is; a
build then says something about one block alone, one bit, so c * log2(N / c) builds are needed for the worst case. The
figure log2(N) + k, k being the targets (:func:`hoped_builds`), is therefore met where targets share their commits, as a
trait and the cases that show it do, and cannot be promised for k targets that all changed at places of their own.

Each node that cannot be judged adds a build, and so does each merge that leaves no even split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.bisect.commit_graph import Lineage, nodes
from harness.bisect.intervals import Interval


@dataclass(frozen=True, slots=True)
class Split:
    """What a node would do to one target: of so many candidates, so many lie below it (itself included)."""

    target: str
    candidates: int
    below: int


@dataclass(frozen=True, slots=True)
class NextCommit:
    """The node to build next.

    :param bits: what it is expected to tell, summed over the targets.
    """

    node: int
    bits: float
    splits: tuple[Split, ...]


def choose(
    lineage: Lineage, stretches: Sequence[Interval], *, untestable: int = 0, silent: Mapping[str, int] | None = None
) -> NextCommit | None:
    """The node that helps the open targets most; the oldest of several that help as much.

    :param untestable: nodes that do not build or boot.
    :param silent: by target, nodes that say nothing of it.
    :return: None when no node can tell anything more.
    """
    silent = silent or {}
    # Targets that changed together have one stretch, which is looked at once.
    groups: dict[tuple[int, int], list[str]] = {}
    for stretch in stretches:
        if testable := stretch.testable(untestable | silent.get(stretch.target, 0)):
            groups.setdefault((stretch.members, testable), []).append(stretch.target)
    weights = {members: lineage.weights(members) for members in {members for members, _ in groups}}
    bits: dict[int, float] = {}
    for (members, testable), targets in groups.items():
        size, refused = members.bit_count(), tuple(nodes(members & untestable))
        for node in nodes(testable):
            told = entropy(weights[members][node], size) * _hope(node, refused) * len(targets)
            bits[node] = bits.get(node, 0.0) + told
    if not bits:
        return None
    # Rounded, so that the order of a sum decides nothing.
    best = max(bits, key=lambda node: (round(bits[node], 9), -node))
    splits = tuple(
        Split(target, members.bit_count(), weights[members][best])
        for (members, testable), targets in groups.items()
        if testable >> best & 1
        for target in targets
    )
    return NextCommit(best, sum(entropy(one.below, one.candidates) for one in splits), splits)


def entropy(part: int, whole: int) -> float:
    """What is learned, in bits, by asking whether one of ``whole`` is among ``part`` of them."""
    if not 0 < part < whole:
        return 0.0
    share = part / whole
    return -share * math.log2(share) - (1 - share) * math.log2(1 - share)


def hoped_builds(candidates: int, targets: int) -> float:
    """log2(N) + k: what the builds are held against; see the top of this module for where it cannot be promised."""
    return (math.log2(candidates) if candidates else 0.0) + targets


def most_builds(candidates: int, changes: int) -> int:
    """The builds that never are exceeded in a linear history without skips; see the top of this module.

    :param changes: at how many places something changed.
    """
    if candidates < 2 or not changes:
        return 0
    depth = (candidates - 1).bit_length()
    return min(sum(min(1 << level, changes) for level in range(depth)), candidates - 1)


def _hope(node: int, refused: Sequence[int]) -> float:
    """How likely a node can be judged: what breaks a commit often breaks those beside it, so the more have been in
    vain, the further away the next one is looked for; git-bisect(1), "Bisect skip", does it by chance."""
    if not refused:
        return 1.0
    distance = min(abs(node - one) for one in refused)
    return float(1 - 0.5 ** (distance / len(refused)))
