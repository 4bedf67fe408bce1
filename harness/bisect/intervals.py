"""What is known of each target, and where it must have changed: observations in, stretches of history out. Pure.

A target is anything that a kernel shows one value of: a trait, a case. It is observed on some commits. Where an
observed commit has another value than every observed commit right below it, there is a change in between: a
:class:`Interval`. That is the rule of git-bisect(1), without its two words good and bad: of three values two changes
come, of a trait that is the same at both ends and was seen otherwise on the way as well. A merge that has the value of
one side has it from there, and is no change.

Nothing else is remembered, so the order in which commits were asked decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.bisect.commit_graph import Lineage, nodes


@dataclass(frozen=True, slots=True)
class Interval:
    """A part of the history in which a target changed.

    :param high: the observed node that has the new value.
    :param members: the nodes that may have brought it, ``high`` among them.
    :param lows: the observed nodes right below, none with the new value.
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
        """How many nodes may have brought the change."""
        return self.members.bit_count()

    def testable(self, untestable: int) -> int:
        """The nodes that could tell more; none when the change is found, or hidden by what cannot be tested."""
        return self.members & ~untestable & ~(1 << self.high)


def find_stretches(lineage: Lineage, target: str, observed: Mapping[int, str]) -> tuple[Interval, ...]:
    """Where a target changed, oldest first.

    :param observed: its value on each node that was observed; those of twins need not be given.
    """
    values = spread(lineage, observed)
    seen = sum(1 << node for node in values)
    found = []
    for high in sorted(values):
        above = lineage.ancestors(high)
        left = above & seen & ~(1 << high)
        covered, lows = 0, []
        while left:
            # The newest is right below; its ancestors are not.
            low = left.bit_length() - 1
            lows.append(low)
            covered |= lineage.ancestors(low)
            left &= ~covered
        if lows and all(values[low] != values[high] for low in lows):
            before = tuple(values[low] for low in lows)
            found.append(Interval(target, high, above & ~covered, tuple(lows), before, values[high]))
    return tuple(found)


def spread(lineage: Lineage, observed: Mapping[int, str]) -> dict[int, str]:
    """The same observations with those of twins: the same files show the same."""
    values: dict[int, str] = {}
    for node, value in observed.items():
        for twin in nodes(lineage.twins(node)):
            values[twin] = value
    return values | dict(observed)
