"""What a patch changed, and how it stands to what was declared."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
    """Name and standing of what the second patch changed, on a base as the first."""
    base = known(0, before)
    return [(one.name, one.standing) for one in find_effects(base, 1, after, base=base, declared=declared)]


def test_nothing_changes_nothing() -> None:
    """Two kernels that answer alike have no effect, whatever their images."""
    assert effects(RELATIVE, replace(RELATIVE, kernel=ABSOLUTE.kernel)) == []


def test_a_trait_that_changes_explains_its_case() -> None:
    """The case that failed for nothing else is told with the trait, once."""
    (one,) = find_effects(known(0, RELATIVE), 1, ABSOLUTE, base=known(0, RELATIVE), declared=NOTHING)

    assert one == Effect(
        EffectKind.TRAIT, "view", "relative", "absolute", Expectedness.UNEXPECTED, "what view is", ("cases/a.session",)
    )


def test_a_declared_change_is_intended() -> None:
    """By the series or by this patch; declared of another patch, it is not."""
    by = [Declarations((Declared("view", "absolute", patch),)) for patch in (0, 1, 2)]

    assert [effects(RELATIVE, ABSOLUTE, one) for one in by] == [
        [("view", Expectedness.INTENDED)],
        [("view", Expectedness.INTENDED)],
        [("view", Expectedness.UNEXPECTED)],
    ]


def test_a_change_back_is_mended() -> None:
    """The value of the base, or the one that the profile expects, mends; the way back from what was meant does not."""
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
    """A patch that changes a view in one hierarchy only is told so."""
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
def test_a_case_without_a_trait(before: object, after: object, standing: Expectedness) -> None:
    """A case that fails otherwise than by a trait is told by its id."""
    assert effects(run("a", before), run("b", after)) == [("cases/b.session", standing)]  # type: ignore[arg-type]


def test_a_case_that_fails_beside_its_trait_is_told_too() -> None:
    """A transcript that does not fit is not explained by the value that was seen elsewhere in it."""
    worse = case("a", Outcome.MISMATCH, shows={"view": "absolute"}, diff="-x\n+y")

    assert effects(RELATIVE, run("b", worse, case("b"))) == [
        ("view", Expectedness.UNEXPECTED),
        ("cases/a.session", Expectedness.UNEXPECTED),
    ]


def test_a_declared_case_may_change() -> None:
    """What no trait speaks of can be declared by the case's id."""
    declared = Declarations((Declared("cases/b.session"),))
    assert effects(run("a", case("b")), run("b", case("b", Outcome.TIMEOUT)), declared) == [
        ("cases/b.session", Expectedness.INTENDED)
    ]


def test_a_splat_is_told_with_its_case() -> None:
    """A new splat is unexpected, one that goes away mends; the case is not told once more."""
    clean, splatted = run("a", case("b")), run("b", case("b", Outcome.KERNEL, splats=(SPLAT,)))

    assert effects(clean, splatted) == [("f00", Expectedness.UNEXPECTED)]
    assert ("f00", Expectedness.MENDED) in effects(splatted, replace(clean, kernel=RELATIVE.kernel))


def test_what_was_not_asked_on_the_patch_before_says_since_when() -> None:
    """A case that was last asked on the base may have changed with any patch since."""
    base = known(0, run("a", case("a"), case("b")))
    before = base.followed_by(1, run("b", case("a"))).followed_by(2, run("c", case("a")))
    found = find_effects(
        before, 3, run("d", case("a", Outcome.LOST), case("b", Outcome.LOST)), base=base, declared=NOTHING
    )

    assert {one.name: one.since for one in found} == {"cases/a.session": -1, "cases/b.session": 0}


def test_only_what_was_asked_before_is_compared() -> None:
    """A case that the base did not have is no effect of a patch."""
    assert effects(run("a", case("a")), run("b", case("a"), case("new", Outcome.LOST))) == []


def test_a_flaky_case_tells_no_trait() -> None:
    """What one machine answered and the next one of the same image did not, is not what the kernel does."""
    (first, second) = ABSOLUTE.cases
    flaky = replace(first, tries=(OutcomeCount(Outcome.MATCH, 1), OutcomeCount(Outcome.MISMATCH, 1)))

    assert effects(RELATIVE, replace(ABSOLUTE, cases=(flaky, second))) == [("cases/a.session", Expectedness.ALLOWED)]


def test_followed_by_keeps_the_newest() -> None:
    """What is known of a kernel is the newest result of each case."""
    base: KnownResults = known(0, run("a", case("a"), case("b")))
    later = base.followed_by(1, run("b", case("a", Outcome.LOST)))

    assert later.cases["cases/a.session"].outcome is Outcome.LOST
    assert later.asked_at == {"cases/a.session": 1, "cases/b.session": 0}
