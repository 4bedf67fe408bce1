# SPDX-License-Identifier: GPL-2.0-only
"""Find the effects of a patch and compare them with the declarations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.inventory import InventoryEntry
from harness.model.run_record import OutcomeCount, RunRecord
from harness.model.series_record import Declared, Effect, EffectKind, Expectedness
from harness.model.verdict import Outcome, SplatReport
from harness.series.declared import Declarations
from harness.series.effects import KnownResults, find_effects, trait_values
from tests.unit.series.sample import case, known, run

SPLAT = SplatReport("warning", "WARNING: at kernel/x.c:1", "f00", "WARNING")
NOTHING = Declarations()
RELATIVE = run("a", case("a", shows={"view": "relative"}), case("b"), expected={"view": "relative"})
ABSOLUTE = run("b", case("a", Outcome.MISMATCH, shows={"view": "absolute"}), case("b"), expected={"view": "relative"})


def effects(before: RunRecord, after: RunRecord, declared: Declarations = NOTHING) -> list[tuple[str, Expectedness]]:
    """Return name and standing of each effect of the second run, with the first as base."""
    base = known(0, before)
    return [(one.name, one.standing) for one in find_effects(base, 1, after, base=base, declared=declared)]


def test_equal_results_have_no_effect() -> None:
    """The images do not matter."""
    assert effects(RELATIVE, replace(RELATIVE, kernel=ABSOLUTE.kernel)) == []


def test_changed_trait_explains_its_case() -> None:
    """A case that failed only for the trait is reported with it, once."""
    (one,) = find_effects(known(0, RELATIVE), 1, ABSOLUTE, base=known(0, RELATIVE), declared=NOTHING)

    assert one == Effect(
        EffectKind.TRAIT, "view", "relative", "absolute", Expectedness.UNEXPECTED, "what view is", ("cases/a.session",)
    )


def test_declared_change_is_intended() -> None:
    """The series or this patch may declare it; a declaration of another patch does not count."""
    by = [Declarations((Declared("view", "absolute", patch),)) for patch in (0, 1, 2)]

    assert [effects(RELATIVE, ABSOLUTE, one) for one in by] == [
        [("view", Expectedness.INTENDED)],
        [("view", Expectedness.INTENDED)],
        [("view", Expectedness.UNEXPECTED)],
    ]


def test_change_back_is_a_fix() -> None:
    """A return to the base's or the profile's value is a fix, but not a return from a declared value."""
    base, broken = known(0, RELATIVE), known(0, RELATIVE).followed_by(1, ABSOLUTE)
    meant = Declarations((Declared("view", "absolute"),))

    assert [one.standing for one in find_effects(broken, 2, RELATIVE, base=base, declared=NOTHING)] == [
        Expectedness.MENDED
    ]
    assert [one.standing for one in find_effects(broken, 2, RELATIVE, base=base, declared=meant)] == [
        Expectedness.UNEXPECTED
    ]
    assert effects(ABSOLUTE, RELATIVE) == [("view", Expectedness.MENDED)]


def test_cases_that_contradict_each_other_show_both_values() -> None:
    """A patch may change a view in one hierarchy only."""
    before = run("a", case("a", shows={"view": "relative"}), case("b", shows={"view": "relative"}))
    after = run("b", case("a", shows={"view": "absolute"}), case("b", shows={"view": "relative"}))
    (one,) = find_effects(known(0, before), 1, after, base=known(0, before), declared=NOTHING)

    assert trait_values(after.cases) == {"view": "absolute and relative"}
    assert (one.after, one.cases) == ("absolute and relative", ("cases/a.session",))


@pytest.mark.parametrize(
    ("before", "after", "standing"),
    [
        (case("b"), case("b", Outcome.MISMATCH, diff="-x\n+y"), Expectedness.UNEXPECTED),
        (case("b"), case("b", Outcome.TIMEOUT), Expectedness.UNEXPECTED),
        (case("b", Outcome.LOST), case("b"), Expectedness.MENDED),
        (case("b"), case("b", Outcome.SKIPPED), Expectedness.ALLOWED),
        (case("b"), replace(case("b", Outcome.LOST), known="known until 2027"), Expectedness.ALLOWED),
        (case("b", Outcome.SKIPPED), case("b", Outcome.MISMATCH), Expectedness.UNEXPECTED),
        (case("b", Outcome.SKIPPED), case("b"), Expectedness.ALLOWED),
    ],
)
def test_case_without_a_trait(before: object, after: object, standing: Expectedness) -> None:
    """A case that fails for another reason than a trait is reported by its id."""
    assert effects(run("a", before), run("b", after)) == [("cases/b.session", standing)]  # type: ignore[arg-type]


def test_case_with_another_difference_is_reported_too() -> None:
    """The value of a trait does not explain other differences of the transcript."""
    worse = case("a", Outcome.MISMATCH, shows={"view": "absolute"}, diff="-x\n+y")

    assert effects(RELATIVE, run("b", worse, case("b"))) == [
        ("view", Expectedness.UNEXPECTED),
        ("cases/a.session", Expectedness.UNEXPECTED),
    ]


def test_declared_case_may_change() -> None:
    """A change without a trait can be declared by the id of the case."""
    declared = Declarations((Declared("cases/b.session"),))
    assert effects(run("a", case("b")), run("b", case("b", Outcome.TIMEOUT)), declared) == [
        ("cases/b.session", Expectedness.INTENDED)
    ]


def test_splat_is_reported_with_its_case() -> None:
    """A new splat is unexpected, a removed one is a fix; the case is not reported again."""
    clean, splatted = run("a", case("b")), run("b", case("b", Outcome.KERNEL, splats=(SPLAT,)))

    assert effects(clean, splatted) == [("f00", Expectedness.UNEXPECTED)]
    assert ("f00", Expectedness.MENDED) in effects(splatted, replace(clean, kernel=RELATIVE.kernel))


def test_effect_names_the_last_patch_without_it() -> None:
    """A case that last ran on the base may have changed with any patch since."""
    base = known(0, run("a", case("a"), case("b")))
    before = base.followed_by(1, run("b", case("a"))).followed_by(2, run("c", case("a")))
    found = find_effects(
        before, 3, run("d", case("a", Outcome.LOST), case("b", Outcome.LOST)), base=base, declared=NOTHING
    )

    assert {one.name: one.since for one in found} == {"cases/a.session": -1, "cases/b.session": 0}


def test_only_cases_of_both_runs_are_compared() -> None:
    """A case that the base did not have is not an effect of a patch."""
    assert effects(run("a", case("a")), run("b", case("a"), case("new", Outcome.LOST))) == []


def test_flaky_case_shows_no_trait() -> None:
    """A value that differs between runs of one image is not the behavior of the kernel."""
    (first, second) = ABSOLUTE.cases
    flaky = replace(first, tries=(OutcomeCount(Outcome.MATCH, 1), OutcomeCount(Outcome.MISMATCH, 1)))

    assert effects(RELATIVE, replace(ABSOLUTE, cases=(flaky, second))) == [("cases/a.session", Expectedness.ALLOWED)]


def test_followed_by_keeps_the_newest() -> None:
    """The newest result of each case is kept."""
    base: KnownResults = known(0, run("a", case("a"), case("b")))
    later = base.followed_by(1, run("b", case("a", Outcome.LOST)))

    assert later.cases["cases/a.session"].outcome is Outcome.LOST
    assert later.asked_at == {"cases/a.session": 1, "cases/b.session": 0}


def listed(image: str, **facts: str) -> RunRecord:
    """Return a run whose inventory has these entries, in a section ``files``."""
    entries = tuple(InventoryEntry(f"files: {name}", text) for name, text in facts.items())
    return replace(run(image, case("b")), inventory=entries)


def test_entries_of_the_inventory_are_effects() -> None:
    """One for each that comes, goes or changes, with the facts that differ; without an inventory there is none."""
    before, after = listed("a", x="mode=0644 read=ok", y="ok"), listed("b", x="mode=0666 read=ok", z="ok")
    found = find_effects(known(0, before), 1, after, base=known(0, before), declared=NOTHING)

    assert {one.of for one in found} == {EffectKind.INVENTORY}
    assert [one.render() for one in found] == [
        "inventory:files: x: mode=0644 -> mode=0666",
        "inventory:files: z: not there -> ok",
        "inventory:files: y: ok -> not there",
    ]
    assert {one.standing for one in found} == {Expectedness.UNEXPECTED}
    assert effects(before, run("b", case("b"))) == []
    assert effects(run("a", case("b")), after) == []


def test_declared_entry_is_intended_and_the_value_of_the_base_is_a_fix() -> None:
    """A later patch that restores an entry fixes it."""
    base, broken = listed("a", x="ok"), listed("b", x="EPERM")
    declared = Declarations((Declared("inventory:files: x"),))
    back = find_effects(known(0, base).followed_by(1, broken), 2, base, base=known(0, base), declared=NOTHING)

    assert effects(base, broken, declared) == [("files: x", Expectedness.INTENDED)]
    assert [one.standing for one in back] == [Expectedness.MENDED]
