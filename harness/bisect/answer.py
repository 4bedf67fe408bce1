# SPDX-License-Identifier: GPL-2.0-only
"""Gather the answer of a bisection from git and from the runs on both sides of a change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError
from harness.bisect.commit_graph import nodes
from harness.bisect.commits import CommitRange, read_message
from harness.bisect.evidence import Evidence, Found
from harness.bisect.report import BisectResult, Culprit, Named, TargetChange
from harness.bisect.state import BisectState, StepStatus
from harness.bisect.targets import Kind, Target, file_of
from harness.model.run_record import CaseRecord
from harness.results.folder import load_run
from harness.session.noise import NOISE, Noise

_DIFFS = 3
"""The number of transcripts of a change that are shown; the run folders have all of them."""


def gather(
    walk: CommitRange, evidence: Evidence, *, folder: Path, noise: Noise = NOISE, deadline: Deadline
) -> BisectResult:
    """Return the answer of a bisection.

    :param walk: the history that was bisected.
    :param evidence: the verdicts of all steps.
    :param folder: the folder of the bisection.
    :param noise: the output of the suite that differs from run to run.
    :raises HostError: git failed, or the deadline came.
    """
    state = evidence.state
    groups: dict[tuple[int, int], list[tuple[str, Found]]] = {}
    left = []
    for record in state.targets:
        key = record.target.key
        found = evidence.found(key)
        for one in found:
            groups.setdefault((one.interval.high, one.interval.members), []).append((key, one))
        if not found:
            left.append((key, _why_not(evidence, key)))
    sides = _Sides(walk, state, folder, noise)
    culprits = tuple(_culprit(walk, state, group, sides, deadline=deadline) for _, group in sorted(groups.items()))
    return BisectResult(
        state=state,
        culprits=culprits,
        names=names_of(walk),
        nodes=len(walk.lineage) - len(walk.roots),
        left=tuple(left),
        is_series=bool(walk.numbers),
    )


def names_of(walk: CommitRange) -> Mapping[str, Named]:
    """Return hash, short name and subject of each commit, by hash."""
    return {one.hash: Named(one.hash, walk.called(one.hash), one.subject) for one in walk.lineage.commits}


def _why_not(evidence: Evidence, target: str) -> str:
    if evidence.is_weak(target):
        seen = evidence.regimes.get(target, ())
        return f"it is equally flaky at both ends: {', '.join(regime.value for regime in seen) or 'no value was seen'}"
    return "the ends did not differ in reruns"


def _culprit(
    walk: CommitRange, state: BisectState, group: Sequence[tuple[str, Found]], sides: _Sides, *, deadline: Deadline
) -> Culprit:
    first = group[0][1]
    commit = walk.lineage.commits[first.interval.high]
    message = read_message(walk.repository, commit.hash, deadline=deadline)
    below = [walk.lineage.commits[node].hash for node in first.interval.lows]
    targets = {one.target.key: one.target for one in state.targets}
    before, after = sides.cases(below[0]), sides.cases(commit.hash)
    shown = dict.fromkeys(case for key, _ in group for case in _showing(targets[key], before, after))
    names = walk.called(below[0]), walk.called(commit.hash)
    diffs = [(case, _diff(before, after, case, sides.noise, names=names)) for case in shown]
    diffs += _failures(state, [commit.hash, *below], [targets[key].kind for key, _ in group])
    return Culprit(
        commit=_named(walk, commit.hash),
        author=message.author,
        date=message.date,
        body=message.body,
        below=tuple(_named(walk, one) for one in below),
        changes=tuple(TargetChange(key, one.interval.before, one.interval.after, one.confidence) for key, one in group),
        hidden=tuple(_named(walk, walk.lineage.commits[node].hash) for node in first.hidden),
        diffs=tuple([(case, diff) for case, diff in diffs if diff][:_DIFFS]),
        traits=tuple(_traits(before, after)),
    )


def _failures(state: BisectState, commits: Sequence[str], kinds: Sequence[Kind]) -> Iterable[tuple[str, str]]:
    """Return why a commit on one side of the change does not build or boot, with lines of its log."""
    if not {Kind.BUILDS, Kind.BOOTS} & set(kinds):
        return []
    return [(step.reason, step.evidence) for step in state.steps if step.commit in commits and step.evidence]


def _named(walk: CommitRange, commit: str) -> Named:
    node = walk.lineage.node(commit)
    return Named(commit, walk.called(commit), walk.lineage.commits[node].subject)


def _showing(target: Target, before: Mapping[str, CaseRecord], after: Mapping[str, CaseRecord]) -> Iterable[str]:
    """Return the ids of the cases whose transcripts show the change of a target."""
    if target.kind is Kind.CASE:
        return [target.name]
    if target.kind is Kind.SPLAT:
        return [case.id for case in after.values() if case.id in before and file_of(case.id) in target.files]
    return [
        case.id
        for case in after.values()
        if case.id in before
        and file_of(case.id) in target.files
        and target.case in ("", case.id)
        and any(seen.trait == target.name for seen in (*case.sightings, *before[case.id].sightings))
    ]


def _diff(
    before: Mapping[str, CaseRecord],
    after: Mapping[str, CaseRecord],
    case: str,
    noise: Noise,
    *,
    names: tuple[str, str],
) -> str:
    if case not in before or case not in after:
        return ""
    return noise.diff(before[case].transcript, after[case].transcript, names=names)


def _traits(before: Mapping[str, CaseRecord], after: Mapping[str, CaseRecord]) -> Iterable[tuple[str, str, str]]:
    """Yield name and values of each trait that cases run on both sides have shown on both."""
    both = before.keys() & after.keys()
    values = [
        {
            name: " and ".join(
                sorted({one.value for case in both for one in cases[case].sightings if one.trait == name})
            )
            for name in {one.trait for case in both for one in cases[case].sightings}
        }
        for cases in (before, after)
    ]
    for name in sorted(values[0].keys() & values[1].keys()):
        yield name, values[0][name], values[1][name]


class _Sides:
    """The cases that ran on each commit, read from the run folders on demand."""

    def __init__(self, walk: CommitRange, state: BisectState, folder: Path, noise: Noise) -> None:
        self.noise = noise
        self._walk = walk
        self._state = state
        self._folder = folder
        self._read: dict[str, dict[str, CaseRecord]] = {}

    def cases(self, commit: str) -> Mapping[str, CaseRecord]:
        """Return the cases of a commit, or of a commit with the same files or image.

        The first failure of a case counts, else its first result.
        """
        if commit not in self._read:
            self._read[commit] = {}
            for name in self._runs(commit):
                try:
                    run = load_run(self._folder / name)
                except HarnessError:
                    continue  # a removed run folder must not keep the answer from being shown
                for case in run.cases:
                    kept = self._read[commit].get(case.id)
                    if kept is None or (case.is_failure and not kept.is_failure):
                        self._read[commit][case.id] = case
        return self._read[commit]

    def _runs(self, commit: str) -> list[str]:
        lineage = self._walk.lineage
        alike = {lineage.commits[node].hash for node in nodes(lineage.twins(lineage.node(commit)))} | {commit}
        for step in self._state.steps:
            if step.commit in alike and step.judged is StepStatus.SAME_IMAGE:
                alike = {*alike, step.reason}
        return [run for step in self._state.steps if step.commit in alike for run in step.runs]
