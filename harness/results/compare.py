# SPDX-License-Identifier: GPL-2.0-only
"""Compare two runs: traits, cases, splats of the kernel log, and differences of kernel and host that may explain them.

Pure: two run records in, a :class:`Comparison` out. A change is a regression only if the kernel is the reason. A case
that failed before is not a regression, nor a case whose outcome differs on the same image (a flake), nor a case that
has no verdict in one of the runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.model.inventory import TARGET, InventoryChange, changes_between
from harness.model.run_record import CaseRecord, RunRecord, TraitRecord, is_known
from harness.model.verdict import FAILED, Outcome, SplatReport
from harness.results.kernel_differences import Difference, find_differences
from harness.results.older_formats import is_retired
from harness.session.noise import NOISE, Noise


class ChangeKind(StrEnum):
    """The kinds of change of a case, a trait or a splat between two runs, worst first."""

    REGRESSED = "regressed"
    """As expected in the first run, not in the second."""
    FLAKY = "flaky"
    """The outcome differs while image, profile and case are the same: the kernel did not change."""
    OTHERWISE = "fails differently"
    """Failed in both runs, in different ways."""
    KNOWN = "known to fail"
    """Fails in the second run, and a known failure covers that."""
    FIXED = "fixed"
    """Failed in the first run, as expected in the second."""
    NEW = "new"
    """Has a verdict (or the splat appears) in the second run only."""
    GONE = "gone"
    """Has a verdict (or the splat appears) in the first run only."""
    NOT_RUN = "not run"
    """Was run in the first run only: the second was of a part of the suite, or ended early."""
    CHANGED = "changed but still allowed"
    """The behavior differs, and the new behavior is expected as well."""
    SAME = "same"
    """Nothing differs except noise."""


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One case in two runs.

    :param before: its record in the first run; None if the run does not have the case.
    :param after: its record in the second run, likewise.
    :param diff: the diff of the transcripts without noise; empty if only noise differs.
    """

    id: str
    change: ChangeKind
    before: CaseRecord | None
    after: CaseRecord | None
    diff: str = ""

    @property
    def is_edited(self) -> bool:
        """Return whether the case file was changed between the runs, as far as the records show."""
        return self.before is not None and self.after is not None and _is_edited(self.before, self.after)

    @property
    def is_new_failure(self) -> bool:
        """Return whether it fails without an excuse in the first run: it regressed, or has no verdict there."""
        failed = self.after is not None and self.after.outcome in FAILED and not self.after.known
        return self.change is ChangeKind.REGRESSED or (self.change is ChangeKind.NEW and failed)


@dataclass(frozen=True, slots=True)
class TraitChange:
    """One trait in two runs.

    :param before: the value seen in the first run; empty if none was.
    :param after: the value seen in the second run, likewise.
    :param expected: the value that the second run's profile expects; empty if it has no confirmed expectation.
    :param meaning: the trait's meaning, for people.
    :param where: a step that showed the second value.
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
    """One splat of the kernel log in two runs.

    :param cases: the ids of the cases that met it in the second run, or in the first if only that has it.
    """

    fingerprint: str
    change: ChangeKind
    kind: str
    title: str
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of two runs; it includes both records, so a report needs nothing else."""

    before: RunRecord
    after: RunRecord
    traits: tuple[TraitChange, ...]
    cases: tuple[CaseChange, ...]
    splats: tuple[SplatChange, ...]
    differences: tuple[Difference, ...]
    inventory: tuple[InventoryChange, ...] = ()

    @property
    def regressions(self) -> tuple[str, ...]:
        """Return the names of the traits, ids of the cases and fingerprints of the splats that regressed.

        An entry of the inventory that is gone or changed is among them: programs may rely on it.
        """
        traits = [one.trait for one in self.traits if one.change is ChangeKind.REGRESSED]
        cases = [one.id for one in self.cases if one.change is ChangeKind.REGRESSED]
        entries = [f"{TARGET}{one.key}" for one in self.inventory if one.before]
        splats = [one.fingerprint for one in self.splats if one.change is ChangeKind.REGRESSED]
        return (*traits, *cases, *splats, *entries)

    @property
    def failures(self) -> tuple[str, ...]:
        """Return the failures that the first run does not excuse: regressions, and new cases that fail."""
        new = [one.id for one in self.cases if one.change is not ChangeKind.REGRESSED and one.is_new_failure]
        return (*self.regressions, *new)


