# SPDX-License-Identifier: GPL-2.0-only
"""Find the intervals of history in which a target must have changed, from its observed values. Pure.

A target is a trait or a case; a kernel shows one value of it. It is observed on some commits. If the value of an
observed commit differs from that of every nearest observed ancestor, the target changed in between: an
:class:`Interval`. This is the rule of git-bisect(1) without its terms good and bad. Three values give two changes, and
so does a trait with equal values at both ends and another one in between. A merge with the value of one side got it
from there and is not a change.

Nothing else is recorded, so the order of the observations does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.bisect.commit_graph import Lineage, nodes


@dataclass(frozen=True, slots=True)
class Interval:
    """A part of the history in which a target changed.

    :param target: the key of the target.
    :param high: the observed node with the new value.
    :param members: the set of nodes that may have made the change, ``high`` included.
    :param lows: the nearest observed ancestors of ``high``; none has the new value.
    :param before: the values of ``lows``, in their order.
    :param after: the value of ``high``.
    """

    target: str
    high: int
    members: int
    lows: tuple[int, ...]
    before: tuple[str, ...]
    after: str

    @property
    def size(self) -> int:
        """Return the number of nodes that may have made the change."""
        return self.members.bit_count()

    def testable(self, untestable: int) -> int:
        """Return the nodes that can narrow the interval; none if one commit is left, or only untestable ones are."""
        return self.members & ~untestable & ~(1 << self.high)


def find_intervals(lineage: Lineage, target: str, observed: Mapping[int, str]) -> tuple[Interval, ...]:
    """Return the intervals in which a target changed, oldest first.

    :param lineage: the graph of the history.
    :param target: the key of the target.
    :param observed: its value on each observed node; values of twins follow.
    """
    values = spread(lineage, observed)
    seen = sum(1 << node for node in values)
    found = []
    for high in sorted(values):
        above = lineage.ancestors(high)
        left = above & seen & ~(1 << high)
        covered, lows = 0, []
        while left:
            # The newest is a nearest ancestor; its own ancestors are not.
            low = left.bit_length() - 1
            lows.append(low)
            covered |= lineage.ancestors(low)
            left &= ~covered
        if lows and all(values[low] != values[high] for low in lows):
            before = tuple(values[low] for low in lows)
            found.append(Interval(target, high, above & ~covered, tuple(lows), before, values[high]))
    return tuple(found)


def spread(lineage: Lineage, observed: Mapping[int, str]) -> dict[int, str]:
    """Return observations extended to twins: equal files give equal values."""
    values: dict[int, str] = {}
    for node, value in observed.items():
        for twin in nodes(lineage.twins(node)):
            values[twin] = value
    return values | dict(observed)
