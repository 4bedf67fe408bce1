# SPDX-License-Identifier: GPL-2.0-only
"""Read the values of targets from all that was seen of a commit: its cases, its inventory, how far it came. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.base.errors import HarnessError, Stage
from harness.bisect.state import SeenRecord
from harness.bisect.targets import Kind, Target, read_others, read_value
from harness.model.inventory import ABSENT
from harness.model.run_record import CaseRecord

YES, NO = "yes", "no"
"""The values of the targets ``builds`` and ``boots``."""
_REACHED = {
    Stage.CONFIGURE: {Kind.BUILDS: NO},
    Stage.BUILD: {Kind.BUILDS: NO},
    Stage.BOOT: {Kind.BUILDS: YES, Kind.BOOTS: NO},
}
"""What a kernel shows that fails in a stage; one that cannot be applied shows nothing."""


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """What was seen of a kernel at once.

    :param cases: the cases by id.
    :param runs: the run folders, relative to the folder of the bisection.
    :param stages: whether it builds and boots, as far as that was seen.
    :param inventory: the facts of the entries of its inventory, by key; None if no inventory was taken.
    """

    cases: Mapping[str, CaseRecord] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    stages: Mapping[Kind, str] = field(default_factory=dict)
    inventory: Mapping[str, str] | None = None


def observe_failure(error: HarnessError) -> ObservedRun:
    """Return what a kernel shows that cannot be prepared.

    :param error: why.
    """
    return ObservedRun(stages=_REACHED.get(error.stage, {}) if error.stage else {})


def value_of(target: Target, run: ObservedRun) -> str | None:
    """Return the value of a target; None if it was not seen."""
    if target.kind is Kind.INVENTORY:
        return None if run.inventory is None else run.inventory.get(target.name, ABSENT)
    return read_value(target, run.cases) if target.kind.is_of_cases else run.stages.get(target.kind)


def differing(targets: Iterable[Target], before: ObservedRun, after: ObservedRun) -> list[Target]:
    """Return the targets with different values."""
    found = []
    for target in targets:
        values = value_of(target, before), value_of(target, after)
        if None not in values and values[0] != values[1]:
            found.append(target)
    return found


def seen_values(targets: Sequence[Target], run: ObservedRun) -> tuple[SeenRecord, ...]:
    """Return the values of the targets, and of all other traits and cases of these results."""
    values = [(target.key, value_of(target, run)) for target in targets]
    values += [(target.key, value) for target, value in read_others(targets, run.cases).items()]
    return tuple(SeenRecord(key, value) for key, value in values if value is not None)
