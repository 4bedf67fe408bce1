# SPDX-License-Identifier: GPL-2.0-only
"""Show the matrix of traits and profiles."""

from __future__ import annotations

import pytest

from harness.report.tables.semantics_matrix import matrix_lines, matrix_table, trait_table
from harness.semantics.traits import load_semantics
from tests.unit.report.golden import assert_golden
from tests.unit.report.tables.semantics_sample import SEMANTICS
from tests.unit.semantics.test_traits import SHIPPED

TRAITS = list(SEMANTICS.traits.values())


def test_matrix_at_80_columns_matches_the_golden_file() -> None:
    """It has pages, themes, ditto marks, unconfirmed values, silent cells and counts of unchanged traits."""
    texts = [line.text for line in matrix_lines(TRAITS, SEMANTICS.shown(), 80)]

    assert_golden("matrix.txt", "".join(f"{text}\n" for text in texts))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_of_the_shipped_matrix_is_too_wide(width: int) -> None:
    """The shipped file fits a terminal, and each profile has a column."""
    shipped = load_semantics(SHIPPED.read_text(), path="cases/semantics.toml")
    texts = [line.text for line in matrix_lines(list(shipped.traits.values()), shipped.shown(), width)]
    heads = [word for text in texts if text.startswith("     ") for word in text.split()]

    assert max(map(len, texts)) <= width
    assert {"v0", "v4", "4.6", "6.1", "latest"} <= set(heads)


def test_every_change_is_on_a_page() -> None:
    """A page that continues another one leaves out only traits that do not change."""
    for width in (50, 80, 300):
        text = "\n".join(line.text for line in matrix_lines(TRAITS, SEMANTICS.shown(), width))
        for value in ("absolute?", "hidden", "relative", "filesystem?", "namespace", "allowed", "refused", "node"):
            assert value in text, f"{value} at {width}"


def test_profiles_of_different_families_share_no_page() -> None:
    """Their columns would have only dots."""
    profiles = [SEMANTICS.profile(name, release=None) for name in ("v0", "old")]
    texts = [line.text for line in matrix_lines(TRAITS, profiles, 80)]

    assert [text.split() for text in texts if text.startswith("     ")] == [["v0"], ["old"]]


def test_a_narrow_terminal_has_one_profile_a_page() -> None:
    """Nothing is lost, though lines exceed the width."""
    texts = [line.text for line in matrix_lines(TRAITS, SEMANTICS.shown(), 10)]

    assert sum(text.startswith("     ") for text in texts) == len(SEMANTICS.shown())


def test_no_traits_or_profiles_give_no_lines() -> None:
    """An empty selection is not an error."""
    assert not matrix_lines([], SEMANTICS.shown(), 80)
    assert not matrix_lines(TRAITS, [], 80)


def test_json_table_has_everything() -> None:
    """It has sources and dates; a profile without an expectation has no entry for the trait."""
    table = matrix_table(TRAITS[:1], SEMANTICS.shown()[:1])
    trait = trait_table(TRAITS[0], SEMANTICS.shown()[:1])

    assert table["profiles"] == [
        {"name": "v0", "title": "the request for comments", "date": "2014-07-17", "source": "a mail"}
    ]
    assert trait["profiles"] == {
        "v0": {"value": "absolute", "confirmed": False, "source": "not read again: an example"}
    }
    assert trait["unseen"] == ["root"]
    assert table["traits"] == [trait]
