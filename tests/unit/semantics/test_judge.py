# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/semantics/judge.py``: the order of outcomes, and what a run says of the traits."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.run_record import Problem, ProblemKind
from harness.model.verdict import Fate, Outcome, SplatReport, TraitSighting
from harness.semantics.judge import StepOutcome, gather, judge, notes, trait_records
from harness.semantics.profile import Profile
from harness.semantics.traits import Semantics, load_semantics

SEMANTICS = load_semantics(
    """
[trait.outside_view]
meaning = "what is shown of a sibling"
theme = "view"
scenarios = ["P-06"]
[trait.outside_view.values]
absolute = "/sub2"
hidden = "no line"
relative = "/../sub2"

[trait.setns]
meaning = "whether setns works"
theme = "setns"
scenarios = ["S-01"]
[trait.setns.values]
supported = "0"
refused = "EINVAL"

[profile.v0]
title = "the first"
date = 2014-07-17
source = "a mail"
[profile.v0.traits]
outside_view = { value = "absolute", confirmed = false, source = "inferred" }
setns = { value = "refused", confirmed = true, source = "RFC 5/5" }

[profile.mainline]
title = "merged"
source = "commits"
[profile.mainline.changes]
outside_view = [{ since = "4.6", value = "relative", confirmed = true, source = "commit a79a908fd2b0" }]
""",
    path="small.toml",
)
AUTO = SEMANTICS.profile("auto", release=None)
V0 = SEMANTICS.profile("v0", release=None)
MAINLINE = SEMANTICS.profile("mainline", release="6.1.0-56-cloud-amd64")

OOPS = SplatReport("oops", "BUG: kernel NULL pointer dereference", "f00d", "BUG: ...\n")
PANIC = SplatReport("panic", "Kernel panic - not syncing", "beef", "Kernel panic\n")
RELATIVE = TraitSighting("outside_view", "relative", "a.session:3")
ABSOLUTE = TraitSighting("outside_view", "absolute", "b.session:7")
FITTING = StepOutcome("a.session:3", True, sightings=(RELATIVE,))
STRANGE = StepOutcome("a.session:5", False, "expected 0, seen 1", "-0\n+1\n")


def test_a_case_that_fits_is_a_match() -> None:
    """Every step fits, the log is clean, the profile agrees: a match without a reason, with its sightings."""
    verdict = judge(steps=[FITTING], splats=[], fate=Fate.ALIVE, profile=MAINLINE)

    assert verdict.outcome is Outcome.MATCH
    assert (verdict.reason, verdict.diff) == ("", "")
    assert verdict.sightings == (RELATIVE,)


def test_a_step_that_does_not_fit_is_a_mismatch() -> None:
    """The reason is the first step that does not fit; all diffs are kept in order."""
    other = StepOutcome("a.session:9", False, "no output", "-x\n")
    verdict = judge(steps=[FITTING, STRANGE, other], splats=[], fate=Fate.ALIVE, profile=AUTO)

    assert verdict.outcome is Outcome.MISMATCH
    assert verdict.reason == "a.session:5: expected 0, seen 1 (and 1 more)"
    assert verdict.diff == "-0\n+1\n-x\n"


def test_a_confirmed_expectation_that_differs_is_a_mismatch() -> None:
    """The transcript fits one of its alternatives, but not the one that this kernel is expected to show."""
    step = StepOutcome("b.session:7", True, sightings=(ABSOLUTE,))
    verdict = judge(steps=[step], splats=[], fate=Fate.ALIVE, profile=MAINLINE)

    assert verdict.outcome is Outcome.MISMATCH
    assert verdict.reason == (
        "outside_view: this kernel says absolute, mainline-6.1 says relative (commit a79a908fd2b0)"
    )


def test_an_unconfirmed_expectation_is_only_noted() -> None:
    """An unconfirmed expectation that differs leaves a match, and one note for the run."""
    verdict = judge(steps=[FITTING], splats=[], fate=Fate.ALIVE, profile=V0)

    assert verdict.outcome is Outcome.MATCH
    assert notes(V0, [RELATIVE, RELATIVE]) == (
        "outside_view: this kernel says relative, v0 says absolute (inferred); unconfirmed, so it is not a failure",
    )
    assert notes(MAINLINE, [ABSOLUTE]) == ()


@pytest.mark.parametrize("sighting", [RELATIVE, ABSOLUTE])
def test_auto_never_fails_on_a_trait(sighting: TraitSighting) -> None:
    """The profile that only describes fails no value."""
    step = StepOutcome(sighting.where, True, sightings=(sighting,))

    assert judge(steps=[step], splats=[], fate=Fate.ALIVE, profile=AUTO).outcome is Outcome.MATCH


