# SPDX-License-Identifier: GPL-2.0-only
"""Read the values of targets from a run: the value of a trait, the outcome of a case. Pure.

Values are compared, so they contain nothing that differs from run to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.model.run_record import CaseRecord, RunRecord
from harness.model.verdict import FAILED, Outcome
from harness.report.text import elide
from harness.session.noise import NOISE, Noise

UNSEEN = "not seen"
"""The value of a trait that no case has shown, though the cases that show it on other kernels ran."""
LOGGED, NOT_LOGGED = "logged", "not logged"
"""The values of a splat."""
_VALUE_LENGTH = 200


class Kind(StrEnum):
    """The kind of a target."""

    TRAIT = "trait"
    CASE = "case"
    SPLAT = "splat"
    BUILDS = "builds"
    BOOTS = "boots"
    INVENTORY = "inventory"

    @property
    def is_of_cases(self) -> bool:
        """Return whether cases show it; the others are seen of the kernel itself, and once is enough."""
        return self in (Kind.TRAIT, Kind.CASE, Kind.SPLAT)


@dataclass(frozen=True, slots=True)
class Target:
    """A trait, a case, or anything else that is traced.

    :param kind: the kind.
    :param name: the name of the trait, the id of the case, the fingerprint of the splat or the key of the entry of the
        inventory; empty for ``builds`` and ``boots``.
    :param files: the ids of the case files that show it, the best one first.
    :param case: the id of the only case in which the trait is read; empty for all of ``files``. A trait of which cases
        see different values on one kernel is traced in each of its cases: other cases would show other values.
    """

    kind: Kind
    name: str
    files: tuple[str, ...] = ()
    case: str = ""

    @property
    def label(self) -> str:
        """Return the name, and the case in which a trait is read: ``mount_root in SUITE/views/x.session``."""
        return f"{self.name} in {self.case}" if self.case else self.name or str(self.kind)

    @property
    def key(self) -> str:
        """Return a unique text for the target: ``trait mount_root``, ``case SUITE/views/x.session``, ``boots``."""
        return f"{self.kind} {self.label}" if self.name else str(self.kind)


def read_cases(runs: Sequence[RunRecord], noise: Noise = NOISE) -> dict[str, CaseRecord]:
    """Return the cases of runs on one kernel without noise; the last run of a case counts."""
    return {case.id: quiet_case(case, noise) for run in runs for case in run.cases}


def quiet_case(case: CaseRecord, noise: Noise) -> CaseRecord:
    """Return a case with the noise removed from its reason, so that values can be compared."""
    return replace(case, reason=noise.line(case.reason)) if case.reason else case


def read_value(target: Target, cases: Mapping[str, CaseRecord]) -> str | None:
    """Return the value of a target; None if no case that shows it has a verdict."""
    if target.kind is Kind.CASE:
        case = cases.get(target.name)
        return None if case is None else case_value(case)
    if not target.kind.is_of_cases:
        return None
    ran = [one for one in cases.values() if file_of(one.id) in target.files and target.case in ("", one.id)]
    if target.kind is Kind.SPLAT:
        values = {LOGGED for case in ran for splat in case.splats if splat.fingerprint == target.name}
    else:
        values = _all_values(ran, target.name)
    if values:
        return " and ".join(sorted(values))
    files = {file_of(case.id) for case in ran if case.outcome is not Outcome.ERROR}
    missing = NOT_LOGGED if target.kind is Kind.SPLAT else UNSEEN
    return missing if files and files >= set(target.files) else None


def case_value(case: CaseRecord) -> str | None:
    """Return the outcome of a case, with the reason if it failed; None if it ended with an error of the harness."""
    if case.outcome is Outcome.ERROR:
        return None
    if case.outcome not in FAILED or not case.reason or case.is_free_text:
        return str(case.outcome)
    return elide(f"{case.outcome}: {NOISE.line(case.reason)}", _VALUE_LENGTH)


def file_of(case_id: str) -> str:
    """Return the file part of a case id."""
    return case_id.partition("::")[0]


def find_targets(before: Mapping[str, CaseRecord], after: Mapping[str, CaseRecord]) -> list[Target]:
    """Return all targets of two kernels: each trait that either shows, each case that ran on both.

    A trait that is mixed on one of the kernels is a target in each case that shows it.
    """
    targets = []
    for whole in _trait_targets(before, after):
        showing = {case.id for cases in (before, after) for case in cases.values() if _values(case, whole.name)}
        if any(len(_all_values(cases.values(), whole.name)) > 1 for cases in (before, after)):
            targets += [replace(whole, files=(file_of(one),), case=one) for one in sorted(showing)]
        else:
            targets.append(whole)
    return targets + _case_targets(before, after)


def _case_targets(before: Mapping[str, CaseRecord], after: Mapping[str, CaseRecord]) -> list[Target]:
    return [Target(Kind.CASE, name, (file_of(name),)) for name in sorted(before.keys() & after.keys())]


def splat_targets(before: Mapping[str, CaseRecord], after: Mapping[str, CaseRecord], prefix: str) -> list[Target]:
    """Return a target for each splat whose fingerprint begins with some digits.

    One that no case has logged yet may be logged by chance: it is looked for in all cases.
    """
    showing: dict[str, dict[str, float]] = {}
    for cases in (before, after):
        for case in cases.values():
            for splat in case.splats:
                if splat.fingerprint.startswith(prefix):
                    showing.setdefault(splat.fingerprint, {})[file_of(case.id)] = case.seconds
    if not showing:
        return [Target(Kind.SPLAT, prefix, tuple(sorted({file_of(case) for case in before.keys() & after.keys()})))]
    return [
        Target(Kind.SPLAT, name, tuple(sorted(files, key=lambda file: (files[file], file))))
        for name, files in sorted(showing.items())
    ]


def _values(case: CaseRecord, trait: str) -> set[str]:
    return {seen.value for seen in case.sightings if seen.trait == trait}


def _all_values(cases: Iterable[CaseRecord], trait: str) -> set[str]:
    return {value for case in cases for value in _values(case, trait)}


def _trait_targets(before: Mapping[str, CaseRecord], after: Mapping[str, CaseRecord]) -> list[Target]:
    """Return a target for each trait.

    The files of a trait are sorted: those that showed it on both kernels first, then by duration.
    """
    showing: dict[str, dict[str, list[CaseRecord]]] = {}
    for cases in (before, after):
        for case in cases.values():
            for trait in {seen.trait for seen in case.sightings}:
                showing.setdefault(trait, {}).setdefault(file_of(case.id), []).append(case)
    targets = []
    for trait in sorted(showing):
        of = showing[trait]
        order = sorted(of, key=lambda file: (-len(of[file]), sum(case.seconds for case in of[file]), file))
        targets.append(Target(Kind.TRAIT, trait, tuple(order)))
    return targets


def read_others(targets: Iterable[Target], cases: Mapping[str, CaseRecord]) -> dict[Target, str]:
    """Return the values of all other targets: one that is equal at both ends may differ in between."""
    known = {target.key for target in targets}
    found = {}
    # A trait that is mixed only here is one target, as at the ends.
    for target in [*_trait_targets(cases, cases), *_case_targets(cases, cases)]:
        value = read_value(target, cases)
        if target.key not in known and value is not None:
            found[target] = value
    return found


def files_to_run(targets: Iterable[Target], *, every: bool = False) -> tuple[str, ...]:
    """Return the case files that show some targets, as few as possible.

    :param targets: the targets.
    :param every: include all files that can show a trait, not only the best one.
    """
    targets = list(targets)
    wanted = dict.fromkeys(file for one in targets if one.kind in (Kind.CASE, Kind.SPLAT) for file in one.files)
    for target in targets:
        if every:
            wanted |= dict.fromkeys(target.files)
        elif target.files and not wanted.keys() & set(target.files[:1]):
            wanted[target.files[0]] = None
    return tuple(wanted)
