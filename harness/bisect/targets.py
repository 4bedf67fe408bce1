"""What a run says of the targets of a bisection: of each trait its value, of each case how it ended. Pure.

A value is what is compared: it holds nothing that differs from run to run.
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
"""The value of a trait that no case has shown, though those that show it elsewhere were asked."""
_VALUE_LENGTH = 200


class Kind(StrEnum):
    """What is traced."""

    TRAIT = "trait"
    CASE = "case"


@dataclass(frozen=True, slots=True)
class Target:
    """What is traced.

    :param name: of the trait; id of the case.
    :param files: ids of the case files that show it, the best one first.
    """

    kind: Kind
    name: str
    files: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """It in two words, unique: ``trait mount_root``, ``case SUITE/views/x.session``."""
        return f"{self.kind} {self.name}"


def read_cases(runs: Sequence[RunRecord], noise: Noise = NOISE) -> dict[str, CaseRecord]:
    """The cases of runs on one kernel, as :func:`quiet_case` gives them; of one that is in several, the last."""
    return {case.id: quiet_case(case, noise) for run in runs for case in run.cases}


def quiet_case(case: CaseRecord, noise: Noise) -> CaseRecord:
    """The case with a reason that holds nothing that differs from run to run: what is compared is made of it."""
    return replace(case, reason=noise.line(case.reason)) if case.reason else case


def read_value(target: Target, cases: Mapping[str, CaseRecord]) -> str | None:
    """The value that the cases show; None when they say nothing of it, as it was not asked or the host failed."""
    if target.kind is Kind.CASE:
        case = cases.get(target.name)
        return None if case is None else case_value(case)
    asked = [case for case in cases.values() if file_of(case.id) in target.files]
    values = {seen.value for case in asked for seen in case.sightings if seen.trait == target.name}
    if values:
        return " and ".join(sorted(values))
    files = {file_of(case.id) for case in asked if case.outcome is not Outcome.ERROR}
    return UNSEEN if files and files >= set(target.files) else None


def case_value(case: CaseRecord) -> str | None:
    """How a case ended, and of one that failed how; None when that says nothing of the kernel."""
    if case.outcome is Outcome.ERROR:
        return None
    if case.outcome not in FAILED or not case.reason:
        return str(case.outcome)
    return elide(f"{case.outcome}: {NOISE.line(case.reason)}", _VALUE_LENGTH)


def file_of(case_id: str) -> str:
    """The file of a case, as its id says it."""
    return case_id.partition("::")[0]


def find_targets(before: Mapping[str, CaseRecord], after: Mapping[str, CaseRecord]) -> list[Target]:
    """All that the cases of two kernels can tell apart: each trait that either shows, each case that both were asked.

    The best file to ask for a trait is one that has shown it on both, and then the quickest.
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
    both = [name for name in after if name in before]
    return targets + [Target(Kind.CASE, name, (file_of(name),)) for name in sorted(both)]


def differing(
    targets: Iterable[Target], before: Mapping[str, CaseRecord], after: Mapping[str, CaseRecord]
) -> list[Target]:
    """The targets that have another value in one than in the other."""
    found = []
    for target in targets:
        values = read_value(target, before), read_value(target, after)
        if None not in values and values[0] != values[1]:
            found.append(target)
    return found


def read_others(targets: Iterable[Target], cases: Mapping[str, CaseRecord]) -> dict[Target, str]:
    """What the cases show besides the targets: a trait that is the same at both ends may be otherwise on the way."""
    known = {target.key for target in targets}
    found = {}
    for target in find_targets(cases, cases):
        value = read_value(target, cases)
        if target.key not in known and value is not None:
            found[target] = value
    return found


def files_to_ask(targets: Iterable[Target], *, every: bool = False) -> tuple[str, ...]:
    """The case files that show these targets, as few as possible.

    :param every: all that can show a trait, and not only the best one.
    """
    targets = list(targets)
    wanted = dict.fromkeys(file for one in targets if one.kind is Kind.CASE for file in one.files)
    for target in targets:
        if every:
            wanted |= dict.fromkeys(target.files)
        elif target.files and not wanted.keys() & set(target.files[:1]):
            wanted[target.files[0]] = None
    return tuple(wanted)
