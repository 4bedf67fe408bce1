# SPDX-License-Identifier: GPL-2.0-only
"""Judge targets with varying results: they are rerun on fresh clones until a sequential test is sure. Pure.

A target that was observed with two values on one image is *weak*. At each end it has a distribution of values, its
*regime*. A commit is rerun until one regime explains its results better than the others by the required odds. This is
Wald's sequential probability ratio test (A. Wald, "Sequential Tests of Statistical Hypotheses", 1945), for more than
two hypotheses by their posteriors (Baum and Veeravalli, "A Sequential Procedure for Multihypothesis Testing", 1994).
With equal odds at the start, the error is at most one minus the required confidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Tally = Mapping[str, int]
"""Number of observations of each value."""

CONFIDENCE = 0.99
"""Required probability that a verdict on a weak target is right."""
MOST_ASKS = 48
"""Largest number of runs of a commit; without a verdict by then, it has none."""
_SMOOTH = 0.5
_CRITICAL = 6.635
"""Critical value of the G-test for one degree of freedom at 1 %; below it, two regimes count as equal."""


@dataclass(frozen=True, slots=True)
class Regime:
    """A distribution of values of a target.

    :param value: its name: a value, or several values with their shares.
    :param tally: its observations.
    """

    value: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class Weighed:
    """The result of the test.

    :param value: name of the likeliest regime.
    :param confidence: its posterior probability.
    :param is_sure: whether that is at least the required confidence.
    """

    value: str
    confidence: float
    is_sure: bool


def is_weak(tallies: Sequence[Tally]) -> bool:
    """Return whether two values were observed on one image."""
    return any(len([value for value, number in tally.items() if number]) > 1 for tally in tallies)


def find_regimes(tallies: Sequence[Tally]) -> tuple[Regime, ...]:
    """Find the regimes of a weak target from the observations at its ends; equal distributions are one regime."""
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
    """Find the regime of a commit from its results.

    :param regimes: the regimes of the target.
    :param tally: the results of the commit.
    :param confidence: the required posterior probability.
    :raises ValueError: there are no regimes.
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
    """Return whether two tallies may have one distribution, by the G-test (twice the log of the likelihood ratio)."""
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
