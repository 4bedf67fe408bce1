# SPDX-License-Identifier: GPL-2.0-only
"""Check what known failures cover, when they expire, and what is reported about them."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from harness.base.errors import CaseError
from harness.model.run_record import CaseRecord, TraitRecord
from harness.model.verdict import Outcome, TraitSighting
from harness.results.known_failures import KnownFailures, load_known
from harness.suite.load import default_suite, suite_semantics

TODAY = datetime.date(2026, 11, 22)
SEMANTICS = suite_semantics(default_suite())
PROFILE = SEMANTICS.profile("mainline-6.1", release=None)
CASE = """
[[known]]
case = "cases/a.session"
reason = "broken since v6.1"
link = "https://example.org/1"
expires = 2026-11-22
"""
TRAIT = CASE.replace('case = "cases/a.session"', 'trait = "outside_view"')


def load(text: str, *, today: datetime.date = TODAY) -> KnownFailures:
    """Return the entries of a file."""
    return load_known(text, path="known.toml", today=today, semantics=SEMANTICS)


def case(outcome: Outcome = Outcome.MISMATCH, *, diff: str = "", saw: tuple[tuple[str, str], ...] = ()) -> CaseRecord:
    """Return a case with an outcome that showed some traits."""
    sightings = tuple(TraitSighting(trait, value, "a:1") for trait, value in saw)
    return CaseRecord("cases/a.session", "cases", "a", outcome, diff=diff, sightings=sightings)


def denied(trait: str) -> tuple[str, str]:
    """Return a trait with a value that contradicts the profile."""
    wanted = PROFILE.expectations[trait]
    return trait, next(value for value in SEMANTICS.traits[trait].values if value != wanted.value)


OTHER_TRAIT = next(name for name, wanted in PROFILE.expectations.items() if wanted.confirmed and name != "outside_view")


def test_known_failure_does_not_fail_the_run() -> None:
    """The case keeps its outcome and gets the reason; a case that did not fail is left alone."""
    marked = load(CASE).marked(case(), PROFILE)

    assert marked.known == "known until 2026-11-22: broken since v6.1 (https://example.org/1)"
    assert marked.outcome is Outcome.MISMATCH
    assert not marked.is_failure
    for outcome in (Outcome.MATCH, Outcome.SKIPPED, Outcome.ERROR):
        assert load(CASE).marked(case(outcome), PROFILE) == case(outcome)


def test_entry_may_cover_one_outcome() -> None:
    """A known mismatch does not hide a splat."""
    known = load(CASE + 'outcome = "mismatch"\n')

    assert not known.marked(case(), PROFILE).is_failure
    assert known.marked(case(Outcome.KERNEL), PROFILE).is_failure


def test_entry_is_valid_through_its_last_day() -> None:
    """The day after, it covers nothing and fails the run."""
    over = load(CASE, today=TODAY + datetime.timedelta(days=1))

    assert not load(CASE).problems
    assert "the known failure of cases/a.session expired on 2026-11-22" in over.problems[0].text
    assert over.marked(case(), PROFILE).is_failure


def test_trait_covers_cases_that_fail_for_it_alone() -> None:
    """It does not cover a case whose output differs as well, or that fails for another trait, too."""
    known, mine, other = load(TRAIT), denied("outside_view"), denied(OTHER_TRAIT)

    assert known.marked(case(saw=(mine,)), PROFILE).known.startswith("outside_view known until")
    assert known.marked(case(saw=(mine,), diff="-a\n+b\n"), PROFILE).is_failure
    assert known.marked(case(saw=(mine, other)), PROFILE).is_failure
    assert known.marked(case(), PROFILE).is_failure
    assert known.marked(case(Outcome.KERNEL, saw=(mine,)), PROFILE).is_failure


def test_trait_entry_may_cover_one_value() -> None:
    """Another unexpected value is a failure."""
    values = [value for value in SEMANTICS.traits["outside_view"].values if value != "relative"]
    known = load(TRAIT + f'value = "{values[0]}"\n')
    traits = [TraitRecord("outside_view", value, "relative", True, "") for value in values]

    assert [bool(one.known) for one in known.marked_traits(traits)] == [True, *[False] * (len(values) - 1)]
    assert known.marked_traits([replace(traits[0], expected=values[0])])[0].known == ""


def test_entry_that_did_not_fail_is_reported() -> None:
    """If all cases were run, an entry for an unknown case is reported as well; cases without a verdict are not."""
    known = load(CASE + TRAIT)
    trait = TraitRecord("outside_view", "relative", "relative", True, "")

    assert known.idle([case(Outcome.MATCH)], [trait], whole=False) == (
        "known.toml: cases/a.session is a known failure but did not fail; remove the entry",
        "known.toml: outside_view is known to differ but did not; remove the entry",
    )
    assert known.idle([], [], whole=True) == (
        "known.toml: cases/a.session is a known failure but not a case of this run",
    )
    for cases in ([], [case(Outcome.SKIPPED)], [case()]):
        assert not known.idle(cases, [replace(trait, seen="")], whole=False)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[known]\n", "is not TOML"),
        ("[[known]]\n", "names either a case or a trait"),
        (CASE + 'trait = "outside_view"\n', "names either a case or a trait"),
        (CASE.replace("link =", "url ="), "link is missing"),
        (CASE.replace("2026-11-22", '"soon"'), "expires is not a date"),
        (CASE.replace('"broken since v6.1"', '""'), "reason is empty"),
        (CASE + 'outcome = "match"\n', "match is not a failure outcome"),
        (CASE + 'value = "x"\n', "value is not a known key"),
        (TRAIT + 'value = "sideways"\n', "outside_view has no value sideways"),
        (TRAIT.replace("outside_view", "outsde_view"), "no trait outsde_view"),
        (CASE + CASE, "cases/a.session has two entries"),
        ("knwon = 1\n", "knwon is not a known key"),
    ],
)
def test_broken_file_is_reported_by_key(text: str, what: str) -> None:
    """The error names file and key."""
    with pytest.raises(CaseError) as caught:
        load(text)

    assert "known.toml" in caught.value.what
    assert what in caught.value.what


def test_case_has_the_entries_that_cover_it() -> None:
    """Reason, link and date of each are fields, whatever the reason's text; the line for people is made of them."""
    reason = "known until 2027-01-01: slow (on some hosts); see below"
    known = load(CASE.replace('reason = "', f'reason = "{reason}')).marked(case(), PROFILE)
    entry = load(CASE).entries[0]

    assert [(one.trait, one.link, one.expires) for one in known.known_failures] == [("", entry.link, entry.expires)]
    assert known.known_failures[0].reason.startswith(reason)
    assert known.known == str(known.known_failures[0])
    assert case().known_failures == ()
