# SPDX-License-Identifier: GPL-2.0-only
"""Merge runs of one kernel: the shards of one run, and later reruns. Pure.

Every case appears once. If several runs ran a case, the newest result counts. An older result is kept as one more try
(:attr:`CaseRecord.tries`) if kernel, guest image, profile and text of the case are the same, so a different outcome
makes the case flaky; otherwise it is kept as a note.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from harness.base.errors import UsageError
from harness.model.run_record import (
    NO_BASELINE,
    CaseRecord,
    OutcomeCount,
    Problem,
    ProblemKind,
    RunRecord,
    TraitRecord,
    is_known,
)
from harness.model.shard import NO_SHARD
from harness.model.verdict import Outcome
from harness.semantics.judge import Gathered, gather
from harness.semantics.nearest import find_nearest
from harness.semantics.profile import Profile
from harness.semantics.traits import MAINLINE, Semantics

_NO_BASELINES = "comparisons of the runs with their baselines are not merged; run harness diff"


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run and the name of its folder."""

    name: str
    run: RunRecord


def merge_runs(named: Sequence[NamedRun], *, semantics: Semantics) -> RunRecord:
    """Merge several runs into one record; their order does not matter.

    The folders of its cases are relative to the parent of the run folders. A run that is given twice, also as a copy of
    its folder, counts once. An unfinished run counts as complete if later complete runs ran all of its cases. Traits
    and nearest profiles are computed from the cases that count.

    :param named: the runs with the names of their folders.
    :param semantics: the traits and profiles of the suite.
    :raises UsageError: the runs are of several kernels, or were judged by several profiles.
    """
    distinct = {one.run: one for one in reversed(named)}
    ordered = sorted(distinct.values(), key=lambda one: (one.run.started, one.name))
    _require_one_kernel(ordered)
    newest = ordered[-1]
    cases: dict[str, CaseRecord] = {}
    newest_run: dict[str, NamedRun] = {}
    notes = [f"merged from {len(ordered)} runs: {', '.join(one.name for one in ordered)}"]
    for one in ordered:
        for case in {case.id: case for case in one.run.cases}.values():
            now = replace(case, folder=f"{one.name}/{case.folder}" if case.folder else "")
            before = cases.get(case.id)
            if before is not None:
                now, note = _with_rerun(before, now, newest_run[case.id], one)
                notes += [note] if note else []
            if now is not before:
                newest_run[case.id] = one
            cases[case.id] = now
    notes += [_NO_BASELINES] if any(one.run.baseline.run for one in ordered) else []
    gathered = gather(semantics, [sighting for case in cases.values() for sighting in case.sightings])
    missing = _missing_shards(ordered, found=cases)
    nearest = find_nearest(semantics, gathered.seen, own=_own_profile(newest.run, semantics))
    return replace(
        newest.run,
        started=ordered[0].run.started,
        seconds=sum(one.run.seconds for one in ordered),
        complete=_is_whole(ordered) and not missing,
        workers=max(one.run.workers for one in ordered),
        command=_joined(" ; ", (one.run.command for one in ordered)),
        hostname=_joined(", ", (one.run.hostname for one in ordered)),
        host=_joined(" | ", (one.run.host for one in ordered)),
        nearest=tuple(str(near) for near in nearest) if any(one.run.nearest for one in ordered) else (),
        notes=tuple(dict.fromkeys([*notes, *(note for one in ordered for note in one.run.notes)])),
        baseline=NO_BASELINE,
        is_partial=_is_partial(ordered),
        shard=NO_SHARD,
        problems=tuple(dict.fromkeys([*_problems(ordered), *missing, *gathered.problems])),
        traits=_traits(ordered, gathered),
        cases=tuple(cases.values()),
    )


def _problems(ordered: Sequence[NamedRun]) -> list[Problem]:
    """Return the problems of all runs, but not those that follow from the traits, which are computed again."""
    return [found for one in ordered for found in one.run.problems if found.kind is not ProblemKind.CONTRADICTION]


def _joined(separator: str, texts: Iterable[str]) -> str:
    """Join distinct texts in their order; empty ones are left out."""
    return separator.join(dict.fromkeys(filter(None, texts)))


def _own_profile(run: RunRecord, semantics: Semantics) -> Profile | None:
    """Return the profile that judged a run, without what a series declares; None if this harness does not have it.

    That of mainline depends on the stable version, which its name does not show: 6.1.0-57 is judged as 6.1.192.
    """
    release = run.kernel.release if is_known(run.kernel.release) else None
    for name in (MAINLINE, run.profile):
        with contextlib.suppress(UsageError):
            profile = semantics.profile(name, release=release, stable=run.kernel.stable)
            if profile.name == run.profile:
                return profile
    return None


