# SPDX-License-Identifier: GPL-2.0-only
"""Choose which series of a union to test together next, and what is known about each at the end. Pure.

All together first: if that passes, one kernel has tested them all. Else the set is halved, each half is tested, and so
on, down to single series, as bisection does. What passes in part and fails as a whole does so because of the
combination; its series are tested one by one as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Members = tuple[int, ...]
"""Numbers of series, in their order."""


@dataclass(frozen=True, slots=True)
class UnionPlan:
    """What is to be done about a union.

    :param next: the series to test together now; empty when nothing is left to test.
    :param good: series that passed together with others.
    :param alone: series to test one by one.
    :param clashes: sets of which both halves pass and the whole fails.
    """

    next: Members = ()
    good: Members = ()
    alone: Members = ()
    clashes: tuple[Members, ...] = ()


def plan_union(members: Members, passed: Mapping[Members, bool]) -> UnionPlan:
    """Return what is to be done about a union.

    :param members: the series of the union.
    :param passed: the sets that were tested, and whether each passed.
    """
    if len(members) < 2:
        return UnionPlan(alone=members)
    if members not in passed:
        return UnionPlan(next=members)
    if passed[members]:
        return UnionPlan(good=members)
    middle = len(members) // 2
    plans = (plan_union(members[:middle], passed), plan_union(members[middle:], passed))
    if waiting := next((one for one in plans if one.next), None):
        return waiting
    found = UnionPlan(
        good=plans[0].good + plans[1].good,
        alone=plans[0].alone + plans[1].alone,
        clashes=plans[0].clashes + plans[1].clashes,
    )
    if found.good == members:
        return UnionPlan(alone=members, clashes=(*found.clashes, members))
    return found
