# SPDX-License-Identifier: GPL-2.0-only
"""Order the cases that reach a change, so that the first ones show most of it. Pure.

Of many cases that reach a change, most run the same code. So the order goes in rounds: each round has the quickest
cases that together run every line which any of the others runs in the changed files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from harness.coverage.lines import LineCoverage

_LEAST_SECONDS = 0.05


def lines_of_cases(lines: Iterable[LineCoverage]) -> dict[str, int]:
    """Return the lines that each case ran, as bits of a number."""
    found: dict[str, int] = {}
    for bit, line in enumerate(lines):
        for case in line.cases:
            found[case] = found.get(case, 0) | 1 << bit
    return found


def in_order(cases: Collection[str], ran: Mapping[str, int], seconds: Mapping[str, float]) -> list[str]:
    """Return cases in the order in which to run them.

    :param cases: their ids.
    :param ran: the lines that each case ran, as bits of a number.
    :param seconds: how long each case took.
    """
    left, order = set(cases), list[str]()
    while left:
        still = 0
        for case in left:
            still |= ran.get(case, 0)
        if not still:
            break
        while still:
            best = max(left, key=lambda case: (_worth(ran.get(case, 0) & still, seconds.get(case, 0.0)), case))
            if not ran.get(best, 0) & still:
                break
            left.discard(best)
            order.append(best)
            still &= ~ran.get(best, 0)
    return [*order, *sorted(left)]


def _worth(lines: int, seconds: float) -> float:
    return lines.bit_count() / max(seconds, _LEAST_SECONDS)


def within_share(order: Iterable[str], count: int, *, share: int) -> tuple[str, ...]:
    """Return the first cases, up to a share of the suite.

    :param order: the cases in their order.
    :param count: number of cases of the suite.
    :param share: the share in percent.
    """
    return tuple(order)[: max(1, count * share // 100)]
