"""Verdicts on what does not always answer the same: asked again on fresh clones until a sequential test is sure. Pure.

A target that was seen with two values on one image is *weak*. What it does at the ends is then a distribution each, its
*regimes*, and a commit is asked until one regime explains its answers better than the others by the odds that are
wanted: Wald's sequential probability ratio test (A. Wald, "Sequential Tests of Statistical Hypotheses", 1945), for more
than two hypotheses by their posteriors (Baum and Veeravalli, "A Sequential Procedure for Multihypothesis Testing",
1994). With equal odds at the start the error is at most one minus the confidence asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Tally = Mapping[str, int]
"""How often each value was seen."""

CONFIDENCE = 0.99
"""A weak verdict is taken when it is right in that many of a hundred."""
MOST_ASKS = 48
"""A commit that has been asked so often without an answer has none."""
_SMOOTH = 0.5
_CRITICAL = 6.635
"""Of the G-test for one degree of freedom: regimes that differ less may be one by chance in one of a hundred."""


@dataclass(frozen=True, slots=True)
class Regime:
    """A way in which a target behaves.

    :param value: what to call it: a value, or those that it takes with their shares.
    :param tally: what was seen of it.
    """

    value: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the test says.

    :param value: of the regime that is likeliest.
    :param confidence: its posterior.
    :param is_sure: whether that is enough.
    """

    value: str
    confidence: float
    is_sure: bool


def is_weak(tallies: Sequence[Tally]) -> bool:
    """Whether two values were seen on one image."""
    return any(len([value for value, number in tally.items() if number]) > 1 for tally in tallies)


def find_regimes(tallies: Sequence[Tally]) -> tuple[Regime, ...]:
    """The regimes of a weak target, from what was seen at its ends; those that differ by chance alone are one."""
    found: list[Tally] = []
    for tally in tallies:
        if not sum(tally.values()):
            continue
        if not any(_is_alike(tally, other) for other in found):
            found.append(dict(tally))
    names = [_call(tally) for tally in found]
    return tuple(
        Regime(name if names.count(name) == 1 else _call(tally, with_shares=True), tally)
        for name, tally in zip(names, found, strict=True)
    )


def weigh(regimes: Sequence[Regime], tally: Tally, *, confidence: float = CONFIDENCE) -> Weighed:
    """Which regime the answers of a commit are of.

    :raises ValueError: there is no regime.
    """
    values = sorted({value for one in (*(regime.tally for regime in regimes), tally) for value in one})
    likelihoods = [_log_likelihood(regime.tally, tally, values) for regime in regimes]
    top = max(likelihoods)
    shares = [math.exp(one - top) for one in likelihoods]
    posterior = 1 / sum(shares)
    best = regimes[likelihoods.index(top)]
    return Weighed(best.value, posterior, posterior >= confidence and len(regimes) > 1)


def _log_likelihood(regime: Tally, tally: Tally, values: Sequence[str]) -> float:
    whole = sum(regime.values()) + _SMOOTH * len(values)
    return sum(number * math.log((regime.get(value, 0) + _SMOOTH) / whole) for value, number in tally.items())


def _is_alike(one: Tally, other: Tally) -> bool:
    """Whether two tallies may be of one distribution: the G-test (twice the log of the likelihood ratio)."""
    values = {**one, **other}
    sums = sum(one.values()), sum(other.values())
    statistic = 0.0
    for value in values:
        share = (one.get(value, 0) + other.get(value, 0)) / sum(sums)
        for tally, whole in zip((one, other), sums, strict=True):
            seen = tally.get(value, 0)
            if seen:
                statistic += 2 * seen * math.log(seen / (whole * share))
    return statistic < _CRITICAL


def _call(tally: Tally, *, with_shares: bool = False) -> str:
    seen = sorted(value for value, number in tally.items() if number)
    if len(seen) == 1 and not with_shares:
        return seen[0]
    whole = sum(tally.values())
    return " or ".join(f"{value} ({tally[value]} of {whole})" if with_shares else value for value in seen)
