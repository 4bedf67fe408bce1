# SPDX-License-Identifier: GPL-2.0-only
"""Find the effects of a patch: compare the cases of two kernels, and the changes with the declarations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from harness.base.errors import Stage
from harness.model.inventory import TARGET, changes_between
from harness.model.run_record import CaseRecord, RunRecord
from harness.model.series_record import Broken, Effect, EffectKind, Expectedness, PatchRecord, SeriesRecord, Undelivered
from harness.model.verdict import FAILED, Outcome
from harness.results.compare import CaseChange, ChangeKind, Comparison, compare, has_verdict
from harness.semantics.traits import Semantics
from harness.series.declared import Declarations
from harness.session.noise import NOISE, Noise

SEPARATOR = " and "
"""The text between the values of a trait on which cases of one kernel contradict each other."""


@dataclass(frozen=True, slots=True)
class KnownResults:
    """The known results of a kernel.

    :param number: the number of the patch.
    :param run: its run record, for facts that are not about a case.
    :param cases: the newest result of each case, on this patch or an earlier one, by id.
    :param asked_at: the patch on which each case ran last, by id.
    """

    number: int
    run: RunRecord
    cases: Mapping[str, CaseRecord]
    asked_at: Mapping[str, int]

    def followed_by(self, number: int, run: RunRecord) -> KnownResults:
        """Return the known results of a later patch, on which the cases of ``run`` ran."""
        new = {case.id: case for case in run.cases}
        return KnownResults(number, run, {**self.cases, **new}, {**self.asked_at, **dict.fromkeys(new, number)})


def trait_values(cases: Iterable[CaseRecord]) -> dict[str, str]:
    """Return the value of each trait that cases showed; contradicting values are joined by :data:`SEPARATOR`."""
    values: dict[str, set[str]] = {}
    for case in cases:
        for one in case.sightings:
            values.setdefault(one.trait, set()).add(one.value)
    return {trait: SEPARATOR.join(sorted(seen)) for trait, seen in values.items()}


def find_effects(
    before: KnownResults,
    number: int,
    run: RunRecord,
    *,
    base: KnownResults,
    declared: Declarations,
    noise: Noise = NOISE,
) -> tuple[Effect, ...]:
    """Find the changes of a patch in the cases that ran both before and on it.

    :param before: the known results before the patch.
    :param number: the number of the patch.
    :param run: the run of its kernel.
    :param base: the results of the base, to whose values a trait may return.
    :param declared: the declared changes.
    :param noise: the output of the suite that differs from run to run.
    """
    now = {case.id: case for case in run.cases if case.id in before.cases}
    old = {case: before.cases[case] for case in now}
    comparison = compare(
        replace(before.run, cases=tuple(old.values())), replace(run, cases=tuple(now.values())), noise=noise
    )
    traits = list(_trait_effects(old, now, base, number, declared, run))
    splats = list(_splat_effects(comparison))
    changed = {one.name for one in traits}
    splatted = {case for one in splats if not one.before for case in one.cases}
    cases = [
        effect
        for one in comparison.cases
        if not _is_explained(one, changed) and not (one.id in splatted and one.change is not ChangeKind.FIXED)
        if (effect := _case_effect(one, declared)) is not None
    ]
    found = tuple(replace(one, since=_since(one, before, number)) for one in (*traits, *splats, *cases))
    return (*found, *_inventory_effects(before.run, run, base.run, declared))


def _inventory_effects(before: RunRecord, run: RunRecord, base: RunRecord, declared: Declarations) -> Iterator[Effect]:
    """Yield each entry of the inventory that the patch adds, removes or changes, if both kernels have an inventory."""
    if not before.inventory or not run.inventory:
        return
    at_base = {one.key: one.facts for one in base.inventory}
    for one in changes_between(before.inventory, run.inventory):
        if declared.allows_case(f"{TARGET}{one.key}"):
            standing = Expectedness.INTENDED
        elif one.before != at_base.get(one.key, "") and one.after == at_base.get(one.key, ""):
            standing = Expectedness.MENDED
        else:
            standing = Expectedness.UNEXPECTED
        yield Effect(EffectKind.INVENTORY, one.key, one.before, one.after, standing)


def _since(effect: Effect, before: KnownResults, number: int) -> int:
    """Return the last patch known without the effect, or -1 if that is the previous one."""
    at = max((before.asked_at[case] for case in effect.cases if case in before.asked_at), default=before.number)
    return -1 if at >= before.number or at >= number - 1 else at


def _trait_effects(
    old: Mapping[str, CaseRecord],
    now: Mapping[str, CaseRecord],
    base: KnownResults,
    number: int,
    declared: Declarations,
    run: RunRecord,
) -> Iterator[Effect]:
    # A flaky result on one kernel is no evidence of a change.
    now = {name: case for name, case in now.items() if not case.is_flaky}
    old = {name: case for name, case in old.items() if name in now}
    was, values = trait_values(old.values()), trait_values(now.values())
    at_base = trait_values(base.cases.values())
    records = {trait.trait: trait for trait in run.traits}
    meant = {trait: entry.value for trait, entry in declared.final.items()}
    for trait in (one for one in values if one in was and was[one] != values[one]):
        expected = records[trait].expected if trait in records and records[trait].confirmed else ""
        if declared.allows(trait, values[trait], patch=number):
            standing = Expectedness.INTENDED
        elif values[trait] in (at_base.get(trait), expected) and was[trait] not in (expected, meant.get(trait)):
            standing = Expectedness.MENDED
        else:
            standing = Expectedness.UNEXPECTED
        showing = tuple(case for case in now if _values(now[case], trait) != _values(old[case], trait))
        meaning = records[trait].meaning if trait in records else ""
        yield Effect(EffectKind.TRAIT, trait, was[trait], values[trait], standing, meaning, showing)


def _values(case: CaseRecord, trait: str) -> set[str]:
    return {one.value for one in case.sightings if one.trait == trait}


def _splat_effects(comparison: Comparison) -> Iterator[Effect]:
    for one in comparison.splats:
        if one.change in (ChangeKind.REGRESSED, ChangeKind.NEW):
            # A splat that does not appear in a rerun still counts: races are like that.
            yield Effect(EffectKind.SPLAT, one.fingerprint, "", one.kind, Expectedness.UNEXPECTED, one.title, one.cases)
        elif one.change is ChangeKind.FIXED:
            yield Effect(EffectKind.SPLAT, one.fingerprint, one.kind, "", Expectedness.MENDED, one.title, one.cases)


def _is_explained(one: CaseChange, traits: set[str]) -> bool:
    """Return whether a case changed only in values of traits that are reported themselves."""
    if one.before is None or one.after is None or not (has_verdict(one.before) and has_verdict(one.after)):
        return False
    shown = [{(seen.trait, seen.value) for seen in case.sightings} for case in (one.before, one.after)]
    differing = {trait for trait, _ in shown[0] ^ shown[1]}
    plain = {one.before.outcome, one.after.outcome} <= {Outcome.MATCH, Outcome.MISMATCH}
    return bool(differing & traits) and plain and not one.after.diff and not one.after.splats


def _case_effect(one: CaseChange, declared: Declarations) -> Effect | None:
    """Return the effect on a case; None if it is unchanged or only shows another expected output."""
    if one.change in (ChangeKind.SAME, ChangeKind.CHANGED):
        return None
    before, after = one.before, one.after
    assert before is not None
    assert after is not None
    standing = _STANDINGS.get(one.change, Expectedness.UNEXPECTED)
    if one.change is ChangeKind.NEW:
        standing = Expectedness.UNEXPECTED if after.outcome in FAILED else Expectedness.ALLOWED
    if standing is Expectedness.UNEXPECTED and declared.allows_case(one.id):
        standing = Expectedness.INTENDED
    return Effect(EffectKind.CASE, one.id, before.outcome, after.outcome, standing, after.reason, (one.id,))


_STANDINGS = {
    ChangeKind.FIXED: Expectedness.MENDED,
    ChangeKind.KNOWN: Expectedness.ALLOWED,
    ChangeKind.FLAKY: Expectedness.ALLOWED,
    ChangeKind.GONE: Expectedness.ALLOWED,
    ChangeKind.NOT_RUN: Expectedness.ALLOWED,
}
"""All other kinds of change are unexpected."""


_STAGES = {Stage.CONFIGURE: "the configuration", Stage.BUILD: "the build", Stage.BOOT: "the boot"}


def conclude(
    record: SeriesRecord,
    runs: Mapping[int, RunRecord],
    *,
    base: KnownResults | None,
    declared: Declarations,
    semantics: Semantics,
    noise: Noise = NOISE,
) -> SeriesRecord:
    """Return the record with the conclusions on the whole series.

    :param record: the record of the patches.
    :param runs: the run of each booted kernel, by patch.
    :param base: the results of the base; None if it was not tested.
    :param declared: the declared changes.
    :param semantics: the traits and profiles of the suite.
    :param noise: the output of the suite that differs from run to run.
    """
    last = max(runs, default=0)
    net: tuple[Effect, ...] = ()
    if base is not None and last:
        net = find_effects(base, last, runs[last], base=base, declared=declared, noise=noise)
    is_whole = last == len(record.posted)
    return replace(
        record,
        broken=tuple(find_broken(record.posted)),
        net=tuple(_as_a_whole(one, declared) for one in net),
        missing=tuple(_missing(runs[last], declared, semantics)) if is_whole and last else (),
    )


def _as_a_whole(effect: Effect, declared: Declarations) -> Effect:
    """Return an effect of the whole series; the effects of the patches show which patch made it."""
    meant = declared.final.get(effect.name)
    is_intended = effect.of is EffectKind.TRAIT and meant is not None and meant.value == effect.after
    return replace(effect, since=-1, standing=Expectedness.INTENDED if is_intended else effect.standing)


def find_broken(patches: tuple[PatchRecord, ...]) -> Iterator[Broken]:
    """Yield each stage or behavior that one patch breaks and a later one fixes."""
    stages: dict[str, int] = {}
    effects: dict[tuple[str, str, str], int] = {}
    for patch in patches:
        if patch.failed in _STAGES and patch.at_fault:
            stages.setdefault(patch.failed, patch.number)
        elif not patch.failed:
            for stage, by in stages.items():
                yield Broken(_STAGES[Stage(stage)], by, patch.number)
            stages.clear()
        for one in patch.effects:
            key = one.of.value, one.name, one.variant
            if one.standing is Expectedness.UNEXPECTED:
                effects.setdefault(key, patch.number)
            elif one.standing is Expectedness.MENDED and key in effects:
                what = f"{one.of} {one.name}" if one.text == "" or one.of != "splat" else f"the kernel log ({one.text})"
                what += f" with {one.variant}" if one.variant else ""
                yield Broken(what, effects.pop(key), patch.number)


def _missing(run: RunRecord, declared: Declarations, semantics: Semantics) -> Iterator[Undelivered]:
    """Yield each declared change that is missing."""
    seen = trait_values(run.cases)
    for trait, entry in declared.final.items():
        value = seen.get(trait, "")
        if value != entry.value:
            shown = f"it is {value}" if value else "no case of this run shows it"
            scenarios = semantics.traits[trait].scenarios
            hint = f" (shown by {', '.join(scenarios)})" if not value and scenarios else ""
            text = f"{trait} = {entry.value}, declared by {entry.source}: {shown}{hint}"
            yield Undelivered(trait, text)
