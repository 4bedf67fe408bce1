"""Two runs compared: which change is whose fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.run_record import BuildRecord, CaseRecord, RunRecord, TraitRecord
from harness.model.verdict import Outcome, TraitSighting
from harness.results.compare import ChangeKind, compare
from harness.results.kernel_differences import Difference
from tests.unit.report.sample import KERNEL, RUN, SPLAT

OTHER = replace(KERNEL, image_digest="77" * 32)


def case(name: str, outcome: Outcome = Outcome.MATCH, **more: object) -> CaseRecord:
    """A case of that name."""
    return replace(CaseRecord(f"cases/{name}", "cases", name, outcome), **more)  # type: ignore[arg-type]


def run(*cases: CaseRecord, kernel: object = KERNEL, traits: tuple[TraitRecord, ...] = ()) -> RunRecord:
    """A run of these cases."""
    return replace(RUN, kernel=kernel, cases=cases, traits=traits, problems=())  # type: ignore[arg-type]


def change(before: CaseRecord | None, after: CaseRecord | None, *, kernel: object = OTHER) -> ChangeKind:
    """What the comparison says of one case of two kernels."""
    (one,) = compare(run(*filter(None, [before])), run(*filter(None, [after]), kernel=kernel)).cases
    return one.change


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Outcome.MATCH, Outcome.MATCH, ChangeKind.SAME),
        (Outcome.MATCH, Outcome.MISMATCH, ChangeKind.REGRESSED),
        (Outcome.MATCH, Outcome.LOST, ChangeKind.REGRESSED),
        (Outcome.KERNEL, Outcome.MATCH, ChangeKind.FIXED),
        (Outcome.MISMATCH, Outcome.MISMATCH, ChangeKind.SAME),
        (Outcome.MISMATCH, Outcome.TIMEOUT, ChangeKind.OTHERWISE),
        (Outcome.SKIPPED, Outcome.MATCH, ChangeKind.NEW),
        (Outcome.SKIPPED, Outcome.MISMATCH, ChangeKind.NEW),
        (Outcome.MATCH, Outcome.SKIPPED, ChangeKind.GONE),
        (Outcome.MATCH, Outcome.ERROR, ChangeKind.GONE),
        (Outcome.SKIPPED, Outcome.SKIPPED, ChangeKind.SAME),
        (Outcome.ERROR, Outcome.MISMATCH, ChangeKind.NEW),
    ],
)
def test_what_became_of_a_case(before: Outcome, after: Outcome, expected: ChangeKind) -> None:
    """Only what was as expected can regress; what was not asked is new or gone."""
    assert change(case("a", before), case("a", after)) is expected


def test_a_case_that_is_in_one_run_only() -> None:
    """It is new or gone, and no regression; that it fails is told of the run."""
    failing = case("a", Outcome.MISMATCH)
    comparison = compare(run(), run(failing, kernel=OTHER))

    assert change(None, failing) is ChangeKind.NEW
    assert change(failing, None) is ChangeKind.GONE
    assert comparison.regressions == ()
    assert comparison.failures == ("cases/a",)


def test_the_same_image_with_another_outcome_is_a_flake() -> None:
    """Nothing of the kernel changed, so nothing regressed, and nothing was fixed."""
    good, bad = case("a", digest="1"), case("a", Outcome.MISMATCH, digest="1")

    assert change(good, bad, kernel=KERNEL) is ChangeKind.FLAKY
    assert change(bad, good, kernel=KERNEL) is ChangeKind.FLAKY
    assert not compare(run(good), run(bad)).failures


def test_a_case_that_was_edited_is_no_flake() -> None:
    """The case was changed in between: on the same image, that is why."""
    good, bad = case("a", digest="1"), case("a", Outcome.MISMATCH, digest="2")
    comparison = compare(run(good), run(bad))

    assert comparison.cases[0].change is ChangeKind.REGRESSED
    assert comparison.cases[0].is_edited


def test_an_unknown_image_is_not_the_same_as_another() -> None:
    """Two kernels of which nothing is known are not one."""
    unknown = replace(KERNEL, image_digest="unknown")
    comparison = compare(run(case("a"), kernel=unknown), run(case("a", Outcome.LOST), kernel=unknown))

    assert comparison.regressions == ("cases/a",)


def test_another_profile_is_another_question() -> None:
    """The same image judged by another profile is no flake."""
    after = replace(run(case("a", Outcome.MISMATCH)), profile="v1")

    assert compare(run(case("a")), after).regressions == ("cases/a",)


def test_a_match_that_shows_something_else_changed_and_is_allowed() -> None:
    """Another value of a trait, or another transcript: both were expected."""
    saw = [case("a", sightings=(TraitSighting("pinning", value, "a:3"),)) for value in ("yes", "no")]

    assert change(*saw) is ChangeKind.CHANGED
    assert change(case("a", transcript="    0::/a\n"), case("a", transcript="    0::/b\n")) is ChangeKind.CHANGED


def test_a_pid_changes_nothing() -> None:
    """Noise in transcript and reason never counts."""
    failed = [
        case(
            "a",
            Outcome.MISMATCH,
            reason=f"a:3: expected /a but saw pid {pid}",
            transcript=f"    # x &\n    [1] {pid}\n",
        )
        for pid in (77, 4120)
    ]

    assert change(*failed) is ChangeKind.SAME


def test_a_known_failure_is_no_regression() -> None:
    """Who wrote it down has judged it; as long as it fails it is shown as known."""
    known = case("a", Outcome.MISMATCH, known="waits for the fix")
    comparison = compare(run(case("a")), run(known, kernel=OTHER))

    assert comparison.cases[0].change is ChangeKind.KNOWN
    assert not comparison.failures
    assert change(case("a", Outcome.MISMATCH), known) is ChangeKind.KNOWN
    assert change(known, known) is ChangeKind.SAME
    assert change(None, known) is ChangeKind.NEW


def trait(seen: str, expected: str, *, confirmed: bool = True, known: str = "") -> tuple[TraitRecord, ...]:
    """The traits of a run that has one."""
    return (TraitRecord("outside_view", seen, expected, confirmed, "what is seen", known=known),)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (trait("relative", "relative"), trait("relative", "relative"), ChangeKind.SAME),
        (trait("relative", "relative"), trait("hidden", "relative"), ChangeKind.REGRESSED),
        (trait("absolute", "relative"), trait("hidden", "relative"), ChangeKind.OTHERWISE),
        (trait("hidden", "relative"), trait("relative", "relative"), ChangeKind.FIXED),
        (trait("relative", "relative"), trait("hidden", "hidden"), ChangeKind.CHANGED),
        (trait("relative", ""), trait("hidden", ""), ChangeKind.CHANGED),
        (trait("relative", "relative"), trait("hidden", "relative", confirmed=False), ChangeKind.CHANGED),
        (trait("relative", "relative"), trait("hidden", "relative", known="told"), ChangeKind.KNOWN),
        (trait("", "relative"), trait("hidden", "relative"), ChangeKind.NEW),
        (trait("relative", "relative"), trait("", "relative"), ChangeKind.GONE),
        (trait("relative", "relative"), (), ChangeKind.GONE),
    ],
)
def test_what_became_of_a_trait(
    before: tuple[TraitRecord, ...], after: tuple[TraitRecord, ...], expected: ChangeKind
) -> None:
    """A value that the second run's own profile denies has regressed; what nobody expects has changed."""
    (one,) = compare(run(traits=before), run(traits=after, kernel=OTHER)).traits

    assert one.change is expected


