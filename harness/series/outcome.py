"""What all patches together come to: what is broken on the way, what differs at the end, what did not come. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from harness.base.errors import Stage
from harness.model.run_record import RunRecord
from harness.model.series_record import Broken, Effect, EffectKind, Expectedness, PatchRecord, SeriesRecord
from harness.semantics.traits import Semantics
from harness.series.declared import Declarations
from harness.series.effects import KnownResults, find_effects, trait_values

_STAGES = {Stage.CONFIGURE: "the configuration", Stage.BUILD: "the build", Stage.BOOT: "the boot"}


def conclude(
    record: SeriesRecord,
    runs: Mapping[int, RunRecord],
    *,
    base: KnownResults | None,
    declared: Declarations,
    semantics: Semantics,
) -> SeriesRecord:
    """The record with what is to be said of the whole.

    :param runs: of each kernel that was booted, by patch. :param base: None when the base was not judged.
    """
    last = max(runs, default=0)
    net = find_effects(base, last, runs[last], base=base, declared=declared) if base is not None and last else ()
    is_whole = last == len(record.posted)
    return replace(
        record,
        broken=tuple(find_broken(record.posted)),
        net=tuple(_as_a_whole(one, declared) for one in net),
        missing=tuple(_missing(runs[last], declared, semantics)) if is_whole and last else (),
    )


def _as_a_whole(effect: Effect, declared: Declarations) -> Effect:
    """An effect of the whole series: which patch did it, and since when, is told patch by patch."""
    meant = declared.final.get(effect.name)
    is_intended = effect.of is EffectKind.TRAIT and meant is not None and meant.value == effect.after
    return replace(effect, since=-1, standing=Expectedness.INTENDED if is_intended else effect.standing)


def find_broken(patches: tuple[PatchRecord, ...]) -> Iterator[Broken]:
    """What one patch breaks, and a later one mends."""
    stages: dict[str, int] = {}
    effects: dict[tuple[str, str], int] = {}
    for patch in patches:
        if patch.failed in _STAGES and patch.at_fault:
            stages.setdefault(patch.failed, patch.number)
        elif not patch.failed:
            for stage, by in stages.items():
                yield Broken(_STAGES[Stage(stage)], by, patch.number)
            stages.clear()
        for one in patch.effects:
            key = one.of.value, one.name
            if one.standing is Expectedness.UNEXPECTED:
                effects.setdefault(key, patch.number)
            elif one.standing is Expectedness.MENDED and key in effects:
                what = f"{one.of} {one.name}" if one.text == "" or one.of != "splat" else f"the kernel log ({one.text})"
                yield Broken(what, effects.pop(key), patch.number)


def _missing(run: RunRecord, declared: Declarations, semantics: Semantics) -> Iterator[str]:
    """What was declared and did not come."""
    seen = trait_values(run.cases)
    for trait, entry in declared.final.items():
        value = seen.get(trait, "")
        if value != entry.value:
            shown = f"it is {value}" if value else "no case that was asked shows it"
            scenarios = semantics.traits[trait].scenarios
            hint = f" (shown by {', '.join(scenarios)})" if not value and scenarios else ""
            yield f"{trait} = {entry.value}, declared by {entry.source}: {shown}{hint}"
