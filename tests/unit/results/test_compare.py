# SPDX-License-Identifier: GPL-2.0-only
"""Compare two runs and classify each change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.inventory import InventoryEntry
from harness.model.run_record import BuildRecord, CaseRecord, MixedValue, RunRecord, TraitRecord
from harness.model.verdict import Outcome, TraitSighting
from harness.report.tables.comparison import comparison_json, comparison_lines
from harness.results.compare import ChangeKind, compare
from harness.results.kernel_differences import Difference
from tests.unit.report.sample import KERNEL, RUN, SPLAT

OTHER = replace(KERNEL, image_digest="77" * 32)


def case(name: str, outcome: Outcome = Outcome.MATCH, **more: object) -> CaseRecord:
    """Return a case of that name."""
    return replace(CaseRecord(f"cases/{name}", "cases", name, outcome), **more)  # type: ignore[arg-type]


def run(*cases: CaseRecord, kernel: object = KERNEL, traits: tuple[TraitRecord, ...] = ()) -> RunRecord:
    """Return a run of these cases."""
    return replace(RUN, kernel=kernel, cases=cases, traits=traits, problems=())  # type: ignore[arg-type]


def change(before: CaseRecord | None, after: CaseRecord | None, *, kernel: object = OTHER) -> ChangeKind:
    """Return the change of one case between two kernels."""
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
def test_change_of_a_case(before: Outcome, after: Outcome, expected: ChangeKind) -> None:
    """Only a case that was as expected can regress; a case without a verdict in one run is new or gone."""
    assert change(case("a", before), case("a", after)) is expected


def test_case_in_one_run_only() -> None:
    """It is new or gone, not a regression; if it fails, it is a failure of the run."""
    failing = case("a", Outcome.MISMATCH)
    comparison = compare(run(), run(failing, kernel=OTHER))

    assert change(None, failing) is ChangeKind.NEW
    assert change(failing, None) is ChangeKind.GONE
    assert comparison.regressions == ()
    assert comparison.failures == ("cases/a",)


@pytest.mark.parametrize("why", [{"is_partial": True}, {"not_run": ("cases/a",)}, {"complete": False}])
def test_case_that_was_not_asked_for_is_not_gone(why: dict[str, object]) -> None:
    """A run of some cases, or one that ended early, says nothing of the others, nor of their traits and splats."""
    before = run(case("a", Outcome.KERNEL, splats=(SPLAT,)), case("b"), traits=trait("relative", "relative"))
    after = replace(run(case("b"), kernel=OTHER), **why)  # type: ignore[arg-type]  # any field of a run
    comparison = compare(before, after)

    assert {one.id: one.change for one in comparison.cases} == {
        "cases/a": ChangeKind.NOT_RUN,
        "cases/b": ChangeKind.SAME,
    }
    assert [one.change for one in comparison.traits] == [ChangeKind.NOT_RUN]
    assert [one.change for one in comparison.splats] == [ChangeKind.NOT_RUN]
    assert comparison.failures == ()


def test_former_cases_are_not_gone() -> None:
    """Old runs have the results of tests of the harness that suites no longer hold."""
    old = replace(case("a"), id="cgroupns/selftest/test_outcomes.py::test_match")

    assert [one.change for one in compare(run(old), run()).cases] == [ChangeKind.NOT_RUN]


def test_other_outcome_on_same_image_is_a_flake() -> None:
    """The kernel did not change, so nothing regressed or was fixed."""
    good, bad = case("a", digest="1"), case("a", Outcome.MISMATCH, digest="1")

    assert change(good, bad, kernel=KERNEL) is ChangeKind.FLAKY
    assert change(bad, good, kernel=KERNEL) is ChangeKind.FLAKY
    assert not compare(run(good), run(bad)).failures


def test_edited_case_is_not_a_flake() -> None:
    """An edit of the case explains another outcome on the same image."""
    good, bad = case("a", digest="1"), case("a", Outcome.MISMATCH, digest="2")
    comparison = compare(run(good), run(bad))

    assert comparison.cases[0].change is ChangeKind.REGRESSED
    assert comparison.cases[0].is_edited


def test_unknown_images_are_not_the_same() -> None:
    """Two kernels without a known digest are not taken as one."""
    unknown = replace(KERNEL, image_digest="unknown")
    comparison = compare(run(case("a"), kernel=unknown), run(case("a", Outcome.LOST), kernel=unknown))

    assert comparison.regressions == ("cases/a",)


def test_other_profile_is_not_a_flake() -> None:
    """The same image judged by another profile may have another outcome."""
    after = replace(run(case("a", Outcome.MISMATCH)), profile="v1")

    assert compare(run(case("a")), after).regressions == ("cases/a",)


def test_other_match_is_a_change_that_is_allowed() -> None:
    """The value of a trait or the transcript differs, and both were expected."""
    saw = [case("a", sightings=(TraitSighting("pinning", value, "a:3"),)) for value in ("yes", "no")]

    assert change(*saw) is ChangeKind.CHANGED
    assert change(case("a", transcript="    0::/a\n"), case("a", transcript="    0::/b\n")) is ChangeKind.CHANGED


def test_noise_is_not_a_change() -> None:
    """A process ID in transcript or reason does not count."""
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


def test_known_failure_is_not_a_regression() -> None:
    """A failure that an entry covers is shown as known."""
    known = case("a", Outcome.MISMATCH, known="waits for the fix")
    comparison = compare(run(case("a")), run(known, kernel=OTHER))

    assert comparison.cases[0].change is ChangeKind.KNOWN
    assert not comparison.failures
    assert change(case("a", Outcome.MISMATCH), known) is ChangeKind.KNOWN
    assert change(known, known) is ChangeKind.SAME
    assert change(None, known) is ChangeKind.NEW


def trait(seen: str, expected: str, *, confirmed: bool = True, known: str = "") -> tuple[TraitRecord, ...]:
    """Return the traits of a run that has one."""
    return (TraitRecord("outside_view", seen, expected, confirmed, "what is seen", known=known),)


MIXED = (replace(trait("", "relative")[0], mixed=(MixedValue("hidden", ("a:1",)), MixedValue("relative", ("b:1",)))),)


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
        (trait("relative", "relative"), MIXED, ChangeKind.REGRESSED),
        (MIXED, trait("relative", "relative"), ChangeKind.FIXED),
    ],
)
def test_change_of_a_trait(
    before: tuple[TraitRecord, ...], after: tuple[TraitRecord, ...], expected: ChangeKind
) -> None:
    """A value that contradicts the second run's profile has regressed; a value without expectation has changed."""
    (one,) = compare(run(traits=before), run(traits=after, kernel=OTHER)).traits

    assert one.change is expected


