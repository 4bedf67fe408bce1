# SPDX-License-Identifier: GPL-2.0-only
"""Measure whether the cases that coverage chooses for a mutant hold one that kills it; no mutant is built or booted.

``tox -e mutants -- --chosen RUN``, with RUN a run of the base with coverage. The cases that kill a mutant are those of
``bench/mutants.json``. That names the case that failed first and few others, so with a share of the suite a mutant that
no known killer is chosen for may still be killed by another case; ``--kill`` builds such a mutant and runs the chosen
cases on it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.mutant import BASE, Measured, Mutant
from harness.base.context import Context
from harness.kernel.build.options import BuildOptions
from harness.kernel.from_source import read_source, source_word
from harness.kernel.source.apt import Apt
from harness.model.kernel_spec import parse_spec
from harness.results.find_run import FoundRun
from harness.run.coverage.lines import source_of
from harness.run.coverage.touching import Chosen, choose, first_cases, read_change, read_lines
from harness.suite.definition import Suite


@dataclass(frozen=True, slots=True)
class ChosenFor:
    """The cases that are chosen for a mutant.

    :param chosen: those that reach it.
    :param killers: the cases that are known to kill it.
    :param share: the largest share of the suite, in percent.
    """

    mutant: Mutant
    chosen: Chosen
    killers: frozenset[str]
    share: int

    @property
    def is_all(self) -> bool:
        """Return whether all cases are run, because of a doubt."""
        return bool(self.chosen.doubts)

    @property
    def cases(self) -> tuple[str, ...]:
        """Return the cases; with a doubt those that come first."""
        return self.chosen.cases if self.is_all else first_cases(self.chosen, self.share)

    @property
    def part(self) -> float:
        """Return the share of the suite that is run."""
        return 1.0 if self.is_all else len(self.cases) / self.chosen.count

    @property
    def is_killed(self) -> bool:
        """Return whether a case that is known to kill it is run."""
        return self.is_all or any(case in self.killers for case in self.cases)

    def line(self) -> str:
        """Return it as a line of the table."""
        count = "all" if self.is_all else f"{len(self.cases)}"
        word = "killed" if self.is_killed else "no known killer"
        doubt = f"  {self.chosen.doubts[0]}" if self.is_all else ""
        return f"{self.mutant.name:<44}{count:>5}{self.part:>6.0%}  {word}{doubt}"


def choose_for(
    context: Context,
    run: FoundRun,
    suite: Suite,
    mutants: Sequence[Mutant],
    *,
    known: Mapping[str, Measured],
    share: int = 100,
) -> Iterator[ChosenFor]:
    """Choose the cases of each mutant.

    :param run: the run of the base, with coverage.
    :param known: what was measured of the mutants.
    :param share: the largest share of the suite, in percent.
    :raises HarnessError: the run has no coverage, or a mutant does not apply.
    """
    inputs = source_of(context, run.run, suite)
    tree = inputs.trees[-1]
    changes = {}
    for mutant in mutants:
        word = source_word(parse_spec(mutant.kernel))
        assert word is not None
        patched = read_source(context, word, BuildOptions(suite=suite.config), apt=Apt()).trees[-1]
        changes[mutant.name] = read_change(context, tree.repository, tree.commit, patched.commit)
    lines = read_lines(context, inputs, run, {file for touched, _ in changes.values() for file in touched})
    for mutant in mutants:
        killers = frozenset(known[mutant.name].killers)
        yield ChosenFor(mutant, choose(lines, *changes[mutant.name]), killers, share)


def summary(found: Sequence[ChosenFor]) -> list[str]:
    """Return the result of all mutants as lines."""
    parts = [one.part for one in found]
    cases = [one.chosen.count if one.is_all else len(one.cases) for one in found]
    median = f"median {statistics.median(cases):.0f} cases, {statistics.median(parts):.1%} of the suite"
    return [
        f"{sum(one.is_killed for one in found)} / {len(found)} killed by the chosen cases of {BASE}",
        f"{median}; mean {statistics.mean(parts):.1%}",
        f"in doubt, all: {sum(one.is_all for one in found)}",
    ]