def compare(
    before: RunRecord,
    after: RunRecord,
    *,
    configs: tuple[str, str] = ("", ""),
    noise: Noise = NOISE,
    needed: Collection[str] = (),
) -> Comparison:
    """Compare two runs.

    :param configs: the text of each kernel's configuration; empty if unknown.
    :param noise: the output of the suite that differs from run to run.
    :param needed: options of the configuration that cases name; those that differ are listed first.
    """
    olds, news = ({case.id: case for case in run.cases} for run in (before, after))
    is_same_machine = conditions(before) == conditions(after) and is_known(before.kernel.image_digest)
    is_part = is_of_a_part(after)
    cases = tuple(
        _case_change(olds.get(one), news.get(one), is_same_machine, noise)
        if one in news or not (is_part or is_retired(one))
        else CaseChange(one, ChangeKind.NOT_RUN, olds[one], None)
        for one in {**news, **olds}
    )
    return Comparison(
        before,
        after,
        _trait_changes(before, after, is_same_machine),
        cases,
        tuple(_splat_changes(olds, news, is_same_machine)),
        tuple(find_differences(before, after, configs=configs, needed=needed)),
        changes_between(before.inventory, after.inventory) if before.inventory and after.inventory else (),
    )


def is_of_a_part(run: RunRecord) -> bool:
    """Return whether a run has not run all cases of its suite: some were selected, or it ended early."""
    return run.is_partial or bool(run.not_run) or not run.complete


def has_verdict(case: CaseRecord | None) -> bool:
    """Return whether a case has a verdict on the kernel: it was run, and neither skipped nor ended by an error."""
    return case is not None and case.outcome not in (Outcome.SKIPPED, Outcome.ERROR)


def conditions(run: RunRecord) -> tuple[str, ...]:
    """Return the image, guest and profile of a run; two runs with equal ones test the same kernel the same way."""
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
    if not has_verdict(after):
        return ChangeKind.GONE if has_verdict(before) else ChangeKind.SAME
    if not has_verdict(before):
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
    """Return whether two results of a case differ by noise at most."""
    return (
        before.outcome is after.outcome
        and _values(before) == _values(after)
        and [one.fingerprint for one in before.splats] == [one.fingerprint for one in after.splats]
        and (
            after.is_free_text or before.reason == after.reason or noise.line(before.reason) == noise.line(after.reason)
        )
        and (after.is_free_text or not noise.differ(before.transcript, after.transcript))
    )


def _values(case: CaseRecord) -> list[tuple[str, str]]:
    return sorted({(one.trait, one.value) for one in case.sightings})


def _trait_changes(before: RunRecord, after: RunRecord, is_same_machine: bool) -> tuple[TraitChange, ...]:
    olds, news = ({trait.trait: trait for trait in run.traits} for run in (before, after))
    changes = (_trait_change(olds.get(name), news.get(name), is_same_machine) for name in {**news, **olds})
    if not is_of_a_part(after):
        return tuple(changes)
    # Its cases may not have been run.
    return tuple(replace(one, change=ChangeKind.NOT_RUN) if one.change is ChangeKind.GONE else one for one in changes)


def _trait_change(before: TraitRecord | None, after: TraitRecord | None, is_same_machine: bool) -> TraitChange:
    known = after or before
    assert known is not None
    was = before.shown if before else ""
    now = after.shown if after else ""
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
"""The kind of change by whether the value was unexpected in the first run, and in the second."""


def _splat_changes(
    olds: Mapping[str, CaseRecord], news: Mapping[str, CaseRecord], is_same_machine: bool
) -> Iterator[SplatChange]:
    """Yield each splat once.

    Two splats are the same if their fingerprints are equal, or their kinds and titles: another compiler changes the
    frames of a trace, not the message. A title that names no function is no identity: it is that of many bugs.
    """
    before, after = _splats(olds.values()), _splats(news.values())
    titles_before = {(splat.kind, splat.title) for splat, _ in before.values() if splat.function}
    titles_after = {(splat.kind, splat.title) for splat, _ in after.values() if splat.function}
    for fingerprint, (splat, cases) in after.items():
        if fingerprint in before or (splat.kind, splat.title) in titles_before:
            change = ChangeKind.SAME
        elif not any(has_verdict(olds.get(one)) for one in cases):
            change = ChangeKind.NEW
        elif all(news[one].known for one in cases):
            change = ChangeKind.KNOWN
        else:
            change = ChangeKind.FLAKY if is_same_machine else ChangeKind.REGRESSED
        yield SplatChange(fingerprint, change, splat.kind, splat.title, tuple(cases))
    for fingerprint, (splat, cases) in before.items():
        if fingerprint not in after and (splat.kind, splat.title) not in titles_after:
            change = ChangeKind.GONE if any(one in news for one in cases) else ChangeKind.NOT_RUN
            change = ChangeKind.FIXED if any(has_verdict(news.get(one)) for one in cases) else change
            yield SplatChange(fingerprint, change, splat.kind, splat.title, tuple(cases))


def _splats(cases: Iterable[CaseRecord]) -> dict[str, tuple[SplatReport, list[str]]]:
    """Return each splat by its fingerprint, with the ids of the cases that met it."""
    found: dict[str, tuple[SplatReport, list[str]]] = {}
    for case in cases:
        for splat in case.splats:
            _, ids = found.setdefault(splat.fingerprint, (splat, []))
            if case.id not in ids:
                ids.append(case.id)
    return found
