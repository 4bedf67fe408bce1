# SPDX-License-Identifier: GPL-2.0-only
"""The table of traits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.run_record import TraitRecord
from harness.report.lines import Tone
from harness.report.tables.traits import TraitMark, trait_lines, trait_row
from harness.report.text import columns, plain_text
from tests.unit.report.sample import RUN, TRAITS

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=50)


@pytest.mark.parametrize(
    ("seen", "expected", "confirmed", "mark", "shown"),
    [
        ("yes", "yes", True, TraitMark.AS_EXPECTED, "yes"),
        ("yes", "no", True, TraitMark.DIFFERS, "no"),
        ("yes", "no", False, TraitMark.DOUBTFUL, "no (?)"),
        ("yes", "yes", False, TraitMark.AS_EXPECTED, "yes (?)"),
        ("", "no", True, TraitMark.UNSEEN, "no"),
        ("yes", "", False, TraitMark.DESCRIBED, "-"),
        ("", "", False, TraitMark.UNSEEN, "-"),
    ],
)
def test_a_row_says_how_the_trait_stands(
    seen: str, expected: str, confirmed: bool, mark: TraitMark, shown: str
) -> None:
    """A trait differs, is as expected, was not seen, or the profile does not say; an unconfirmed value is marked."""
    row = trait_row(TraitRecord("t", seen, expected, confirmed, ""))

    assert row.mark is mark
    assert row.expected == shown


@pytest.mark.parametrize("width", [80, 100, 130, 200])
def test_usual_traits_are_not_broken(width: int) -> None:
    """Names of 30 characters and values of 20 stand whole on one line each, at 80 columns as well."""
    name, value, other = "n" * 30, "v" * 20, "w" * 20
    wide = TraitRecord(name, value, other, True, "What it means, said in a sentence of some length")
    texts = [line.text for line in trait_lines(replace(RUN, traits=(wide, *TRAITS)), width)]

    assert any(name in text and value in text and other in text for text in texts)
    assert all(columns(text) <= width for text in texts)


def test_the_meaning_stands_where_there_is_room() -> None:
    """At 80 columns only what differs is explained, below its row; at 130 each row has its meaning beside it."""
    narrow = [line.text for line in trait_lines(RUN, 80)]
    wide = [line.text for line in trait_lines(RUN, 130)]
    meaning = "Whether a member is kept from leaving the root of its namespace"

    assert not any(meaning in text for text in narrow)
    assert "    Whether setns(2) wants the caller below the new root" in narrow
    assert "    seen at cases/views/from_outside.session:12 and 1 more" in narrow
    assert any(text.startswith("  pinning") and text.endswith(meaning) for text in wide)


def test_differences_are_red_and_marked() -> None:
    """A difference shows without colour too: each red row begins with the mark."""
    rows = [line for line in trait_lines(RUN, 80) if line.tone is Tone.BAD]

    assert [line.text.split()[:2] for line in rows] == [["!", "outside_view"]]


@pytest.mark.parametrize(
    ("traits", "headline"),
    [
        (TRAITS, "Traits of 6.1.0-56-cloud-amd64, compared with profile mainline-6.1: 1 differs, 1 unconfirmed"),
        (TRAITS[:1], "Traits of 6.1.0-56-cloud-amd64, compared with profile mainline-6.1: 1 differs"),
        (TRAITS[1:2], "Traits of 6.1.0-56-cloud-amd64, compared with profile mainline-6.1: none differ"),
        (TRAITS[5:], "Traits of 6.1.0-56-cloud-amd64"),
    ],
)
def test_the_headline_counts(traits: tuple[TraitRecord, ...], headline: str) -> None:
    """The headline says how many traits differ, and names no profile when the run only describes."""
    assert trait_lines(replace(RUN, traits=traits), 120)[0].text == headline


def test_what_nobody_speaks_of_is_counted() -> None:
    """Traits that were neither seen nor expected have no rows: a kernel without their subject has dozens."""
    silent = tuple(TraitRecord(f"nobodys_{number}", "", "", True, "") for number in range(3))
    texts = [line.text for line in trait_lines(replace(RUN, traits=(*TRAITS, *silent)), 80)]

    assert not any("nobodys_" in text for text in texts)
    assert "  3 more: neither seen nor expected" in texts


def test_a_few_cases_are_told_by_what_they_show() -> None:
    """Ninety rows of traits that one case says nothing of would hide the one that it shows."""
    unseen = tuple(TraitRecord(f"unseen_{number}", "", "no", True, "") for number in range(2))
    few, many = (
        [line.text for line in trait_lines(replace(RUN, traits=(*TRAITS[:seen], *unseen)), 80)] for seen in (1, 2)
    )

    assert not any("unseen_" in text for text in few)
    assert "  2 more: expected but not shown by these cases" in few
    assert sum("unseen_" in text for text in many) == 2


def test_cases_that_show_no_trait_have_no_table() -> None:
    """Where no trait was seen a table would have nothing but dashes: what was not shown is one line."""
    unseen = tuple(TraitRecord(f"unseen_{number}", "", "no", True, "") for number in range(90))
    texts = [line.text for line in trait_lines(replace(RUN, traits=unseen), 80)]

    assert texts == [
        "Traits of 6.1.0-56-cloud-amd64, compared with profile mainline-6.1: these cases",
        "show none",
        "  90: expected but not shown by these cases",
    ]


def test_no_traits_no_table() -> None:
    """A run that saw no trait has no table, not even an empty one."""
    assert trait_lines(replace(RUN, traits=()), 80) == []


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.booleans(), st.integers(40, 220))
def test_any_trait_fits(trait: str, value: str, meaning: str, confirmed: bool, width: int) -> None:
    """Whatever a trait is called and whatever was seen, no line is wider than asked for, or acts."""
    record = TraitRecord(trait, value, "other", confirmed, meaning, (value,))
    lines = trait_lines(replace(RUN, traits=(record, *TRAITS)), width)

    assert all(columns(line.text) <= width for line in lines)
    assert all(plain_text(line.text) == line.text and "\n" not in line.text for line in lines)
