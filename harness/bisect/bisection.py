"""A bisection from its words to its answer: ends, steps, what is asked again, and the state after each step on disk.

What comes next is always decided from the state alone (``evidence.py``): killed at any moment and started again, the
same step is next, and what was built is in the store.
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
from harness.bisect.no_difference import SHOWN, End, compared_words, no_difference, same_image
from harness.bisect.runner import CommitRunner, ObservedRun, find_file
from harness.bisect.state import (
    BisectState,
    CaseFile,
    Role,
    SeenRecord,
    SplitRecord,
    StepRecord,
    StepStatus,
    TargetRecord,
    dump_bisect,
)
from harness.bisect.state_file import STATE_NAME
from harness.bisect.strategy import NextCommit
from harness.bisect.targets import Target, differing, find_targets, read_cases, read_others, read_value
from harness.model.run_record import CaseRecord
from harness.results.folder import RunFolder, load_run
from harness.suite.definition import Suite
from harness.suite.load import default_suite

_INSISTS = 7
"""How often an end is asked again for what was named and did not differ."""


@dataclass(frozen=True, slots=True)
class BisectReporter:
    """What the caller is told while it goes on; each may do nothing.

    :param step: a step ended: the state with it.
    :param report: receives notes.
    """

    step: Callable[[BisectState], None]
    report: Report


@dataclass(slots=True)
class Bisection:
    """A bisection; live.

    :param is_target: whether something that differs is to be traced.
    :param wanted: names of targets that must differ.
    :param suite: the suite of the cases.
    """

    walk: CommitRange
    state: BisectState
    folder: Path
    asker: CommitRunner
    told: BisectReporter
    is_target: Callable[[Target], bool]
    wanted: Sequence[str] = ()
    suite: Suite = field(default_factory=default_suite)

    def run(self) -> Evidence:
        """Go on until nothing more can be told.

        :raises UsageError: the ends do not differ, a case file was changed meanwhile, or the tree lost a commit.
        :raises SeriesError: an end does not build or boot.
        :raises HostError: this host is at fault; all is kept.
        """
        self._check_files()
        if self.state.profile:
            self.asker.options = replace(self.asker.options, profile=self.state.profile)
        if not self.state.targets:
            self._ask_ends()
        for root in self.state.roots:
            if not any(step.commit == root for step in self.state.steps):
                self._ask(root, Role.PARTING)
        while True:
            evidence = Evidence(self.walk.lineage, self.state)
            if more := evidence.again():
                self._ask_again(more, Role.AGAIN)
            elif choice := evidence.next_choice():
                self._ask(self.walk.lineage.commits[choice.node].hash, Role.STEP, choice)
            elif more := evidence.unconfirmed():
                self._ask_again(more, Role.CONFIRM)
            else:
                return evidence

    def _ask_ends(self) -> None:
        """Ask both ends everything, and find what is to be traced."""
        cases: dict[Role, Mapping[str, CaseRecord]] = {}
        steps: list[StepRecord] = []
        for role, commit in ((Role.GOOD, self.state.good_commit), (Role.BAD, self.state.bad_commit)):
            kept = next((step for step in self.state.steps if step.role is role), None)
            if kept is not None:
                cases[role] = read_cases([load_run(self.folder / kept.runs[0])], self.suite.noise)
                steps.append(kept)
                continue
            began = time.monotonic()
            name = str(role)
            try:
                image = self.asker.image_of(self.walk.words(commit), name=name)
                if steps and steps[0].image == image:
                    raise same_image(self._ends(), image)
                answer, run = self.asker.ask_all(self.walk.words(commit), name=name)
            except SeriesError as error:
                remedy = error.remedy or "name another end, a commit that builds and boots"
                what = f"the {role} cannot be judged: {error.what}"
                raise SeriesError(what, evidence=error.evidence, remedy=remedy, log=error.log) from None
            self.asker.options = replace(self.asker.options, profile=run.profile)
            cases[role] = answer.cases
            seconds = round(time.monotonic() - began, 1)
            steps.append(StepRecord(commit, role, StepStatus.ASKED, image=image, runs=answer.runs, seconds=seconds))
            self._save(replace(self.state, profile=run.profile, steps=tuple(steps)))
        self._find_targets(cases[Role.GOOD], cases[Role.BAD])

    def _find_targets(self, good: Mapping[str, CaseRecord], bad: Mapping[str, CaseRecord]) -> None:
        every = find_targets(good, bad)
        compared = compared_words(every)
        found = [target for target in differing(every, good, bad) if self.is_target(target)]
        if missing := self._missing(found):
            # Asked for by name, it may be flaky and have answered alike by chance.
            named = [one for one in every if one not in found and self.is_target(one) and self.wanted]
            found += self._insist(named, {Role.GOOD: good, Role.BAD: bad})
            missing = self._missing(found)
        if not found or missing:
            values = {one.name: (read_value(one, good), read_value(one, bad)) for one in every}
            raise no_difference(self._ends(), values, missing, compared=compared)
        records = tuple(
            TargetRecord(one.kind, one.name, one.files, read_value(one, good) or "", read_value(one, bad) or "")
            for one in found
        )
        ends = {Role.GOOD: good, Role.BAD: bad}
        steps = tuple(
            replace(step, seen=_seen(found, ends[step.role])) if step.role in ends else step
            for step in self.state.steps
        )
        files = tuple(
            CaseFile(file, digest_of(find_file(file, self.suite)))
            for file in dict.fromkeys(file for one in found for file in one.files)
        )
        self._save(replace(self.state, targets=records, steps=steps, files=files, compared=compared))

    def _missing(self, found: Sequence[Target]) -> list[str]:
        """What was asked for by name and is not among these."""
        return [name for name in self.wanted if not any(name in target.name for target in found)]

    def _insist(self, named: Sequence[Target], ends: Mapping[Role, Mapping[str, CaseRecord]]) -> list[Target]:
        """Those of these targets that show a second value at an end when they are asked again."""
        told: dict[str, None] = {}
        for role, commit in ((Role.GOOD, self.state.good_commit), (Role.BAD, self.state.bad_commit)):
            answers = self.asker.ask(self.walk.words(commit), named, times=_INSISTS, name=str(role)) if named else []
            for answer in answers:
                seen = _seen(named, answer.cases)
                first = {one.key: read_value(one, ends[role]) for one in named}
                told |= {one.target: None for one in seen if first.get(one.target) not in (None, one.value)}
                step = StepRecord(commit, Role.AGAIN, StepStatus.ASKED, seen=seen, runs=answer.runs)
                self._save(replace(self.state, steps=(*self.state.steps, step)))
        return [one for one in named if one.key in told]

    def _ends(self) -> list[End]:
        runs = {step.role: step.runs[0] for step in self.state.steps if step.runs}
        return [
            End("good", self.walk.called(self.state.good_commit), runs.get(Role.GOOD, "")),
            End("bad", self.walk.called(self.state.bad_commit), runs.get(Role.BAD, "")),
        ]

    def _ask(self, commit: str, role: Role, choice: NextCommit | None = None) -> None:
        """Build and ask a commit, or take over what its image has shown."""
        began = time.monotonic()
        targets, name = self._targets(), self._name(commit)
        splits = tuple(SplitRecord(one.target, one.candidates, one.below) for one in choice.splits) if choice else ()
        answer: ObservedRun | None = None
        step = StepRecord(commit, role, StepStatus.ASKED, bits=round(choice.bits, 3) if choice else 0.0, splits=splits)
        try:
            image = self._image_of(commit, name)
        except SeriesError as error:
            if role is not Role.STEP:
                raise
            step = replace(step, judged=StepStatus.SKIPPED, reason=error.what)
        else:
            same = next((one.commit for one in self.state.steps if one.image == image and one.seen), "")
            if same:
                asked = (one for one in self.state.steps if one.commit == same)
                seen = tuple(seen for one in asked for seen in one.seen)
                step = replace(step, judged=StepStatus.SAME_IMAGE, image=image, reason=same, seen=seen)
            else:
                (answer,) = self.asker.ask(self.walk.words(commit), targets, name=name)
                step = replace(step, image=image, seen=_seen(targets, answer.cases), runs=answer.runs)
        self._add(replace(step, seconds=round(time.monotonic() - began, 1)), answer)

    def _ask_again(self, more: More, role: Role) -> None:
        """Ask a commit so many times more: the very one that was asked, not a twin, which would have to be built."""
        commit = self._asked_commit(more.node)
        targets = [target for target in self._targets() if target.key in more.targets]
        name = self._name(commit)
        self._image_of(commit, name)
        began = time.monotonic()
        answers = self.asker.ask(self.walk.words(commit), targets, times=more.times, name=name)
        seconds = round((time.monotonic() - began) / more.times, 1)
        for left, answer in zip(reversed(range(more.times)), answers, strict=True):
            seen = _seen(targets, answer.cases)
            step = StepRecord(commit, role, StepStatus.ASKED, seen=seen, runs=answer.runs, seconds=seconds)
            self._add(step, answer, is_told=not left)

    def _asked_commit(self, node: int) -> str:
        known = (step.commit for step in self.state.steps if step.judged is not StepStatus.SKIPPED)
        return next(commit for commit in known if self.walk.lineage.node(commit) == node)

    def _image_of(self, commit: str, name: str) -> str:
        """

        :raises UsageError: the tree has lost the commit.
        """
        try:
            return self.asker.image_of(self.walk.words(commit), name=name)
        except (UsageError, HarnessError) as error:
            from harness.base.deadline import Deadline

            if isinstance(error, SeriesError) or self.walk.repository.has_commit(commit, deadline=Deadline.after(60)):
                raise
            raise UsageError(
                f"commit {commit[:12]} is not in the tree any more: the tree was changed while it was bisected",
                evidence=error.what,
                remedy="bring the commit back ('git reflog' in the tree tells it), or start anew with --restart",
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
            return str(Role.PARTING)
        return f"step {number} ({self.walk.called(commit)})"

    def _check_files(self) -> None:
        """

        :raises UsageError: a case was changed since the ends were asked: its answers cannot be compared any more.
        """
        changed = [one.id for one in self.state.files if digest_of(find_file(one.id, self.suite)) != one.digest]
        if changed:
            raise UsageError(
                f"{changed[0]} was changed since this bisection began",
                evidence="\n".join(changed[:SHOWN]),
                remedy="put it back as it was, or start anew with --restart",
            )

    def _add(self, step: StepRecord, answer: ObservedRun | None, *, is_told: bool = True) -> None:
        """Keep a step, and trace from now on what it shows for the first time to have two values."""
        state = replace(self.state, steps=(*self.state.steps, step))
        new = [one for one in self._surprises(state, answer) if self.is_target(one.target)] if answer else []
        files = tuple(
            CaseFile(file, digest_of(find_file(file, self.suite)))
            for file in dict.fromkeys(file for one in new for file in one.files)
            if file not in {known.id for known in state.files}
        )
        for one in new:
            self.told.report(
                Note(f"{one.target.key} is the same at both ends and otherwise here: it is traced as well")
            )
        self._save(replace(state, targets=(*state.targets, *new), files=(*state.files, *files)))
        if is_told:
            self.told.step(self.state)

    def _surprises(self, state: BisectState, answer: ObservedRun) -> Iterator[TargetRecord]:
        """What is no target, as the ends did not differ in it, and was seen with another value now."""
        first: dict[str, str] = {}
        for step in state.steps:
            if step.role in (Role.GOOD, Role.BAD):
                first |= {seen.target: seen.value for seen in step.seen}
        for target, value in read_others(self._targets(), answer.cases).items():
            if target.key in first and first[target.key] != value:
                yield TargetRecord(target.kind, target.name, target.files, first[target.key], first[target.key])

    def _save(self, state: BisectState) -> None:
        RunFolder(self.folder).write_file(STATE_NAME, dump_bisect(state))
        self.state = state


def _seen(targets: Sequence[Target], cases: Mapping[str, CaseRecord]) -> tuple[SeenRecord, ...]:
    """The values of the targets, and of whatever else the cases have shown."""
    values = [(target.key, read_value(target, cases)) for target in targets]
    values += [(target.key, value) for target, value in read_others(targets, cases).items()]
    return tuple(SeenRecord(key, value) for key, value in values if value is not None)