def test_the_transcript_is_named_before_the_trait() -> None:
    """In one step the output that does not fit is the reason, the trait only counts."""
    step = StepOutcome("b.session:7", False, "expected /.., seen /", sightings=(ABSOLUTE,))
    verdict = judge(steps=[step], splats=[], fate=Fate.ALIVE, profile=MAINLINE)

    assert verdict.reason == "b.session:7: expected /.., seen / (and 1 more)"


@pytest.mark.parametrize(
    ("fate", "reason"),
    [
        (Fate.COMMAND_HUNG, "the command hung; the shell and the kernel answer"),
        (Fate.SHELL_SILENT, "the shell is silent and cannot be interrupted; the kernel answers"),
        (Fate.SHELL_DIED, "the shell died; the kernel answers"),
        (Fate.KERNEL_GONE, "the kernel does not answer, but QEMU runs"),
    ],
)
def test_a_command_that_did_not_return_explains_a_mismatch(fate: Fate, reason: str) -> None:
    """A time-out names the step that did not return and what still lives; an earlier mismatch is explained by it."""
    hung = StepOutcome("a.session:8", False, "no prompt within 10 s")
    verdict = judge(steps=[FITTING, STRANGE, hung], splats=[], fate=fate, profile=AUTO)

    assert verdict.outcome is Outcome.TIMEOUT
    assert verdict.reason == f"a.session:8: {reason} (no prompt within 10 s)"
    assert verdict.diff == "-0\n+1\n"


def test_a_lost_machine_is_lost_even_before_the_first_step() -> None:
    """QEMU ended without a splat; with no step played there is no place to name."""
    early = judge(steps=[], splats=[], fate=Fate.MACHINE_LOST, profile=AUTO)
    late = judge(steps=[FITTING], splats=[], fate=Fate.MACHINE_LOST, profile=AUTO)

    assert early.outcome is late.outcome is Outcome.LOST
    assert early.reason == late.reason == "the machine was lost: QEMU ended"
    assert late.sightings == (RELATIVE,)


@pytest.mark.parametrize("fate", list(Fate))
def test_a_splat_explains_every_fate(fate: Fate) -> None:
    """A splat is the outcome whatever followed it, also when everything fits; the first splat is the cause."""
    verdict = judge(steps=[FITTING, STRANGE], splats=[OOPS, PANIC], fate=fate, profile=AUTO)

    assert verdict.outcome is Outcome.KERNEL
    assert verdict.reason.startswith("oops: BUG: kernel NULL pointer dereference (and 1 more)")
    assert verdict.splats == (OOPS, PANIC)
    assert verdict.diff
    assert ("QEMU ended" in verdict.reason) is (fate is Fate.MACHINE_LOST)


def test_a_match_with_a_splat_is_kernel() -> None:
    """A case that fits while the kernel warns is the kernel's."""
    verdict = judge(steps=[FITTING], splats=[OOPS], fate=Fate.ALIVE, profile=MAINLINE)

    assert (verdict.outcome, verdict.reason) == (Outcome.KERNEL, "oops: BUG: kernel NULL pointer dereference")


def test_a_case_that_was_not_asked_is_skipped() -> None:
    """A skipped case says why, and nothing else counts."""
    verdict = judge(steps=[], splats=[OOPS], fate=Fate.MACHINE_LOST, profile=AUTO, skipped="needs CONFIG_X=y")

    assert (verdict.outcome, verdict.reason) == (Outcome.SKIPPED, "needs CONFIG_X=y")


_SIGHTINGS = st.lists(
    st.builds(
        TraitSighting,
        trait=st.sampled_from(["outside_view", "setns", "odd"]),
        value=st.sampled_from(["absolute", "hidden", "relative", "supported", "refused"]),
        where=st.sampled_from(["a.session:3", "b.session:7", "c.py:1"]),
    )
)


@given(
    steps=st.lists(st.builds(StepOutcome, st.just("a:1"), st.booleans(), st.just("odd"), st.text(), st.tuples())),
    splats=st.lists(st.sampled_from([OOPS, PANIC])),
    fate=st.sampled_from(Fate),
    profile=st.sampled_from([AUTO, V0, MAINLINE]),
)
def test_the_order_of_outcomes(
    steps: list[StepOutcome], splats: list[SplatReport], fate: Fate, profile: Profile
) -> None:
    """For anything that a case can meet: kernel, lost, error, timeout, mismatch, match; the reason is one line."""
    verdict = judge(steps=steps, splats=splats, fate=fate, profile=profile)
    facts = [
        (Outcome.KERNEL, bool(splats)),
        (Outcome.LOST, fate is Fate.MACHINE_LOST),
        (Outcome.ERROR, fate is Fate.STARVED),
        (Outcome.TIMEOUT, fate is not Fate.ALIVE),
        (Outcome.MISMATCH, not all(step.fits for step in steps)),
        (Outcome.MATCH, True),
    ]

    assert verdict.outcome is next(outcome for outcome, holds in facts if holds)
    assert bool(verdict.reason) is (verdict.outcome is not Outcome.MATCH)
    assert "\n" not in verdict.reason


