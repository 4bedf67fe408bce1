# SPDX-License-Identifier: GPL-2.0-only
"""Judge the result of a case, and combine the sightings of all cases into the kernel's traits. Pure.

:func:`judge` makes the verdict of one case. :func:`gather` combines the sightings of a whole run: a trait of which two
cases show different values is mixed. :func:`trait_records` makes the table for reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from harness.model.run_record import MixedValue, Problem, ProblemKind, TraitRecord
from harness.model.verdict import Fate, Outcome, SplatReport, TraitSighting, Verdict
from harness.semantics.profile import Expectation, Profile
from harness.semantics.traits import Semantics

_FATES: Mapping[Fate, str] = MappingProxyType(
    {
        Fate.COMMAND_HUNG: "the command hung; the shell and the kernel answer",
        Fate.SHELL_SILENT: "the shell is silent and cannot be interrupted; the kernel answers",
        Fate.SHELL_DIED: "the shell died; the kernel answers",
        Fate.KERNEL_GONE: "the kernel does not answer, but QEMU runs",
        Fate.MACHINE_LOST: "the machine was lost: QEMU ended",
        Fate.STARVED: "this host is too busy: QEMU waited most of the time for a processor or a disk",
    }
)


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """The outcome of one step.

    :param where: file and line of the step.
    :param fits: whether the output is the expected one; false for a step that did not return.
    :param reason: the first difference in one line, without file and line; empty for a match.
    :param diff: unified diff of expected and seen output; empty for a match.
    :param sightings: the trait values that the output showed.
    """

    where: str
    fits: bool
    reason: str = ""
    diff: str = ""
    sightings: tuple[TraitSighting, ...] = ()


@dataclass(frozen=True, slots=True)
class Gathered:
    """The traits that a run has shown.

    :param seen: the value of each trait on which all sightings agree.
    :param where: file and line of each sighting, sorted, by trait; also of a mixed trait.
    :param mixed: the values of each trait of which different steps showed different ones, sorted.
    :param problems: one for each sighting of a trait or value that does not exist.
    """

    seen: Mapping[str, str]
    where: Mapping[str, tuple[str, ...]]
    mixed: Mapping[str, tuple[MixedValue, ...]]
    problems: tuple[Problem, ...]


def judge(
    *,
    steps: Sequence[StepOutcome],
    splats: Sequence[SplatReport],
    fate: Fate,
    profile: Profile,
    skipped: str = "",
) -> Verdict:
    """Judge one case. The first of these that holds decides:

    1. ``skipped``, the reason why it was not run
    2. a splat: it explains a lost machine, a timeout and a mismatch
    3. a lost machine, or a machine that got no processor
    4. a command that did not return, even if shell and kernel answer
    5. the first step that does not match, or that shows another value than a confirmed expectation of the profile
    6. a match; a difference from an unconfirmed expectation is only noted (:func:`notes`)

    Diffs, splats and sightings are always kept, so the verdict on a lost machine shows the outcomes before.

    :param steps: the outcomes of the steps that were played.
    :param splats: the splats of the kernel log.
    :param fate: the state of the machine at the end.
    :param profile: the expectations.
    :param skipped: the reason why the case was not run; empty if it was.
    """
    sightings = tuple(sighting for step in steps for sighting in step.sightings)
    diff = "\n".join(step.diff.rstrip("\n") for step in steps if step.diff)

    def verdict(outcome: Outcome, reason: str = "") -> Verdict:
        return Verdict(outcome, reason, f"{diff}\n" if diff else "", tuple(splats), sightings)

    if skipped:
        return verdict(Outcome.SKIPPED, skipped)
    complaints = [complaint for step in steps for complaint in _complaints(step, profile)]
    last = steps[-1] if steps and not steps[-1].fits else None
    if splats:
        after = f"; {_FATES[fate]}" if fate is not Fate.ALIVE else ""
        return verdict(Outcome.KERNEL, _counted(*(f"{splat.kind}: {splat.title}" for splat in splats)) + after)
    if fate is Fate.MACHINE_LOST:
        return verdict(Outcome.LOST, _at(last, _FATES[fate]))
    if fate is Fate.STARVED:
        return verdict(Outcome.ERROR, _at(last, _FATES[fate]))
    if fate is not Fate.ALIVE:
        return verdict(Outcome.TIMEOUT, _at(last, _FATES[fate]))
    if complaints:
        return verdict(Outcome.MISMATCH, _counted(*complaints))
    return verdict(Outcome.MATCH)


def notes(profile: Profile, sightings: Iterable[TraitSighting]) -> tuple[str, ...]:
    """Return a note for each trait whose unconfirmed expectation differs from the value seen."""
    lines = {
        sighting.trait: f"{_difference(sighting, expected, profile)}; unconfirmed, so it is not a failure"
        for sighting, expected in _differing(profile, sightings)
        if not expected.confirmed
    }
    return tuple(lines[trait] for trait in sorted(lines))


def gather(semantics: Semantics, sightings: Iterable[TraitSighting]) -> Gathered:
    """Combine all sightings of a run; their order does not matter."""
    values: dict[str, dict[str, set[str]]] = {}
    problems: set[Problem] = set()
    for sighting in sightings:
        if complaint := semantics.complaint(sighting.trait, sighting.value):
            problems.add(Problem(ProblemKind.UNKNOWN_VALUE, f"{sighting.where}: {complaint}"))
        else:
            values.setdefault(sighting.trait, {}).setdefault(sighting.value, set()).add(sighting.where)
    seen: dict[str, str] = {}
    where: dict[str, tuple[str, ...]] = {}
    mixed: dict[str, tuple[MixedValue, ...]] = {}
    for trait in sorted(values):
        showing = values[trait]
        where[trait] = tuple(sorted(set().union(*showing.values())))
        if len(showing) == 1:
            (seen[trait],) = showing
        else:
            mixed[trait] = tuple(MixedValue(value, tuple(sorted(lines))) for value, lines in sorted(showing.items()))
    tables = (MappingProxyType(seen), MappingProxyType(where), MappingProxyType(mixed))
    return Gathered(*tables, tuple(sorted(problems, key=str)))


def trait_records(
    semantics: Semantics, profile: Profile, sightings: Iterable[TraitSighting]
) -> tuple[TraitRecord, ...]:
    """Return a record of every trait, in the order of the file, with the value seen and the value expected."""
    gathered = gather(semantics, sightings)
    return tuple(
        TraitRecord(
            name,
            gathered.seen.get(name, ""),
            expected.value if (expected := profile.expectations.get(name)) else "",
            expected.confirmed if expected else False,
            trait.meaning,
            gathered.where.get(name, ()),
            mixed=gathered.mixed.get(name, ()),
        )
        for name, trait in semantics.traits.items()
    )


def _complaints(step: StepOutcome, profile: Profile) -> list[str]:
    """Return the faults of one step, the transcript first: it is the evidence for the trait."""
    differing = _differing(profile, step.sightings)
    denied = [_difference(sighting, expected, profile) for sighting, expected in differing if expected.confirmed]
    return denied if step.fits else [f"{step.where}: {step.reason}", *denied]


def _differing(profile: Profile, sightings: Iterable[TraitSighting]) -> list[tuple[TraitSighting, Expectation]]:
    known = ((sighting, profile.expectations.get(sighting.trait)) for sighting in sightings)
    return [(sighting, expected) for sighting, expected in known if expected and expected.value != sighting.value]


def _difference(sighting: TraitSighting, expected: Expectation, profile: Profile) -> str:
    difference = f"{sighting.trait}: this kernel says {sighting.value}, {profile.name} says {expected.value}"
    return f"{difference} ({expected.source})"


def _at(step: StepOutcome | None, what: str) -> str:
    """Return the text for a fate, with the step at which it happened."""
    if step is None:
        return what
    return f"{step.where}: {what}" + (f" ({step.reason})" if step.reason else "")


def _counted(first: str, *more: str) -> str:
    return f"{first} (and {len(more)} more)" if more else first
