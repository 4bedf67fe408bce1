# SPDX-License-Identifier: GPL-2.0-only
"""Count the builds of a bisection on synthetic histories; no kernel is built.

    tox -e bench-bisect

The figure is builds / (log2(N) + k), the worst of many placements, for N commits between the ends and k targets that
differ. A target is a trait or a case; one change of a kernel's behavior flips a trait and the cases that show it, so k
targets changed at fewer commits. Targets that all changed at different commits are compared with the proved bound
(``harness/bisect/strategy.py``).
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure, arguments, report_figures
from harness.bisect.commit_graph import Commit, Lineage, nodes
from harness.bisect.intervals import Interval, find_intervals
from harness.bisect.several import choose_several, hoped_rounds
from harness.bisect.strategy import choose, hoped_builds, most_builds

PLACEMENTS = 20
SEED = 1


def row(commits: int) -> Lineage:
    """Return a linear history: the good end, followed by this number of commits."""
    parents = [(str(at - 1),) if at else () for at in range(commits + 1)]
    return Lineage([Commit(str(at), str(at), parents[at]) for at in range(commits + 1)], ["0"])


def forked(commits: int, seed: int = SEED) -> Lineage:
    """Return a history with short branches; every twentieth commit is a merge."""
    luck = random.Random(seed)
    made = [Commit("0", "0", ())]
    for at in range(1, commits + 1):
        # Most commits follow one of the last few; each twentieth merges two lines.
        parents = {str(at - 1)} if at % 20 == 0 else {str(luck.randrange(max(0, at - 4), at))}
        parents |= {str(luck.randrange(max(0, at - 20), at))} if at % 20 == 0 else set()
        made.append(Commit(str(at), str(at), tuple(sorted(parents))))
    return Lineage(made, ["0"])


def builds(lineage: Lineage, places: Sequence[int]) -> int:
    """Return the number of builds until every target is traced to the commit that changed it.

    :param places: the commit that changed each target.
    """
    end = len(lineage) - 1
    observed = {f"t{at}": {0: "before", end: "after"} for at in places}
    number = 0
    while True:
        intervals: list[Interval] = []
        for target, seen in observed.items():
            intervals += find_intervals(lineage, target, seen)
        choice = choose(lineage, intervals)
        if choice is None:
            return number
        number += 1
        for at in places:
            observed[f"t{at}"][choice.node] = "after" if lineage.ancestors(choice.node) >> at & 1 else "before"


def rounds(lineage: Lineage, places: Sequence[int], builders: int) -> int:
    """Return the number of rounds of several builds until every target is traced to the commit that changed it.

    :param lineage: the history.
    :param places: the commit that changed each target.
    :param builders: the number of builds in a round.
    """
    end = len(lineage) - 1
    observed = {f"t{at}": {0: "before", end: "after"} for at in places}
    number = 0
    while True:
        intervals = [one for target, seen in observed.items() for one in find_intervals(lineage, target, seen)]
        choice = choose_several(lineage, intervals, builders)
        if choice is None:
            return number
        number += 1
        for at in places:
            for node in choice.nodes:
                observed[f"t{at}"][node] = "after" if lineage.ancestors(node) >> at & 1 else "before"


def between(lineage: Lineage) -> list[int]:
    """Return the commits that may have made a change: those that the bad end has and the good end has not.

    :param lineage: the history.
    """
    return [node for node in nodes(lineage.ancestors(len(lineage) - 1)) if node]


def worst_rounds(lineage: Lineage, builders: int) -> int:
    """Return the largest number of rounds over many placements of one change.

    :param lineage: the history.
    :param builders: the number of builds in a round.
    """
    luck, candidates = random.Random(SEED), between(lineage)
    return max(rounds(lineage, [luck.choice(candidates)], builders) for _ in range(PLACEMENTS))


def worst(commits: int, places: int) -> int:
    """Return the largest number of builds over many placements."""
    luck, lineage = random.Random(SEED), row(commits)
    return max(builds(lineage, luck.sample(range(1, commits + 1), places)) for _ in range(PLACEMENTS))


def figures() -> list[Figure]:
    """Measure all figures."""
    found = []
    for commits, places, each in ((1000, 1, 1), (1000, 1, 7), (34, 4, 3), (1000, 4, 7)):
        used, targets = worst(commits, places), places * each
        hoped = hoped_builds(commits, targets)
        name = f"builds / (log2 N + k): N = {commits:,}, k = {targets}, {places} place{'s' if places > 1 else ''}"
        found.append(Figure(name, used / hoped, 1.0, True, "", f"{used} builds / {hoped:.1f}"))
    for commits, places in ((34, 4), (1000, 4), (100, 16)):
        used, most = worst(commits, places), most_builds(commits, places)
        hoped = hoped_builds(commits, places)
        name = f"builds / proved bound: N = {commits:,}, every target at its own place, k = {places}"
        found.append(Figure(name, used / most, 1.0, True, "", f"{used} builds / {most}; log2 N + k is {hoped:.1f}"))
    for called, made in (("linear", row(1000)), ("with merges", forked(2500))):
        number = len(between(made))
        for builders in (1, 2, 4, 8):
            used, hoped = worst_rounds(made, builders), hoped_rounds(number, builders)
            name = f"rounds / (log_(k+1) N + 2): N = {number:,}, {called}, k = {builders} builders"
            found.append(Figure(name, used / hoped, 1.0, True, "", f"{used} rounds / {hoped:.1f}"))
    return [*found, *_durations()]


def _durations() -> list[Figure]:
    """Measure how long it takes to choose among many commits."""
    found = []
    lineage = forked(16_000)
    observed = {f"t{at}": {0: "before", 16_000: "after"} for at in range(20)}
    began = time.perf_counter()
    intervals = [one for target, seen in observed.items() for one in find_intervals(lineage, target, seen)]
    choose(lineage, intervals)
    seconds = time.perf_counter() - began
    found.append(Figure("choosing among 16,000 commits, 800 merges", seconds, 1.0, True, "s", "20 targets"))
    began = time.perf_counter()
    choose_several(lineage, intervals, 8)
    seconds = time.perf_counter() - began
    found.append(Figure("choosing 8 together among 16,000 commits, 800 merges", seconds, 5.0, True, "s", "20 targets"))
    return found


def main() -> None:
    """Measure, print the table, and write the JSON file."""
    arguments(__doc__).parse_args()
    report_figures(figures(), Path(__file__).with_name("last-bisections.json"))


if __name__ == "__main__":
    main()