# ------------------------------------------------------------------------------------------------------- the traits


def test_trait_of_which_cases_saw_different_values_is_mixed() -> None:
    """Each value is kept with its places, none is taken for the kernel's, and the run has no problem."""
    more = [TraitSighting("outside_view", "relative", f"z.session:{line}") for line in range(9)]
    gathered = gather(SEMANTICS, [*more, RELATIVE, ABSOLUTE, TraitSighting("setns", "supported", "c.py:1")])

    assert gathered.problems == ()
    [absolute, relative] = gathered.mixed["outside_view"]
    assert str(absolute) == "absolute at b.session:7"
    assert str(relative) == "relative at a.session:3 and 9 more"
    assert gathered.seen == {"setns": "supported"}
    assert gathered.where["outside_view"] == ("a.session:3", "b.session:7", *(one.where for one in more))


@pytest.mark.parametrize(
    ("sighting", "problem"),
    [
        (TraitSighting("setnz", "supported", "c.py:1"), "c.py:1: no trait setnz; did you mean setns?"),
        (TraitSighting("setns", "odd", "c.py:1"), "c.py:1: setns has no value odd; it has supported, refused"),
    ],
)
def test_a_sighting_of_nothing_known_is_a_problem(sighting: TraitSighting, problem: str) -> None:
    """A trait or value that does not exist is said with its place, and is not gathered."""
    gathered = gather(SEMANTICS, [sighting])

    assert gathered.problems == (Problem(ProblemKind.UNKNOWN_VALUE, problem),)
    assert (dict(gathered.seen), dict(gathered.where)) == ({}, {})


@given(sightings=_SIGHTINGS, seed=st.integers())
def test_gather_does_not_depend_on_order(sightings: list[TraitSighting], seed: int) -> None:
    """Workers report in any order, and twice: what is gathered is the same."""
    shuffled = [*sightings, *sightings]
    random.Random(seed).shuffle(shuffled)

    assert gather(SEMANTICS, shuffled) == gather(SEMANTICS, sightings)


@given(sightings=_SIGHTINGS)
def test_gather_takes_a_value_only_when_all_agree(sightings: list[TraitSighting]) -> None:
    """A trait has a value exactly when every valid sighting of it shows that one."""
    valid = [one for one in sightings if not SEMANTICS.complaint(one.trait, one.value)]
    shown = {trait: {one.value for one in valid if one.trait == trait} for trait in ("outside_view", "setns")}
    gathered = gather(SEMANTICS, sightings)

    assert gathered.seen == {trait: next(iter(values)) for trait, values in shown.items() if len(values) == 1}
    assert set(gathered.where) == {one.trait for one in valid}


def test_trait_records_show_every_trait() -> None:
    """One record a trait, in the order of the file: seen, expected, whether confirmed, and where."""
    view, setns = trait_records(SEMANTICS, V0, [RELATIVE])

    assert (view.trait, view.seen, view.expected, view.confirmed) == ("outside_view", "relative", "absolute", False)
    assert (view.meaning, view.where) == ("what is shown of a sibling", ("a.session:3",))
    assert (setns.trait, setns.seen, setns.expected, setns.confirmed) == ("setns", "", "refused", True)
    assert setns.where == ()


def test_trait_record_of_a_mixed_trait_has_all_values() -> None:
    """A trait of which cases saw different values has no value of its own; the record names values and places."""
    view, _ = trait_records(SEMANTICS, AUTO, [RELATIVE, ABSOLUTE])

    assert (view.seen, view.expected, view.confirmed) == ("", "", False)
    assert view.shown == "mixed (absolute, relative)"
    assert [str(one) for one in view.mixed] == ["absolute at b.session:7", "relative at a.session:3"]
    assert view.where == ("a.session:3", "b.session:7")


def test_semantics_stay_as_they_were_loaded() -> None:
    """What was loaded cannot be changed by who reads it."""
    assert isinstance(SEMANTICS, Semantics)
    with pytest.raises(TypeError, match="does not support item assignment"):
        MAINLINE.expectations["setns"] = V0.expectations["setns"]  # type: ignore[index]  # the point of the test