def _require_one_kernel(ordered: Sequence[NamedRun]) -> None:
    """Check that the runs may be merged.

    :raises UsageError: the runs are of several kernels or profiles, or of an unknown kernel.
    """
    if len(ordered) < 2:
        return
    _require_one_partition(ordered)
    images = {one.run.kernel.image_digest for one in ordered}
    if len(images) > 1 or not all(map(is_known, images)):
        images_of_runs = (
            f"{one.name}: {one.run.kernel.spec}, image {one.run.kernel.image_digest[:12]}" for one in ordered
        )
        raise UsageError(
            "cannot merge these runs: they are not of one kernel",
            evidence="\n".join(images_of_runs),
            remedy="name runs of the same image, or leave out --merge to show them side by side",
        )
    if len({one.run.profile for one in ordered}) > 1:
        raise UsageError(
            "cannot merge these runs: they were judged by different profiles",
            evidence="\n".join(f"{one.name}: {one.run.profile}" for one in ordered),
            remedy="run the cases again with one --profile",
        )


def _require_one_partition(ordered: Sequence[NamedRun]) -> None:
    """Check that all shards are of one partition of the cases.

    :raises UsageError: they are not.
    """
    shards = [(one.name, one.run.shard) for one in ordered if one.run.shard.count]
    if len({(shard.count, shard.partition) for _, shard in shards}) > 1:
        listed = (
            f"{name}: shard {shard.number}/{shard.count} of {shard.cases} cases, partition {shard.partition}"
            for name, shard in shards
        )
        raise UsageError(
            "cannot merge these runs: they are shards of different partitions",
            evidence="\n".join(listed),
            remedy="run all shards with the same cases, durations file and number of shards",
        )


def _missing_shards(ordered: Sequence[NamedRun], *, found: Collection[str]) -> list[Problem]:
    """Return the problem of the shards that are missing; empty if there are none.

    :param found: the ids of the cases of all runs.
    """
    shards = [one.run.shard for one in ordered if one.run.shard.count]
    if not shards:
        return []
    count, cases = shards[0].count, shards[0].cases
    missing = [str(number) for number in range(1, count + 1) if number not in {one.number for one in shards}]
    if not missing or len(found) >= cases:
        return []
    named = f"shard{'' if len(missing) == 1 else 's'} {', '.join(missing)} of {count}"
    text = f"missing: {named}\n{cases - len(found)} of {cases} cases have no result"
    return [Problem(ProblemKind.MISSING_SHARD, text)]


def _is_partial(ordered: Sequence[NamedRun]) -> bool:
    """Return whether the runs together are only some cases of the suite."""
    return all(one.run.is_partial and not one.run.shard.is_of_whole_suite for one in ordered)


def _with_rerun(before: CaseRecord, now: CaseRecord, earlier: NamedRun, later: NamedRun) -> tuple[CaseRecord, str]:
    """Return the newer record with the older one as a try, and a note if the outcomes differ."""
    is_same_guest = earlier.run.guest_image_digest == later.run.guest_image_digest
    if is_same_guest and before.digest == now.digest:
        counts = _counts(before) + _counts(now)
        tries = tuple(OutcomeCount(outcome, counts[outcome]) for outcome in Outcome if counts[outcome])
        joined = replace(now, tries=tries)
        why = "on the same image: a flake" if joined.is_flaky else "on the same image"
    else:
        joined, why = now, ("the case file" if is_same_guest else "the guest image") + " differs"
    if before.outcome is now.outcome:
        return joined, ""
    return joined, f"{now.id}: {before.outcome} in {earlier.name}, {now.outcome} in {later.name}, {why}"


def _counts(case: CaseRecord) -> Counter[Outcome]:
    return Counter({one.outcome: one.times for one in case.tries} or {case.outcome: 1})


def _is_whole(ordered: Sequence[NamedRun]) -> bool:
    """Return whether each run finished, or later complete runs ran all of its cases."""
    finished: set[str] = set()
    for one in reversed(ordered):
        ids = {case.id for case in one.run.cases}
        if one.run.complete:
            finished |= ids
        elif not ids or ids - finished:
            return False
    return True


def _traits(ordered: Sequence[NamedRun], gathered: Gathered) -> tuple[TraitRecord, ...]:
    """Return the newest record of each trait, with the value that the cases that count have shown."""
    newest = {trait.trait: trait for one in ordered for trait in one.run.traits}
    known = {(trait.trait, trait.seen): trait.known for one in ordered for trait in one.run.traits if trait.known}
    return tuple(
        replace(
            trait,
            seen=gathered.seen.get(name, ""),
            where=gathered.where.get(name, ()),
            known=known.get((name, gathered.seen.get(name, "")), ""),
            mixed=gathered.mixed.get(name, ()),
        )
        for name, trait in newest.items()
    )
