"""What the steps of a bisection say together: verdicts, what has to be asked again, what is found. Pure.

A target that has always answered the same on one image has its verdict at once. One that was seen with two values on
one image is weak: its ends are asked until their regimes are known, every other commit until the sequential test of
``weigh.py`` is sure, commits that were asked before it was known to be weak among them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.bisect.commit_graph import Lineage, nodes
from harness.bisect.intervals import Interval, find_stretches, spread
from harness.bisect.state import BisectState, StepStatus
from harness.bisect.strategy import NextCommit, choose
from harness.semantics.sequential_test import MOST_ASKS, Regime, find_regimes, is_weak, weigh

STEADY_ASKS = 4
"""How often each end, and each commit that an answer rests on, is asked before a target counts as steady."""
REGIME_ASKS = 16
"""How often each end of a weak target is asked."""
_AT_ONCE = 4
"""How many further asks of a commit are made before the test is looked at again."""


@dataclass(frozen=True, slots=True)
class More:
    """A commit that has to be asked again.

    :param targets: which to ask, by their keys.
    :param times: how often.
    """

    node: int
    targets: tuple[str, ...]
    times: int


@dataclass(frozen=True, slots=True)
class Found:
    """A change, or what is left of it.

    :param confidence: that it is there, from the weak verdicts that it rests on; 1.0 when there is none.
    :param hidden: the nodes among which it is that could not be judged; none when it is found to the commit.
    """

    stretch: Interval
    confidence: float
    hidden: tuple[int, ...]


class Evidence:
    """What is known after so many steps."""

    def __init__(self, lineage: Lineage, state: BisectState) -> None:
        self.lineage = lineage
        self.state = state
        self.tallies: dict[str, dict[int, Counter[str]]] = {one.target.key: {} for one in state.targets}
        self.untestable = 0
        """The nodes that do not build or boot, with their twins."""
        asked = 0
        for step in state.steps:
            node = lineage.node(step.commit)
            asked |= lineage.twins(node)
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
        """By target, nodes that say nothing of it however often they are asked."""
        for target in self.tallies:
            self._judge(target, asked & ~self.untestable)

    def _judge(self, target: str, asked: int) -> None:
        tallies = self.tallies[target]
        silent, observed = 0, {}
        if not self.is_weak(target):
            observed = {node: next(iter(tally)) for node, tally in tallies.items() if tally}
        else:
            self.regimes[target] = find_regimes([tallies[node] for node in self.ends if node in tallies])
            for node, tally in tallies.items():
                if len(self.regimes[target]) < 2:
                    break
                said = weigh(self.regimes[target], tally)
                if said.is_sure:
                    observed[node] = said.value
                    self._confidence[target, node] = said.confidence
                elif sum(tally.values()) >= MOST_ASKS:
                    silent |= self.lineage.twins(node)
        for node in nodes(asked):
            if not any(twin in tallies for twin in nodes(self.lineage.twins(node))):
                silent |= self.lineage.twins(node)
        self.observed[target] = observed
        self.silent[target] = silent

    def is_weak(self, target: str) -> bool:
        """Whether it was seen with two values on one image."""
        return is_weak(list(self.tallies[target].values()))

    def stretches(self, target: str) -> tuple[Interval, ...]:
        """Where it changed, as far as is known."""
        return find_stretches(self.lineage, target, self.observed[target])

    @property
    def all_stretches(self) -> list[Interval]:
        """Those of all targets."""
        return [one for target in self.tallies for one in self.stretches(target)]

    def again(self) -> More | None:
        """The next commit that was asked too seldom; None when there is none."""
        wanted: dict[int, dict[str, int]] = {}
        for target, tallies in self.tallies.items():
            for node, times in self._lacking(target, tallies):
                wanted.setdefault(node, {})[target] = times
        if not wanted:
            return None
        node = min(wanted)
        return More(node, tuple(wanted[node]), min(_AT_ONCE, max(wanted[node].values())))

    def _lacking(self, target: str, tallies: Mapping[int, Counter[str]]) -> Iterable[tuple[int, int]]:
        weak = self.is_weak(target)
        for node in self.ends:
            if node in tallies:
                yield from _until(node, tallies[node], REGIME_ASKS if weak else STEADY_ASKS)
        if weak and len(self.regimes[target]) > 1 and not self._wants_regimes(target):
            # Elsewhere than where the change may be, a verdict would tell nothing.
            matters = 0
            for stretch in self.stretches(target):
                matters |= stretch.members
            for node, tally in tallies.items():
                if matters >> node & 1 and node not in self.observed[target]:
                    yield from _until(node, tally, MOST_ASKS)

    def _wants_regimes(self, target: str) -> bool:
        tallies = self.tallies[target]
        return any(node in tallies and sum(tallies[node].values()) < REGIME_ASKS for node in self.ends)

    def next_choice(self) -> NextCommit | None:
        """The commit to build next; None when no commit can tell more."""
        return choose(self.lineage, self.all_stretches, untestable=self.untestable, silent=self.silent)

    def unconfirmed(self) -> More | None:
        """A commit on either side of a change that was asked too seldom to rest an answer on it; None for none.

        It costs no build. A flaky target that has passed for a steady one is found out here.
        """
        wanted: dict[int, dict[str, int]] = {}
        for target, tallies in self.tallies.items():
            if not self.is_weak(target):
                for stretch in self.stretches(target):
                    for node in (*stretch.lows, stretch.high):
                        for at, times in _until(node, tallies.get(node, Counter()), STEADY_ASKS):
                            if tallies.get(node):
                                wanted.setdefault(at, {})[target] = times
        if not wanted:
            return None
        node = min(wanted)
        return More(node, tuple(wanted[node]), max(wanted[node].values()))

    def found(self, target: str) -> tuple[Found, ...]:
        """Its changes, oldest first; to be asked when :meth:`next_choice` has nothing more."""
        values = spread(self.lineage, self.observed[target])
        told = []
        for stretch in self.stretches(target):
            rests_on = [node for node in (*stretch.lows, stretch.high) if node in values]
            confidence = math.prod(self.confidence(target, node) for node in rests_on)
            hidden = tuple(nodes(stretch.members & ~(1 << stretch.high)))
            told.append(Found(stretch, confidence, hidden))
        return tuple(told)

    def confidence(self, target: str, node: int) -> float:
        """That a verdict is right: 1.0 of a steady target."""
        return self._confidence.get((target, node), 1.0)


def _until(node: int, tally: Counter[str], number: int) -> Iterable[tuple[int, int]]:
    if (times := number - tally.total()) > 0:
        yield node, times
