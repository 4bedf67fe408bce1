# SPDX-License-Identifier: GPL-2.0-only
"""Choose the cases that run on a patch between the ends. Pure.

Why these are enough: ``docs/explanation/decisions/0052-which-cases-run-on-a-patch-between-the-ends.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial

from harness.model.run_record import CaseRecord
from harness.model.series_record import Effect, EffectKind
from harness.model.verdict import FAILED
from harness.results.compare import has_verdict
from harness.series.effects import trait_values
from harness.session.noise import NOISE, Noise

Cases = Mapping[str, CaseRecord]


def needed_cases(base: Cases, last: Cases, *, declared: Collection[str], noise: Noise = NOISE) -> frozenset[str]:
    """Return the cases that run on every patch in between that has its own image.

    - each case whose result differs between the ends, or that fails at an end
    - each case that shows a trait that differs between the ends or is declared to change
    - for every other trait that is seen at an end, the quickest cases that show it

    :param base: the cases of the base.
    :param last: the cases of the last tested patch; empty if there is none.
    :param declared: the traits that are declared to change.
    :param noise: the output of the suite that differs from run to run.
    """
    was, now = trait_values(base.values()), trait_values(last.values())
    traits = {trait for trait in {**was, **now} if last and was.get(trait) != now.get(trait)} | set(declared)
    differ = partial(_differs, has_last=bool(last), noise=noise)
    chosen = {case for case in {**base, **last} if differ(base.get(case), last.get(case))}
    chosen |= cases_that_show(traits, base) | cases_that_show(traits, last)
    return frozenset(chosen | _cover(last or base, chosen))


def widened_cases(effects: Iterable[Effect], *known: Cases) -> frozenset[str]:
    """Return the further cases to run on a patch that changed something: all that show the traits it affected.

    These are the traits that changed, and the traits of cases whose results changed.

    :param effects: the effects of the patch.
    :param known: results that show which case shows which trait.
    """
    traits = set()
    for one in effects:
        if one.of is EffectKind.TRAIT:
            traits.add(one.name)
        for case in one.cases:
            traits.update(seen.trait for cases in known if case in cases for seen in cases[case].sightings)
    return frozenset(case for cases in known for case in cases_that_show(traits, cases))


def cases_that_show(traits: Collection[str], cases: Cases) -> set[str]:
    """Return the ids of the cases that showed one of some traits."""
    return {case.id for case in cases.values() if any(seen.trait in traits for seen in case.sightings)}


def _differs(base: CaseRecord | None, last: CaseRecord | None, *, has_last: bool, noise: Noise) -> bool:
    if any(one is not None and one.outcome in FAILED for one in (base, last)):
        return True
    if not has_last or (not has_verdict(base) and not has_verdict(last)):
        return False
    if base is None or last is None or base.outcome is not last.outcome:
        return True
    seen = ({(one.trait, one.value) for one in case.sightings} for case in (base, last))
    return next(seen) != next(seen) or noise.differ(base.transcript, last.transcript)


def _cover(cases: Cases, chosen: Collection[str]) -> set[str]:
    """Return the quickest cases that together show every trait that the chosen cases do not show.

    The choice is greedy: each time the case with the most open traits per second.
    """
    shows = {one.id: {seen.trait for seen in one.sightings} for one in cases.values() if has_verdict(one)}
    still = set().union(*shows.values()) - set().union(*(shows.get(case, set()) for case in chosen))
    found: set[str] = set()
    while still:
        best = max(shows, key=lambda case: (len(shows[case] & still) / max(cases[case].seconds, 0.05), case))
        still -= shows[best]
        found.add(best)
    return found
