"""Two runs compared: traits, cases, splats of the kernel log, and what differs in kernel and host that may explain it.

Pure: two run records in, a :class:`Comparison` out. A change is a regression only when the kernel is the reason: a
case that failed before is none, nor one whose outcome differs on the same image (a flake), nor one that was not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.model.run_record import CaseRecord, RunRecord, TraitRecord, is_known
from harness.model.verdict import FAILED, Outcome, SplatReport
from harness.results.kernel_differences import Difference, find_differences
from harness.session.noise import NOISE, Noise


class ChangeKind(StrEnum):
    """How a case, a trait or a splat of one run stands to that of another, worst first."""

    REGRESSED = "regressed"
    """It was as expected and is not any more."""
    FLAKY = "flaky"
    """Image, profile and case are the same and the outcome differs, also within one run: no change of the kernel."""
    OTHERWISE = "fails otherwise"
    """It failed and fails, in another way."""
    KNOWN = "known to fail"
    """It fails, and a known failure says why."""
    FIXED = "fixed"
    """It failed, and is as expected now."""
    NEW = "new"
    """It is asked now and was not (or the splat is there now and was not)."""
    GONE = "gone"
    """It was asked and is not any more."""
    CHANGED = "changed but still allowed"
    """Another behaviour, which is expected as well."""
    SAME = "same"
    """Nothing differs but what differs from run to run."""


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One case in two runs.

    :param before: its record in the first run, None when it is not there.
    :param after: in the second.
    :param diff: the transcripts against each other without noise; empty when nothing but noise differs.
    """

    id: str
    change: ChangeKind
    before: CaseRecord | None
    after: CaseRecord | None
    diff: str = ""

    @property
    def is_edited(self) -> bool:
        """Whether the case file was changed between the runs, as far as the records tell."""
        return self.before is not None and self.after is not None and _is_edited(self.before, self.after)

    @property
    def fails_anew(self) -> bool:
        """Whether it fails and the first run has no excuse for it: it regressed, or was not asked there."""
        failed = self.after is not None and self.after.outcome in FAILED and not self.after.known
        return self.change is ChangeKind.REGRESSED or (self.change is ChangeKind.NEW and failed)


@dataclass(frozen=True, slots=True)
class TraitChange:
    """One trait in two runs.

    :param before: the value seen, empty when none was.
    :param after: in the second run.
    :param expected: what the second run's profile says; empty when nothing, or nothing confirmed.
    :param where: a place that showed the second value.
    """

    trait: str
    change: ChangeKind
    before: str
    after: str
    expected: str
    meaning: str
    where: str


