# SPDX-License-Identifier: GPL-2.0-only
"""Choose which kept objects are dropped when they exceed their bound on disk. Pure.

The worth of objects is the build time that they save per byte, weighted by how often and how recently builds started
from them. Trees that series start from are dropped last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_DAY = 86400.0
_HALF_LIFE = 7 * _DAY
"""The worth halves for every week without use."""
_BASE_LAPSE = 60 * _DAY
"""A base that no build started from for two months, about one kernel release cycle, loses its precedence."""
_SHORTEST = 0.001
"""The shortest build time that counts, in seconds; keeps the logarithm finite."""


@dataclass(frozen=True, slots=True)
class KeptObjects:
    """Objects in the store.

    :param key: their name in the store.
    :param repositories: keys of the repositories that the commit was built from.
    :param commit: the commit that they were built from.
    :param is_patched: whether a series is part of that commit.
    :param base: the commit that the series was applied to; empty without a series.
    :param config: digest of the config.
    :param tools: digest of the compiler and everything else that decides the content of an object file.
    :param seconds: duration of the build that made them.
    :param starts: how many builds started from them.
    :param series_starts: how many of these were builds of a series.
    :param used_at: when they were made or last started from, in seconds since the epoch.
    :param size: bytes on disk.
    """

    key: str
    repositories: frozenset[str]
    commit: str
    is_patched: bool
    base: str
    config: str
    tools: str
    seconds: float
    starts: int
    series_starts: int
    used_at: float
    size: int


def choose_dropped(kept: Sequence[KeptObjects], *, bound: int) -> tuple[str, ...]:
    """Choose what to drop so that the rest takes no more than ``bound`` bytes.

    Objects that are larger than the bound by themselves are dropped. Then the objects worth least are dropped until the
    rest fits: first trees that no series starts from, then those that series start from. The objects used last are
    dropped after all others, because a new tree has had no chance to be started from.

    :return: the keys, in the order in which they are dropped.
    """
    too_large = [one for one in kept if one.size > bound]
    rest = [one for one in kept if one.size <= bound]
    if not rest:
        return tuple(one.key for one in too_large)
    newest = max(rest, key=lambda one: (one.used_at, one.key))
    # From all, not from the rest: a series that was too large to keep will be built again on its base.
    bases = {(one.base, one.config, one.tools) for one in kept if one.is_patched}

    def is_base(one: KeptObjects) -> bool:
        is_started_from = one.series_starts > 0 or (one.commit, one.config, one.tools) in bases
        return is_started_from and not one.is_patched and newest.used_at - one.used_at <= _BASE_LAPSE

    rest.sort(key=lambda one: (one is newest, is_base(one), _worth(one), one.key))
    excess = sum(one.size for one in rest) - bound
    dropped = list(too_large)
    for one in rest:
        if excess <= 0:
            break
        dropped.append(one)
        excess -= one.size
    return tuple(one.key for one in dropped)


def _worth(one: KeptObjects) -> float:
    """Weigh the seconds that objects save against the bytes that they take, on a scale of powers of two.

    The half-life makes the order independent of the current time.
    """
    saved = max(one.seconds, _SHORTEST) * (1 + one.starts)
    return math.log2(saved / max(one.size, 1)) + one.used_at / _HALF_LIFE
