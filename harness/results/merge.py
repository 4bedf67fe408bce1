# SPDX-License-Identifier: GPL-2.0-only
"""Merge runs of one kernel: the shards of one run, and later reruns. Pure.

Every case appears once. If several runs ran a case, the newest result counts. An older result is kept as one more try
(:attr:`CaseRecord.tries`) if kernel, guest image, profile and text of the case are the same, so a different outcome
makes the case flaky; otherwise it is kept as a note.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.base.errors import UsageError
from harness.model.run_record import (
    NO_BASELINE,
    CaseRecord,
    OutcomeCount,
    ProblemKind,
    RunRecord,
    TraitRecord,
    is_known,
)
from harness.model.verdict import Outcome
from harness.semantics.judge import Gathered, gather
from harness.semantics.nearest import find_nearest
from harness.semantics.profile import Profile
from harness.semantics.traits import MAINLINE, Semantics


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
    if any(one.run.baseline.run for one in ordered):
        notes.append("comparisons of the runs with their baselines are not merged; run harness diff")
    sightings = [sighting for case in cases.values() for sighting in case.sightings]
    gathered = gather(semantics, sightings)
    problems = [found for one in ordered for found in one.run.problems if found.kind is not ProblemKind.CONTRADICTION]
    nearest = find_nearest(semantics, gathered.seen, own=_own_profile(newest.run, semantics))
    return replace(
        newest.run,
        started=ordered[0].run.started,
        seconds=sum(one.run.seconds for one in ordered),
        complete=_is_whole(ordered),
        workers=max(one.run.workers for one in ordered),
        command=" ; ".join(dict.fromkeys(one.run.command for one in ordered)),
        hostname=", ".join(dict.fromkeys(filter(None, (one.run.hostname for one in ordered)))),
        host=" | ".join(dict.fromkeys(filter(None, (one.run.host for one in ordered)))),
        nearest=tuple(str(near) for near in nearest) if any(one.run.nearest for one in ordered) else (),
        notes=tuple(dict.fromkeys([*notes, *(note for one in ordered for note in one.run.notes)])),
        baseline=NO_BASELINE,
        problems=tuple(dict.fromkeys([*problems, *gathered.problems])),
        traits=_traits(ordered, gathered),
        cases=tuple(cases.values()),
    )


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