@dataclass(frozen=True, slots=True)
class SplatChange:
    """One splat in two runs.

    :param cases: the ids of the cases that met it, in the run that has it (the second).
    """

    fingerprint: str
    change: ChangeKind
    kind: str
    title: str
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs against each other. The records are kept: a report needs nothing else."""

    before: RunRecord
    after: RunRecord
    traits: tuple[TraitChange, ...]
    cases: tuple[CaseChange, ...]
    splats: tuple[SplatChange, ...]
    differences: tuple[Difference, ...]

    @property
    def regressions(self) -> tuple[str, ...]:
        """What regressed, by name: traits, cases, splats."""
        traits = [one.trait for one in self.traits if one.change is ChangeKind.REGRESSED]
        cases = [one.id for one in self.cases if one.change is ChangeKind.REGRESSED]
        return (*traits, *cases, *(one.fingerprint for one in self.splats if one.change is ChangeKind.REGRESSED))

    @property
    def failures(self) -> tuple[str, ...]:
        """What fails in the second run and is not excused by the first: the regressions, and new cases that fail."""
        new = [one.id for one in self.cases if one.change is not ChangeKind.REGRESSED and one.fails_anew]
        return (*self.regressions, *new)


def compare(
    before: RunRecord, after: RunRecord, *, configs: tuple[str, str] = ("", ""), noise: Noise = NOISE
) -> Comparison:
    """Compare two runs.

    :param configs: the text of each kernel's configuration; empty where it is not known.
    :param noise: what differs from run to run in the output of their suite.
    """
    olds, news = ({case.id: case for case in run.cases} for run in (before, after))
    is_same_machine = conditions(before) == conditions(after) and is_known(before.kernel.image_digest)
    cases = tuple(_case_change(olds.get(one), news.get(one), is_same_machine, noise) for one in {**news, **olds})
    return Comparison(
        before,
        after,
        _trait_changes(before, after, is_same_machine),
        cases,
        tuple(_splat_changes(olds, news, is_same_machine)),
        tuple(find_differences(before, after, configs=configs)),
    )


def is_asked(case: CaseRecord | None) -> bool:
    """Whether the case came to a verdict on the kernel: it is there, was not skipped, and nobody else is at fault."""
    return case is not None and case.outcome not in (Outcome.SKIPPED, Outcome.ERROR)


def conditions(run: RunRecord) -> tuple[str, ...]:
    """What makes two runs the same question to the same kernel."""
    return run.kernel.image_digest, run.guest_image_digest, run.profile


def _case_change(
    before: CaseRecord | None, after: CaseRecord | None, is_same_machine: bool, noise: Noise
) -> CaseChange:
    known = after or before
    assert known is not None
    change = _change_of(before, after, is_same_machine, noise)
    patch = ""
    if before is not None and after is not None and change is not ChangeKind.SAME:
        patch = noise.diff(before.transcript, after.transcript, names=("before", "after"))
    return CaseChange(known.id, change, before, after, patch)


def _change_of(before: CaseRecord | None, after: CaseRecord | None, is_same_machine: bool, noise: Noise) -> ChangeKind:
    if before is None or after is None:
        return ChangeKind.GONE if after is None else ChangeKind.NEW
    if not is_asked(after):
        return ChangeKind.GONE if is_asked(before) else ChangeKind.SAME
    if not is_asked(before):
        return ChangeKind.KNOWN if after.known else ChangeKind.NEW
    failed, fails = before.outcome in FAILED, after.outcome in FAILED
    if fails and after.known and not (failed and before.known and is_alike(before, after, noise)):
        return ChangeKind.KNOWN
    if before.is_flaky or after.is_flaky:
        return ChangeKind.FLAKY
    if failed != fails:
        if is_same_machine and not _is_edited(before, after):
            return ChangeKind.FLAKY
        return ChangeKind.REGRESSED if fails else ChangeKind.FIXED
    if is_alike(before, after, noise):
        return ChangeKind.SAME
    return ChangeKind.OTHERWISE if fails else ChangeKind.CHANGED


def _is_edited(before: CaseRecord, after: CaseRecord) -> bool:
    return bool(before.digest and after.digest) and before.digest != after.digest


def is_alike(before: CaseRecord, after: CaseRecord, noise: Noise = NOISE) -> bool:
    """Whether two results of a case differ by noise at most."""
    return (
        before.outcome is after.outcome
        and _values(before) == _values(after)
        and [one.fingerprint for one in before.splats] == [one.fingerprint for one in after.splats]
        and (before.reason == after.reason or noise.line(before.reason) == noise.line(after.reason))
        and not noise.differ(before.transcript, after.transcript)
    )


def _values(case: CaseRecord) -> list[tuple[str, str]]:
    return sorted({(one.trait, one.value) for one in case.sightings})


def _trait_changes(before: RunRecord, after: RunRecord, is_same_machine: bool) -> tuple[TraitChange, ...]:
    olds, news = ({trait.trait: trait for trait in run.traits} for run in (before, after))
    return tuple(_trait_change(olds.get(name), news.get(name), is_same_machine) for name in {**news, **olds})


def _trait_change(before: TraitRecord | None, after: TraitRecord | None, is_same_machine: bool) -> TraitChange:
    known = after or before
    assert known is not None
    was = before.seen if before else ""
    now = after.seen if after else ""
    expected = after.expected if after and after.confirmed else ""
    where = after.where[0] if after and now and after.where else ""
    if was == now:
        change = ChangeKind.SAME
    elif not was or not now:
        change = ChangeKind.NEW if now else ChangeKind.GONE
    elif is_same_machine:
        change = ChangeKind.FLAKY
    else:
        was_wrong = before is not None and before.confirmed and before.expected not in ("", was)
        is_wrong = expected not in ("", now)
        change = _CHANGE_OF_TRAIT[was_wrong, is_wrong] if expected else ChangeKind.CHANGED
        if is_wrong and after is not None and after.known:
            change = ChangeKind.KNOWN
    return TraitChange(known.trait, change, was, now, expected, known.meaning, where)


_CHANGE_OF_TRAIT = {
    (False, False): ChangeKind.CHANGED,
    (False, True): ChangeKind.REGRESSED,
    (True, False): ChangeKind.FIXED,
    (True, True): ChangeKind.OTHERWISE,
}
"""By whether the value was not the expected one in the first run, and in the second."""


def _splat_changes(
    olds: Mapping[str, CaseRecord], news: Mapping[str, CaseRecord], is_same_machine: bool
) -> Iterator[SplatChange]:
    """Each splat once. One is the same as before by its fingerprint, or by its kind and title: another compiler
    changes the frames of a trace and not what the kernel says."""
    before, after = _splats(olds.values()), _splats(news.values())
    titles_before = {(splat.kind, splat.title) for splat, _ in before.values()}
    titles_after = {(splat.kind, splat.title) for splat, _ in after.values()}
    for fingerprint, (splat, cases) in after.items():
        if fingerprint in before or (splat.kind, splat.title) in titles_before:
            change = ChangeKind.SAME
        elif not any(is_asked(olds.get(one)) for one in cases):
            change = ChangeKind.NEW
        elif all(news[one].known for one in cases):
            change = ChangeKind.KNOWN
        else:
            change = ChangeKind.FLAKY if is_same_machine else ChangeKind.REGRESSED
        yield SplatChange(fingerprint, change, splat.kind, splat.title, tuple(cases))
    for fingerprint, (splat, cases) in before.items():
        if fingerprint not in after and (splat.kind, splat.title) not in titles_after:
            change = ChangeKind.FIXED if any(is_asked(news.get(one)) for one in cases) else ChangeKind.GONE
            yield SplatChange(fingerprint, change, splat.kind, splat.title, tuple(cases))


def _splats(cases: Iterable[CaseRecord]) -> dict[str, tuple[SplatReport, list[str]]]:
    """Each splat by its fingerprint, with the ids of the cases that met it."""
    found: dict[str, tuple[SplatReport, list[str]]] = {}
    for case in cases:
        for splat in case.splats:
            _, ids = found.setdefault(splat.fingerprint, (splat, []))
            if case.id not in ids:
                ids.append(case.id)
    return found
