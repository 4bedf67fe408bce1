# SPDX-License-Identifier: GPL-2.0-only
"""Combine the steps of a bisection: verdicts, reruns that are needed, and changes that were found. Pure.

A target that shows one value on each image has its verdict at once. A target with two values on one image is weak. Its
ends are rerun until their regimes are known, every other commit until the sequential test
(``semantics/sequential_test.py``) is sure; that includes commits from before the target was known to be weak.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.bisect.commit_graph import Lineage, nodes
from harness.bisect.intervals import Interval, find_intervals, spread
from harness.bisect.several import NextCommits, choose_several
from harness.bisect.state import BisectState, StepStatus
from harness.bisect.strategy import NextCommit, choose
from harness.semantics.sequential_test import MOST_ASKS, Regime, find_regimes, is_weak, weigh

STEADY_RUNS = 4
"""How often each end, and each commit next to a change, is run before a target counts as steady."""
REGIME_RUNS = 16
"""How often each end of a weak target is run."""
_AT_ONCE = 4
"""The number of reruns of a commit between two looks at the test."""


@dataclass(frozen=True, slots=True)
class More:
    """A commit that needs reruns.

    :param node: the node of the commit.
    :param targets: the keys of the targets to observe.
    :param times: the number of reruns.
    """

    node: int
    targets: tuple[str, ...]
    times: int


@dataclass(frozen=True, slots=True)
class Found:
    """A change that was found, to a commit or to an interval.

    :param interval: the interval of the change.
    :param confidence: the probability that the verdicts around it are right; 1.0 if none of them is weak.
    :param hidden: the other nodes that may have made the change but could not be tested; empty if it is one commit.
    """

    interval: Interval
    confidence: float
    hidden: tuple[int, ...]


class Evidence:
    """The verdicts of a bisection after some steps."""

    def __init__(self, lineage: Lineage, state: BisectState) -> None:
        self.lineage = lineage
        self.state = state
        self.tallies: dict[str, dict[int, Counter[str]]] = {one.target.key: {} for one in state.targets}
        self._of_cases = frozenset(one.target.key for one in state.targets if one.kind.is_of_cases)
        self.untestable = 0
        """The nodes that do not build or boot, with their twins."""
        run = 0
        for step in state.steps:
            node = lineage.node(step.commit)
            run |= lineage.twins(node)
            if step.judged is StepStatus.SKIPPED:
                self.untestable |= lineage.twins(node)
            for seen in step.seen:
                if seen.target in self.tallies:
                    self.tallies[seen.target].setdefault(node, Counter())[seen.value] += 1
        self.ends = tuple(
            dict.fromkeys(
                lineage.node(one) for one in (*state.roots, state.good_commit, state.bad_commit) if lineage.knows(one)
            )
        )
        self.regimes: dict[str, tuple[Regime, ...]] = {}
        self.observed: dict[str, dict[int, str]] = {}
        self._confidence: dict[tuple[str, int], float] = {}
        self.silent: dict[str, int] = {}
        """The nodes that give no verdict on a target however often they are run, by target."""
        for target in self.tallies:
            self._judge(target, run & ~self.untestable)

    def _judge(self, target: str, run: int) -> None:
        tallies = self.tallies[target]
        silent, observed = 0, {}
        if not self.is_weak(target):
            observed = {node: next(iter(tally)) for node, tally in tallies.items() if tally}
        else:
            self.regimes[target] = find_regimes([tallies[node] for node in self.ends if node in tallies])
            for node, tally in tallies.items():
                if len(self.regimes[target]) < 2:
                    break
                verdict = weigh(self.regimes[target], tally)
                if verdict.is_sure:
                    observed[node] = verdict.value
                    self._confidence[target, node] = verdict.confidence
                elif sum(tally.values()) >= MOST_ASKS:
                    silent |= self.lineage.twins(node)
        for node in nodes(run):
            if not any(twin in tallies for twin in nodes(self.lineage.twins(node))):
                silent |= self.lineage.twins(node)
        self.observed[target] = observed
        self.silent[target] = silent

    def is_weak(self, target: str) -> bool:
        """Return whether a target was seen with two values on one image."""
        return is_weak(list(self.tallies[target].values()))

    def intervals(self, target: str) -> tuple[Interval, ...]:
        """Return the intervals in which a target changed, as far as known."""
        return find_intervals(self.lineage, target, self.observed[target])

    @property
    def all_intervals(self) -> list[Interval]:
        """Return the intervals of all targets."""
        return [one for target in self.tallies for one in self.intervals(target)]

    def again(self) -> More | None:
        """Return the next commit that needs reruns; None if no commit does."""
        wanted: dict[int, dict[str, int]] = {}
        for target, tallies in self.tallies.items():
            for node, times in self._missing_runs(target, tallies) if target in self._of_cases else ():
                wanted.setdefault(node, {})[target] = times
        if not wanted:
            return None
        node = min(wanted)
        return More(node, tuple(wanted[node]), min(_AT_ONCE, max(wanted[node].values())))

    def _missing_runs(self, target: str, tallies: Mapping[int, Counter[str]]) -> Iterable[tuple[int, int]]:
        weak = self.is_weak(target)
        for node in self.ends:
            if node in tallies:
                yield from _until(node, tallies[node], REGIME_RUNS if weak else STEADY_RUNS)
        if weak and len(self.regimes[target]) > 1 and not self._wants_regimes(target):
            # A verdict outside of the intervals gives no information.
            matters = 0
            for interval in self.intervals(target):
                matters |= interval.members
            for node, tally in tallies.items():
                if matters >> node & 1 and node not in self.observed[target]:
                    yield from _until(node, tally, MOST_ASKS)

    def _wants_regimes(self, target: str) -> bool:
        tallies = self.tallies[target]
        return any(node in tallies and sum(tallies[node].values()) < REGIME_RUNS for node in self.ends)

    def next_choice(self, *, among: int = -1) -> NextCommit | None:
        """Return the commit to build next; None if no commit gives more information.

        :param among: the set of nodes to choose from; -1 for all.
        """
        return choose(self.lineage, self.all_intervals, untestable=self.untestable, silent=self.silent, among=among)

    def next_round(self, builders: int) -> NextCommits | None:
        """Return the commits to build next at the same time; None if no commit gives more information.

        :param builders: the number of commits at most.
        """
        intervals = self.all_intervals
        return choose_several(self.lineage, intervals, builders, untestable=self.untestable, silent=self.silent)

    def unconfirmed(self) -> More | None:
        """Return a commit next to a change that was run too seldom to trust its verdict; None if there is none.

        Its reruns cost no build. They reveal a flaky target that seemed steady so far.
        """
        wanted: dict[int, dict[str, int]] = {}
        for target, tallies in self.tallies.items():
            if target in self._of_cases and not self.is_weak(target):
                for interval in self.intervals(target):
                    for node in (*interval.lows, interval.high):
                        for at, times in _until(node, tallies.get(node, Counter()), STEADY_RUNS):
                            if tallies.get(node):
                                wanted.setdefault(at, {})[target] = times
        if not wanted:
            return None
        node = min(wanted)
        return More(node, tuple(wanted[node]), max(wanted[node].values()))

    def found(self, target: str) -> tuple[Found, ...]:
        """Return the changes of a target, oldest first; final once :meth:`next_choice` returns None."""
        values = spread(self.lineage, self.observed[target])
        changes = []
        for interval in self.intervals(target):
            rests_on = [node for node in (*interval.lows, interval.high) if node in values]
            confidence = math.prod(self.confidence(target, node) for node in rests_on)
            hidden = tuple(nodes(interval.members & ~(1 << interval.high)))
            changes.append(Found(interval, confidence, hidden))
        return tuple(changes)

    def confidence(self, target: str, node: int) -> float:
        """Return the probability that a verdict is right; 1.0 for a steady target."""
        return self._confidence.get((target, node), 1.0)


def _until(node: int, tally: Counter[str], number: int) -> Iterable[tuple[int, int]]:
    if (times := number - tally.total()) > 0:
        yield node, times
