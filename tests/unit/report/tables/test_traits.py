# SPDX-License-Identifier: GPL-2.0-only
"""Show the table of traits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.run_record import MixedValue, TraitRecord
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
def test_mark_of_a_row(seen: str, expected: str, confirmed: bool, mark: TraitMark, shown: str) -> None:
    """A trait differs, is as expected, is unseen or has no expectation; an unconfirmed value is marked."""
    row = trait_row(TraitRecord("t", seen, expected, confirmed, ""))

    assert row.mark is mark
    assert row.expected == shown


@pytest.mark.parametrize("width", [80, 100, 130, 200])
def test_usual_traits_are_not_folded(width: int) -> None:
    """Names of 30 characters and values of 20 fit on one line, also at 80 columns."""
    name, value, other = "n" * 30, "v" * 20, "w" * 20
    wide = TraitRecord(name, value, other, True, "What it means, said in a sentence of some length")
    texts = [line.text for line in trait_lines(replace(RUN, traits=(wide, *TRAITS)), width)]

    assert any(name in text and value in text and other in text for text in texts)
    assert all(columns(text) <= width for text in texts)


def test_meaning_is_a_column_if_there_is_room() -> None:
    """At 80 columns only traits that differ have their meaning, below the row; at 130 each row has it."""
    narrow = [line.text for line in trait_lines(RUN, 80)]
    wide = [line.text for line in trait_lines(RUN, 130)]
    meaning = "Whether a member is kept from leaving the root of its namespace"

    assert not any(meaning in text for text in narrow)
    assert "    Whether setns(2) wants the caller below the new root" in narrow
    assert "    seen at cases/views/from_outside.session:12 and 1 more" in narrow
    assert any(text.startswith("  pinning") and text.endswith(meaning) for text in wide)


def test_mixed_trait_has_both_places() -> None:
    """The row names no value for the kernel; each value has a line with the step that showed it."""
    values = (MixedValue("absolute", ("s/b.session:7", "s/c.session:1")), MixedValue("relative", ("s/a.session:3",)))
    mixed = TraitRecord("outside_view", "", "relative", True, "What is read", mixed=values)
    texts = [line.text for line in trait_lines(replace(RUN, traits=(mixed, *TRAITS[1:2])), 80)]

    assert " ".join(texts[:2]).endswith("none differ, 1 mixed")
    assert "~ outside_view  mixed  relative" in texts
    assert "    absolute at s/b.session:7 and 1 more" in texts
    assert "    relative at s/a.session:3" in texts
    assert "~ cases saw different values" in texts


def test_differences_are_red_and_marked() -> None:
    """A difference is visible without color as well: each red row begins with the mark."""
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
def test_headline_counts_differences(traits: tuple[TraitRecord, ...], headline: str) -> None:
    """It has the number of traits that differ, and no profile if the run has no expectations."""
    assert trait_lines(replace(RUN, traits=traits), 120)[0].text == headline


def test_traits_neither_seen_nor_expected_are_counted() -> None:
    """They have no rows: a kernel without their subject has dozens."""
    silent = tuple(TraitRecord(f"nobodys_{number}", "", "", True, "") for number in range(3))
    texts = [line.text for line in trait_lines(replace(RUN, traits=(*TRAITS, *silent)), 80)]

    assert not any("nobodys_" in text for text in texts)
    assert "  3 more: neither seen nor expected" in texts


def test_few_seen_traits_are_the_only_rows() -> None:
    """Ninety rows of unseen traits would hide the one that a case shows."""
    unseen = tuple(TraitRecord(f"unseen_{number}", "", "no", True, "") for number in range(2))
    few, many = (
        [line.text for line in trait_lines(replace(RUN, traits=(*TRAITS[:seen], *unseen)), 80)] for seen in (1, 2)
    )

    assert not any("unseen_" in text for text in few)
    assert "  2 more: expected but not shown by these cases" in few
    assert sum("unseen_" in text for text in many) == 2


def test_cases_that_show_no_trait_have_no_table() -> None:
    """A table would have only dashes: the unseen traits are one line."""
    unseen = tuple(TraitRecord(f"unseen_{number}", "", "no", True, "") for number in range(90))
    texts = [line.text for line in trait_lines(replace(RUN, traits=unseen), 80)]

    assert texts == [
        "Traits of 6.1.0-56-cloud-amd64, compared with profile mainline-6.1: these cases",
        "show none",
        "  90: expected but not shown by these cases",
    ]


def test_run_without_traits_has_no_table() -> None:
    """There is not even an empty table."""
    assert trait_lines(replace(RUN, traits=()), 80) == []


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.booleans(), st.integers(40, 220))
def test_any_trait_fits(trait: str, value: str, meaning: str, confirmed: bool, width: int) -> None:
    """Whatever the name and the value of a trait, no line exceeds the width or has a control character."""
    record = TraitRecord(trait, value, "other", confirmed, meaning, (value,))
    lines = trait_lines(replace(RUN, traits=(record, *TRAITS)), width)

    assert all(columns(line.text) <= width for line in lines)
    assert all(plain_text(line.text) == line.text and "\n" not in line.text for line in lines)
