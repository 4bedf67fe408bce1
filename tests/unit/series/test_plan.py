# SPDX-License-Identifier: GPL-2.0-only
"""Choose the cases that run on the patches between the ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.model.run_record import CaseRecord
from harness.model.series_record import Effect, EffectKind, Expectedness
from harness.model.verdict import Outcome
from harness.series.effects import trait_values
from harness.series.plan import cases_that_show, needed_cases, widened_cases
from tests.unit.series.sample import case

TRAITS = st.dictionaries(st.sampled_from("pqrstu"), st.sampled_from("xy"))
KERNELS = st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(TRAITS, st.sampled_from(list(Outcome))), min_size=1)


def by_id(*cases: CaseRecord) -> dict[str, CaseRecord]:
    """Return cases by their ids."""
    return {one.id: one for one in cases}


def test_differing_trait_needs_every_case_that_shows_it() -> None:
    """Other traits need one case each."""
    base = by_id(
        case("a", shows={"p": "x"}),
        case("b", shows={"p": "x", "q": "x"}),
        case("slow", shows={"r": "x"}, seconds=9.0),
        case("quick", shows={"r": "x"}),
        case("silent"),
    )
    last = {**base, **by_id(case("a", shows={"p": "y"}))}

    assert needed_cases(base, last, declared=()) == {f"cases/{name}.session" for name in ("a", "b", "quick")}
    assert "cases/slow.session" in needed_cases(base, last, declared=("r",))


def test_failing_or_differing_cases_are_needed() -> None:
    """A case that fails at an end or whose transcript differs is needed; process IDs are noise."""
    base = by_id(
        case("fails", Outcome.LOST),
        case("words", transcript="    # cat x\n    one\n"),
        case("pids", transcript="    # sleep 1 &\n    [1] 412\n"),
    )
    last = {
        **base,
        **by_id(
            case("words", transcript="    # cat x\n    two\n"),
            case("pids", transcript="    # sleep 1 &\n    [1] 977\n"),
        ),
    }

    assert needed_cases(base, last, declared=()) == {"cases/fails.session", "cases/words.session"}


@given(KERNELS, KERNELS)
def test_every_trait_and_difference_is_covered(
    first: dict[str, tuple[dict[str, str], Outcome]], second: dict[str, tuple[dict[str, str], Outcome]]
) -> None:
    """A chosen case shows each trait of the last patch, and each difference between the ends is chosen."""
    base, last = (
        by_id(*(case(name, outcome, shows=shows) for name, (shows, outcome) in kernel.items()))
        for kernel in (first, second)
    )
    needed = needed_cases(base, last, declared=())
    asked = {one for one in last.values() if one.outcome not in (Outcome.SKIPPED, Outcome.ERROR)}
    shown = {seen.trait for one in last.values() if one.id in needed for seen in one.sightings}

    assert {seen.trait for one in asked for seen in one.sightings} <= shown
    was, now = trait_values(base.values()), trait_values(last.values())
    differing = {trait for trait in was if now.get(trait) != was[trait]}
    assert cases_that_show(differing, base) | cases_that_show(differing, last) <= needed
    for name in base.keys() & last.keys():
        one, other = base[name], last[name]
        if one.outcome is not other.outcome and other in asked and one.outcome is not Outcome.SKIPPED:
            assert name in needed


def test_patch_with_effects_needs_more_cases() -> None:
    """All cases that show a changed trait, or a trait of a changed case, are needed."""
    cases = by_id(case("a", shows={"p": "x"}), case("b", shows={"p": "x", "q": "x"}), case("c", shows={"q": "x"}))
    trait = Effect(EffectKind.TRAIT, "p", "x", "y", Expectedness.UNEXPECTED, cases=("cases/a.session",))
    failed = Effect(
        EffectKind.CASE, "cases/c.session", "match", "lost", Expectedness.UNEXPECTED, cases=("cases/c.session",)
    )

    assert widened_cases([trait], cases) == {"cases/a.session", "cases/b.session"}
    assert widened_cases([failed], cases) == {"cases/b.session", "cases/c.session"}
    assert widened_cases([], cases) == frozenset()
    assert cases_that_show({"q"}, cases) == {"cases/b.session", "cases/c.session"}