def test_a_new_splat_is_a_regression_wherever_it_is_met() -> None:
    """Also in a case that failed before; but not in one that was not asked."""
    failed, splatted = case("a", Outcome.MISMATCH), case("a", Outcome.KERNEL, splats=(SPLAT,))
    comparison = compare(run(failed), run(splatted, kernel=OTHER))

    assert comparison.cases[0].change is ChangeKind.OTHERWISE
    assert comparison.regressions == (SPLAT.fingerprint,)
    assert compare(run(), run(splatted, kernel=OTHER)).splats[0].change is ChangeKind.NEW
    assert compare(run(splatted), run(case("a"), kernel=OTHER)).splats[0].change is ChangeKind.FIXED


def test_a_splat_with_other_frames_is_the_same() -> None:
    """Another compiler, another trace, the same complaint."""
    before, after = (case("a", Outcome.KERNEL, splats=(replace(SPLAT, fingerprint=one),)) for one in ("aa", "bb"))
    comparison = compare(run(before), run(after, kernel=OTHER))

    assert [(one.fingerprint, one.change) for one in comparison.splats] == [("bb", ChangeKind.SAME)]


def test_what_may_explain_a_change() -> None:
    """Build, patches and options of the configuration; but not what the latter says of the compiler."""
    built = BuildRecord(
        "linux-source-6.1", "b" * 40, "c" * 40, series="topic", patches=("one", "two"), compiler="gcc 12"
    )
    again = replace(built, commit="d" * 40, patches=("one", "three"), compiler="gcc 13", warnings=("a.c:1: unused",))
    configs = (
        'CONFIG_A=y\nCONFIG_CC_VERSION_TEXT="12"\n',
        'CONFIG_B=m\nCONFIG_CC_VERSION_TEXT="13"\n# CONFIG_A is not set\n',
    )
    before, after = (run(kernel=replace(KERNEL, build=build)) for build in (built, again))

    assert compare(before, after, configs=configs).differences == (
        Difference("commit", "c" * 12, "d" * 12),
        Difference("compiler", "gcc 12", "gcc 13"),
        Difference("patch", "two", ""),
        Difference("patch", "", "three"),
        Difference("CONFIG_A", "y", "n"),
        Difference("CONFIG_B", "n", "m"),
        Difference("compiler warning", "", "a.c:1: unused"),
    )