def test_new_splat_is_a_regression() -> None:
    """This holds for a case that failed before, but not for a case without a verdict in the first run."""
    failed, splatted = case("a", Outcome.MISMATCH), case("a", Outcome.KERNEL, splats=(SPLAT,))
    comparison = compare(run(failed), run(splatted, kernel=OTHER))

    assert comparison.cases[0].change is ChangeKind.OTHERWISE
    assert comparison.regressions == (SPLAT.fingerprint,)
    assert compare(run(), run(splatted, kernel=OTHER)).splats[0].change is ChangeKind.NEW
    assert compare(run(splatted), run(case("a"), kernel=OTHER)).splats[0].change is ChangeKind.FIXED


def test_title_without_a_function_is_no_identity() -> None:
    """Two splats whose title names no function are two bugs unless their fingerprints are equal."""
    splats = [replace(SPLAT, title="BUG: odd", fingerprint=one, function="") for one in ("aa", "bb")]
    before, after = (case("a", Outcome.KERNEL, splats=(splat,)) for splat in splats)
    comparison = compare(run(before), run(after, kernel=OTHER))

    assert [(one.fingerprint, one.change) for one in comparison.splats] == [
        ("bb", ChangeKind.REGRESSED),
        ("aa", ChangeKind.FIXED),
    ]


def test_splat_with_other_frames_is_the_same() -> None:
    """Another compiler gives another trace of the same splat."""
    splats = [replace(SPLAT, fingerprint=one, function="cgroupns_get") for one in ("aa", "bb")]
    before, after = (case("a", Outcome.KERNEL, splats=(splat,)) for splat in splats)
    comparison = compare(run(before), run(after, kernel=OTHER))

    assert [(one.fingerprint, one.change) for one in comparison.splats] == [("bb", ChangeKind.SAME)]


def test_differences_list_build_patches_and_options() -> None:
    """Options of the configuration that describe the compiler are left out."""
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


def test_options_that_cases_name_are_listed_first() -> None:
    """Of a hundred options that differ, those explain a change."""
    configs = ("CONFIG_A=y\nCONFIG_Z=y\n", "CONFIG_B=y\n")
    found = compare(run(), run(), configs=configs, needed={"CONFIG_Z", "CONFIG_Q"}).differences

    assert [(one.fact, one.is_needed) for one in found] == [
        ("CONFIG_Z", True),
        ("CONFIG_A", False),
        ("CONFIG_B", False),
    ]


def test_unknown_configs_differ_by_their_digests() -> None:
    """Without the texts only the digests can be compared."""
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
def test_run_compared_with_itself_has_no_change(one: RunRecord) -> None:
    """Every case, trait and splat is the same."""
    assert {each.change for each in compare(one, one).cases} <= {ChangeKind.SAME}


@given(RUNS, RUNS)
def test_every_case_has_one_change(before: RunRecord, after: RunRecord) -> None:
    """No case is lost or listed twice, and the reverse comparison has the reverse change, if there is one."""
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


def test_entries_of_the_inventory_regress_when_they_change_or_go() -> None:
    """A new one breaks no program; without an inventory in both runs, nothing is compared."""
    before = replace(run(case("a")), inventory=(InventoryEntry("f: x", "mode=0644"), InventoryEntry("f: y", "ok")))
    after = replace(
        run(case("a"), kernel=OTHER), inventory=(InventoryEntry("f: x", "mode=0666"), InventoryEntry("f: z", "ok"))
    )
    found = compare(before, after)
    text = "\n".join(line.text for line in comparison_lines(found, 80, names=("a", "b")))

    assert found.regressions == ("inventory:f: x", "inventory:f: y")
    assert [(one.key, one.differing) for one in found.inventory] == [
        ("f: x", ("mode=0644", "mode=0666")),
        ("f: z", ("", "ok")),
        ("f: y", ("ok", "")),
    ]
    assert "  ~ f: x\n      mode=0644 -> mode=0666\n  + f: z\n      not there -> ok\n  - f: y" in text
    assert comparison_json(found, names=("a", "b"))["inventory"][0] == {  # type: ignore[index]
        "key": "f: x",
        "before": "mode=0644",
        "after": "mode=0666",
    }
    assert compare(replace(before, inventory=()), after).inventory == ()
