# SPDX-License-Identifier: GPL-2.0-only
"""Run a bisection: ends, steps and reruns, with the state on disk after each step.

The next step depends on the state alone (``evidence.py``). After a kill at any moment, a restart continues with the
same step, and finished builds are in the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.base.errors import HarnessError, SeriesError, UsageError
from harness.base.events import Note, Report
from harness.base.store import digest_of
from harness.bisect.commits import CommitRange
from harness.bisect.evidence import Evidence, More
from harness.bisect.no_difference import SHOWN, End, describe_targets, no_difference, same_image
from harness.bisect.observed import NO, YES, ObservedRun, differing, observe_failure, seen_values, value_of
from harness.bisect.runner import CommitRunner, find_file
from harness.bisect.state import (
    BisectState,
    CaseFile,
    Role,
    RoundRecord,
    SplitRecord,
    StepRecord,
    StepStatus,
    TargetRecord,
    dump_bisect,
)
from harness.bisect.state_file import STATE_NAME
from harness.bisect.strategy import NextCommit
from harness.bisect.targets import Kind, Target, read_cases, read_others
from harness.bisect.wanted import TraceSelection
from harness.report.text import bound_lines
from harness.results.folder import RunFolder, load_run
from harness.suite.definition import Suite
from harness.suite.load import default_suite

_NAMED_RUNS = 7
"""How often an end is rerun for named targets that did not differ."""
EVIDENCE_LINES = 40
"""The number of lines of a log that the state keeps of a kernel that does not build or boot."""


@dataclass(frozen=True, slots=True)
class BisectReporter:
    """Receivers of progress.

    :param step: receives the state after each step.
    :param report: receives notes.
    """

    step: Callable[[BisectState], None]
    report: Report


@dataclass(slots=True)
class Bisection:
    """A bisection in progress.

    :param walk: the history between the ends.
    :param state: the state so far.
    :param folder: the folder of the bisection.
    :param runner: builds kernels and runs cases on them.
    :param reporter: receives progress.
    :param wanted: the targets that the user named, which must differ.
    :param suite: the suite of the cases.
    :param builders: the number of commits that are built at the same time.
    """

    walk: CommitRange
    state: BisectState
    folder: Path
    runner: CommitRunner
    reporter: BisectReporter
    wanted: TraceSelection
    suite: Suite = field(default_factory=default_suite)
    builders: int = 1
    _begun: int = 0

    def run(self) -> Evidence:
        """Run steps until no commit can give more information.

        :return: the verdicts of all steps.
        :raises UsageError: the ends do not differ, a case file was changed meanwhile, or the tree lost a commit.
        :raises SeriesError: an end does not build or boot, and neither is a target.
        :raises HostError: the host failed; the state is kept.
        """
        self._check_files()
        if self.state.profile:
            self.runner.options = replace(self.runner.options, profile=self.state.profile)
        if not self.state.targets:
            self._observe_ends()
        for root in self.state.roots:
            if not any(step.commit == root for step in self.state.steps):
                self._observe(root, Role.PARTING)
        while True:
            evidence = Evidence(self.walk.lineage, self.state)
            if more := evidence.again():
                self._rerun(more, Role.AGAIN)
            elif choice := self._next_choice(evidence):
                self._observe(self.walk.lineage.commits[choice.node].hash, Role.STEP, choice)
            elif more := evidence.unconfirmed():
                self._rerun(more, Role.CONFIRM)
            else:
                return evidence

    def _next_choice(self, evidence: Evidence) -> NextCommit | None:
        """Return the commit to test next; of several that are built at the same time, the one that tells most.

        A round ends when none of its commits gives more information.
        """
        rounds = self.state.rounds
        if rounds and (choice := evidence.next_choice(among=self._nodes(rounds[-1].commits))):
            self._build_round()
            return choice
        if self.builders == 1:
            return evidence.next_choice()
        if (chosen := evidence.next_round(self.builders)) is None:
            return None
        commits = tuple(self.walk.lineage.commits[node].hash for node in chosen.nodes)
        self._save(replace(self.state, rounds=(*rounds, RoundRecord(commits, self.builders, round(chosen.bits, 3)))))
        self._build_round()
        return evidence.next_choice(among=self._nodes(commits))

    def _build_round(self) -> None:
        """Build the commits of the last round that were not tested, unless this process has done so."""
        if self._begun == (number := len(self.state.rounds)):
            return
        self._begun, last = number, self.state.rounds[-1]
        tested = {step.commit for step in self.state.steps}
        left = [commit for commit in last.commits if commit not in tested]
        called = ", ".join(self.walk.called(commit) for commit in left)
        told = f"together they tell {last.bits:.1f} bits"
        self.reporter.report(Note(f"round {number}: building {len(left)} at the same time: {called}; {told}"))
        self.runner.build_ahead({self.walk.kernel(commit): self._name(commit) for commit in left})

    def _nodes(self, commits: Sequence[str]) -> int:
        """Return the set of nodes of some commits."""
        return sum({1 << self.walk.lineage.node(commit) for commit in commits})

    def _observe_ends(self) -> None:
        """Run all selected cases on both ends and find the targets to trace."""
        both = (self.state.good_commit, self.state.bad_commit)
        if self.builders > 1 and not self.state.steps:
            self.runner.build_ahead({self.walk.kernel(one): self._name(one) for one in both})
        ends: dict[Role, ObservedRun] = {}
        steps: list[StepRecord] = []
        for role, commit in ((Role.GOOD, self.state.good_commit), (Role.BAD, self.state.bad_commit)):
            kept = next((step for step in self.state.steps if step.role is role), None)
            if kept is not None and kept.runs and not self.wanted.takes_inventory:
                ends[role] = ObservedRun(read_cases([load_run(self.folder / kept.runs[0])], self.suite.noise))
                ends[role] = replace(ends[role], stages=dict.fromkeys((Kind.BUILDS, Kind.BOOTS), YES))
                steps.append(kept)
                continue
            began = time.monotonic()
            name, step = str(role), StepRecord(commit, role, StepStatus.ASKED)
            try:
                image = self.runner.image_of(self.walk.kernel(commit), name=name)
                if steps and steps[0].image == image:
                    raise same_image(self._ends(), image)
                ends[role], run = self.runner.observe_all(self.walk.kernel(commit), name=name)
            except SeriesError as error:
                ends[role], run = self._failed_end(error, role), None
                step, image = replace(step, reason=error.what, evidence=bound_lines(error.evidence, EVIDENCE_LINES)), ""
            profile = run.profile if run is not None else self.state.profile
            self.runner.options = replace(self.runner.options, profile=profile)
            seconds = round(time.monotonic() - began, 1)
            steps.append(replace(step, image=image, runs=ends[role].runs, seconds=seconds))
            self._save(replace(self.state, profile=profile, steps=tuple(steps)))
        self._find_targets(ends)

    def _failed_end(self, error: SeriesError, role: Role) -> ObservedRun:
        """Return what an end shows that does not build or boot.

        :raises SeriesError: the user did not name that as a target.
        """
        found = observe_failure(error)
        if not any(one.kind in found.stages for one in self.wanted.named):
            stage = next((kind for kind, value in found.stages.items() if value == NO), "")
            remedy = f"name a commit that builds and boots, or trace this: --target {stage}" if stage else error.remedy
            what = f"the {role} cannot be tested: {error.what}"
            raise SeriesError(
                what, evidence=error.evidence, remedy=remedy or "name another end", log=error.log
            ) from None
        return found

    def _find_targets(self, ends: Mapping[Role, ObservedRun]) -> None:
        good, bad = ends[Role.GOOD], ends[Role.BAD]
        every = self.wanted.candidates(good, bad)
        compared = describe_targets(every)
        found = [target for target in differing(every, good, bad) if self.wanted.is_target(target)]
        if missing := self._missing(found):
            # A named target may be flaky and have shown equal values by chance.
            found += self._rerun_named(
                [one for one in every if one not in found and self.wanted.may_be_flaky(one)], ends
            )
            missing = self._missing(found)
        if not found or missing:
            values = {one.label: (value_of(one, good), value_of(one, bad)) for one in every}
            raise no_difference(self._ends(), values, missing, compared=compared)
        records = tuple(_target_record(one, value_of(one, good) or "", value_of(one, bad) or "") for one in found)
        steps = tuple(
            replace(step, seen=seen_values(found, ends[step.role])) if step.role in ends else step
            for step in self.state.steps
        )
        files = tuple(
            CaseFile(file, digest_of(find_file(file, self.suite)))
            for file in dict.fromkeys(file for one in found for file in one.files)
        )
        self._save(replace(self.state, targets=records, steps=steps, files=files, compared=compared))

    def _missing(self, found: Sequence[Target]) -> list[str]:
        """Return the names that the user gave and that match none of these targets."""
        return [one.label for one in self.wanted.named if not any(map(one.matches, found))]

    def _rerun_named(self, named: Sequence[Target], ends: Mapping[Role, ObservedRun]) -> list[Target]:
        """Return the targets that show a second value at an end when its cases are rerun."""
        flaky: set[str] = set()
        for role, commit in ((Role.GOOD, self.state.good_commit), (Role.BAD, self.state.bad_commit)):
            word = self.walk.kernel(commit)
            if not named or not ends[role].cases:
                continue
            for answer in self.runner.observe(word, named, times=_NAMED_RUNS, name=str(role)):
                seen = seen_values(named, answer)
                first = {one.key: value_of(one, ends[role]) for one in named}
                flaky |= {one.target for one in seen if first.get(one.target) not in (None, one.value)}
                step = StepRecord(commit, Role.AGAIN, StepStatus.ASKED, seen=seen, runs=answer.runs)
                self._save(replace(self.state, steps=(*self.state.steps, step)))
        return [one for one in named if one.key in flaky]

    def _ends(self) -> list[End]:
        runs = {step.role: step.runs[0] for step in self.state.steps if step.runs}
        return [
            End("good", self.walk.called(self.state.good_commit), runs.get(Role.GOOD, "")),
            End("bad", self.walk.called(self.state.bad_commit), runs.get(Role.BAD, "")),
        ]

    def _observe(self, commit: str, role: Role, choice: NextCommit | None = None) -> None:
        """Build a commit and run its cases, or copy the values that its image has shown."""
        began = time.monotonic()
        targets, name = self._targets(), self._name(commit)
        splits = tuple(SplitRecord(one.target, one.candidates, one.below) for one in choice.splits) if choice else ()
        answer: ObservedRun | None = None
        step = StepRecord(commit, role, StepStatus.ASKED, bits=round(choice.bits, 3) if choice else 0.0, splits=splits)
        if choice and self.state.rounds and self._nodes(self.state.rounds[-1].commits) >> choice.node & 1:
            step = replace(step, round=len(self.state.rounds))
        try:
            image = self._image_of(commit, name)
            if same := next((one.commit for one in self.state.steps if one.image == image and one.seen), ""):
                earlier = (one for one in self.state.steps if one.commit == same)
                seen = tuple(seen for one in earlier for seen in one.seen)
                step = replace(step, judged=StepStatus.SAME_IMAGE, image=image, reason=same, seen=seen)
            else:
                (answer,) = self.runner.observe(self.walk.kernel(commit), targets, name=name)
                step = replace(step, image=image, seen=seen_values(targets, answer), runs=answer.runs)
        except SeriesError as error:
            seen = seen_values(targets, observe_failure(error))
            if role is not Role.STEP and not seen:
                raise
            evidence = bound_lines(error.evidence, EVIDENCE_LINES) if seen else ""
            judged = StepStatus.ASKED if seen else StepStatus.SKIPPED
            step = replace(step, judged=judged, reason=error.what, seen=seen, evidence=evidence)
        self._add(replace(step, seconds=round(time.monotonic() - began, 1)), answer)

    def _rerun(self, more: More, role: Role) -> None:
        """Rerun cases on a commit that was built; a twin would have to be built first."""
        commit = self._built_commit(more.node)
        targets = [target for target in self._targets() if target.key in more.targets]
        name = self._name(commit)
        self._image_of(commit, name)
        began = time.monotonic()
        answers = self.runner.observe(self.walk.kernel(commit), targets, times=more.times, name=name)
        seconds = round((time.monotonic() - began) / more.times, 1)
        for left, answer in zip(reversed(range(more.times)), answers, strict=True):
            seen = seen_values(targets, answer)
            step = StepRecord(commit, role, StepStatus.ASKED, seen=seen, runs=answer.runs, seconds=seconds)
            self._add(step, answer, is_shown=not left)

    def _built_commit(self, node: int) -> str:
        known = (step.commit for step in self.state.steps if step.judged is not StepStatus.SKIPPED)
        return next(commit for commit in known if self.walk.lineage.node(commit) == node)

    def _image_of(self, commit: str, name: str) -> str:
        """Build and boot a commit and return the sha256 of its image.

        :raises UsageError: the tree has lost the commit.
        """
        try:
            return self.runner.image_of(self.walk.kernel(commit), name=name)
        except (UsageError, HarnessError) as error:
            from harness.base.deadline import Deadline

            if isinstance(error, SeriesError) or self.walk.repository.has_commit(commit, deadline=Deadline.after(60)):
                raise
            raise UsageError(
                f"commit {commit[:12]} is no longer in the tree: the tree was changed during the bisection",
                evidence=error.what,
                remedy="restore the commit (see git reflog in the tree), or start over with --restart",
            ) from None

    def _targets(self) -> list[Target]:
        return [one.target for one in self.state.targets]

    def _name(self, commit: str) -> str:
        number = len({step.commit for step in self.state.steps if step.role is Role.STEP} | {commit})
        known = [step.commit for step in self.state.steps if step.role is Role.STEP]
        if commit in known:
            return f"step {list(dict.fromkeys(known)).index(commit) + 1} ({self.walk.called(commit)})"
        for role, end in ((Role.GOOD, self.state.good_commit), (Role.BAD, self.state.bad_commit)):
            if commit == end:
                return str(role)
        if commit in self.state.roots:
            return Role.PARTING.label
        return f"step {number} ({self.walk.called(commit)})"

    def _check_files(self) -> None:
        """Check that no case file has changed.

        :raises UsageError: a case file was changed, so its results cannot be compared with earlier ones.
        """
        changed = [one.id for one in self.state.files if digest_of(find_file(one.id, self.suite)) != one.digest]
        if changed:
            raise UsageError(
                f"{changed[0]} was changed since this bisection began",
                evidence="\n".join(changed[:SHOWN]),
                remedy="restore the file, or start over with --restart",
            )

    def _add(self, step: StepRecord, answer: ObservedRun | None, *, is_shown: bool = True) -> None:
        """Record a step, and start tracing targets for which it shows a second value."""
        state = replace(self.state, steps=(*self.state.steps, step))
        new = [one for one in self._new_targets(state, answer) if self.wanted.is_target(one.target)] if answer else []
        files = tuple(
            CaseFile(file, digest_of(find_file(file, self.suite)))
            for file in dict.fromkeys(file for one in new for file in one.files)
            if file not in {known.id for known in state.files}
        )
        for one in new:
            self.reporter.report(
                Note(f"{one.target.key} has one value at both ends and another here: it is traced as well")
            )
        self._save(replace(state, targets=(*state.targets, *new), files=(*state.files, *files)))
        if is_shown:
            self.reporter.step(self.state)

    def _new_targets(self, state: BisectState, answer: ObservedRun) -> Iterator[TargetRecord]:
        """Yield targets that did not differ between the ends and show another value in this run."""
        first: dict[str, str] = {}
        for step in state.steps:
            if step.role in (Role.GOOD, Role.BAD):
                first |= {seen.target: seen.value for seen in step.seen}
        for target, value in read_others(self._targets(), answer.cases).items():
            if target.key in first and first[target.key] != value:
                yield _target_record(target, first[target.key], first[target.key])

    def _save(self, state: BisectState) -> None:
        RunFolder(self.folder).write_file(STATE_NAME, dump_bisect(state))
        self.state = state


def _target_record(target: Target, good: str, bad: str) -> TargetRecord:
    return TargetRecord(target.kind, target.name, target.files, good, bad, target.case)