def test_configs_that_are_not_there_differ_by_their_digests() -> None:
    """Without the texts, that they differ is all that can be said."""
    after = run(kernel=replace(KERNEL, config_digest="ab" * 32))

    assert compare(run(), after).differences == (Difference("config", KERNEL.config_digest[:12], "ab" * 6),)


CASES = st.builds(
    case,
    st.sampled_from("abcdef"),
    st.sampled_from(list(Outcome)),
    known=st.sampled_from(["", "told"]),
    transcript=st.sampled_from(["", "    0::/a", "    0::/b"]),
)
RUNS = st.builds(run, kernel=st.sampled_from([KERNEL, OTHER])).flatmap(
    lambda one: st.lists(CASES, unique_by=lambda each: each.id).map(lambda cases: replace(one, cases=tuple(cases)))
)


@given(RUNS)
def test_a_run_is_like_itself(one: RunRecord) -> None:
    """Nothing changes from a run to itself."""
    assert {each.change for each in compare(one, one).cases} <= {ChangeKind.SAME}


@given(RUNS, RUNS)
def test_every_case_has_one_change(before: RunRecord, after: RunRecord) -> None:
    """No case is lost or told twice, and the way back is the reverse where there is one."""
    there, back = compare(before, after), compare(after, before)
    ids = {each.id for each in (*before.cases, *after.cases)}
    changes = {each.id: each.change for each in there.cases}

    assert sorted(changes) == sorted(ids)
    assert len(there.cases) == len(ids)
    for each in back.cases:
        if changes[each.id] is ChangeKind.REGRESSED:
            assert each.change is ChangeKind.FIXED
        if changes[each.id] is ChangeKind.CHANGED:
            assert each.change is ChangeKind.CHANGED
