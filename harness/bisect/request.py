# SPDX-License-Identifier: GPL-2.0-only
"""Prepare a bisection from its arguments: cases and targets, the history, and the folder of the state."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.events import Note, PhaseStarted, Report
from harness.base.store import Store, digest_of
from harness.bisect.answer import gather, names_of
from harness.bisect.bisection import Bisection, BisectReporter
from harness.bisect.commits import CommitRange, walk_tree
from harness.bisect.evidence import Evidence
from harness.bisect.patch_commits import is_series, walk_patches
from harness.bisect.report import BisectResult, replay_lines, step_lines
from harness.bisect.runner import CommitRunner, Observing
from harness.bisect.state import BisectState, Role
from harness.bisect.state_file import STATE_NAME, held, load_state
from harness.bisect.wanted import TraceSelection, select
from harness.pipeline import Options
from harness.report.display.events import Lines, RunReport
from harness.report.lines import Line
from harness.results.folder import RunFolder
from harness.run.one_kernel import HERE, Spread
from harness.suite.load import default_suite, suite_semantics

BISECTIONS = "bisect"
"""The name of the folder of all bisections in a results folder."""
_SECONDS = 600.0
"""The time limit for reading a history from git, on a busy host."""
_SLUG = re.compile(r"[^A-Za-z0-9._+-]+")


@dataclass(frozen=True, slots=True)
class BisectRequest:
    """The arguments of a bisection.

    :param tree: the KERNEL argument.
    :param good: a revision or the number of a patch; may be empty.
    :param bad: a revision or the number of a patch; may be empty.
    :param wanted: the targets and cases.
    :param options: how kernels are built and booted.
    :param workers: the number of machines in parallel.
    :param results: the results folder.
    :param command: the command as typed.
    """

    tree: str
    good: str
    bad: str
    wanted: TraceSelection
    options: Options
    workers: int
    results: Path
    command: str

    @property
    def folder(self) -> Path:
        """Return the folder of this bisection; equal arguments give the same folder."""
        tree = str(Path(self.tree).absolute()) if Path(self.tree).exists() else self.tree
        build = self.options.build
        words = (*self.wanted.arguments, self.options.profile, self.options.machine_type, *build.fragments)
        # The default suite adds no word, so that a bisection from before suites existed continues.
        words += (str(self.options.suite.folder),) if self.options.suite != default_suite() else ()
        words += (*self.options.append, *build.make)
        name = _SLUG.sub("-", tree.rstrip("/").rpartition("/")[2])[:40].strip("-.") or "tree"
        return self.results / BISECTIONS / f"{name}-{digest_of(tree, self.good, self.bad, *words)[:10]}"

    def run(
        self, report: RunReport, *, restart: bool = False, store: Store | None = None, spread: Spread = HERE
    ) -> BisectResult:
        """Bisect a history, or continue an earlier bisection.

        The state is kept if an error is raised.

        :param report: receives progress.
        :param restart: discard the earlier state.
        :param store: the store of built kernels; the default store if None.
        :param spread: the hosts that build and run cases.
        :raises UsageError: see :meth:`Bisection.run`.
        :raises SeriesError: see :meth:`Bisection.run`.
        :raises CaseError: see :meth:`Bisection.run`.
        :raises HostError: see :meth:`Bisection.run`.
        """
        store = store or Store.default()
        suite = self.options.suite
        semantics = suite_semantics(suite)
        selection = select(self.wanted, suite, self.workers)
        walk = self._walk(Context(store, Deadline.after(_SECONDS), report))
        folder = RunFolder.at(self.folder)
        names = names_of(walk)
        with held(folder.path, report=report):
            if restart:
                (folder.path / STATE_NAME).unlink(missing_ok=True)
            state = self._state(walk, load_state(folder.path), report)
            build = self.options.build
            build = replace(build, fragments=(*walk.fragments, *build.fragments), elsewhere=spread.builds)
            options = replace(self.options, build=build)
            wanted = self.wanted
            how = Observing(wanted.runs_cases, boots=wanted.boots, takes_inventory=wanted.takes_inventory)
            runner = CommitRunner(options, selection, semantics, store, folder.path, report, self.command, how, spread)
            reporter = BisectReporter(lambda now: report(Lines(lambda width: step_lines(now, names, width))), report)
            builders = spread.builds.count if spread.builds is not None else 1
            bisection = Bisection(walk, state, folder.path, runner, reporter, wanted, suite, builders)
            try:
                evidence = bisection.run()
            except KeyboardInterrupt:
                report(Note("interrupted; run the same command to continue"))
                raise
            return gather(walk, evidence, folder=folder.path, noise=suite.noise, deadline=Deadline.after(_SECONDS))

    def replay(self, *, store: Store | None = None) -> Callable[[int], list[Line]]:
        """Take each decision again from the evidence of its time; return a function from a width to lines.

        :raises UsageError: no such bisection exists, or its tree has changed.
        """
        state = load_state(self.folder)
        if state is None:
            others = sorted(one.parent.name for one in self.folder.parent.glob(f"*/{STATE_NAME}"))
            raise UsageError(
                "no such bisection yet",
                evidence="\n".join([f"looked for {self.folder / STATE_NAME}", *others]),
                remedy="start it without --replay, or give the same arguments as when it was started",
            )
        walk = self._walk(Context(store or Store.default(), Deadline.after(_SECONDS)))
        self._check(walk, state)
        again = [_chosen(walk, state, at) for at in range(len(state.steps))]
        again = [one if step.role is Role.STEP else "" for one, step in zip(again, state.steps, strict=True)]
        return lambda width: replay_lines(state, names_of(walk), again, width)

    def _walk(self, context: Context) -> CommitRange:
        context.report(PhaseStarted("reading the history"))
        if is_series(self.tree):
            return walk_patches(context, self.tree, good=self.good, bad=self.bad)
        return walk_tree(context, self.tree, good=self.good, bad=self.bad)

    def _state(self, walk: CommitRange, kept: BisectState | None, report: Report) -> BisectState:
        """Return the state to continue from."""
        # Until targets are traced, moved ends simply start a new bisection.
        if kept is not None and (kept.targets or (kept.good_commit, kept.bad_commit) == (walk.good, walk.bad)):
            self._check(walk, kept)
            tested = len({step.commit for step in kept.steps})
            report(Note(f"continuing: {tested} commits were tested before, see {self.folder} (--restart starts over)"))
            return kept
        if not walk.lineage.ancestors(walk.lineage.node(walk.bad)) & ~_of(walk, walk.good):
            raise UsageError(
                f"nothing differs between the ends: none of the {walk.commits} commits changes a file that is built",
                evidence=f"good: {walk.good}\nbad:  {walk.bad}\ncompared: the files that a build for x86 reads",
                remedy="name ends further apart",
            )
        return BisectState(
            tree=self.tree,
            good=self.good,
            bad=self.bad,
            wanted=self.wanted.arguments,
            good_commit=walk.good,
            bad_commit=walk.bad,
            roots=walk.roots,
            commits=walk.commits,
            profile=self.options.profile,
        )

    def _check(self, walk: CommitRange, kept: BisectState) -> None:
        """Check that the arguments still name the same commits.

        :raises UsageError: they name other commits than when the bisection began.
        """
        pairs = (("good", self.good, kept.good_commit, walk.good), ("bad", self.bad, kept.bad_commit, walk.bad))
        moved = [(role, word, was, now) for role, word, was, now in pairs if was != now]
        unknown = [step.commit for step in kept.steps if not walk.lineage.knows(step.commit)]
        if not moved and unknown:
            what = f"{self.folder / STATE_NAME} does not match this history: it names commit {unknown[0][:12]}"
            raise UsageError(what, evidence=f"good: {walk.good}\nbad:  {walk.bad}", remedy="start over with --restart")
        if not moved:
            return
        role, word, was, now = moved[0]
        raise UsageError(
            f"the tree has moved: --{role} {word or '(by default)'} is not the commit that this bisection began with",
            evidence=f"began with {was}\nis now     {now}\nkept in {self.folder}",
            remedy=f"start over with --restart, or continue with the old commit: --{role} {was[:16]}",
        )


def _chosen(walk: CommitRange, state: BisectState, at: int) -> str:
    """Return the commit that the strategy chooses for a step now; empty for none.

    A step of a round is chosen among the commits that are chosen for the round from the evidence before it.
    """
    number = state.steps[at].round
    evidence = Evidence(walk.lineage, replace(state, steps=state.steps[:at]))
    among = -1
    if number:
        first = next(one for one, step in enumerate(state.steps) if step.round == number)
        before = Evidence(walk.lineage, replace(state, steps=state.steps[:first]))
        chosen = before.next_round(state.rounds[number - 1].builders)
        among = sum(1 << node for node in chosen.nodes) if chosen else 0
    choice = evidence.next_choice(among=among) if state.targets else None
    return walk.lineage.commits[choice.node].hash if choice else ""


def _of(walk: CommitRange, commit: str) -> int:
    return walk.lineage.ancestors(walk.lineage.node(commit))
