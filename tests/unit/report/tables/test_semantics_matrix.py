# SPDX-License-Identifier: GPL-2.0-only
"""The matrix of traits and profiles."""

from __future__ import annotations

import pytest

from harness.report.tables.semantics_matrix import matrix_lines, matrix_table, trait_table
from harness.semantics.traits import load_semantics
from tests.unit.report.golden import assert_golden
from tests.unit.report.tables.semantics_sample import SEMANTICS
from tests.unit.semantics.test_traits import SHIPPED

TRAITS = list(SEMANTICS.traits.values())


def test_the_matrix_at_80_columns() -> None:
    """Pages, themes, ditto marks, unconfirmed values, silence, and what is left out as nothing changes."""
    texts = [line.text for line in matrix_lines(TRAITS, SEMANTICS.shown(), 80)]

    assert_golden("matrix.txt", "".join(f"{text}\n" for text in texts))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_of_the_shipped_matrix_is_too_wide(width: int) -> None:
    """Whatever is added to the file: it fits a terminal, and each profile has a column."""
    shipped = load_semantics(SHIPPED.read_text(), path="cases/semantics.toml")
    texts = [line.text for line in matrix_lines(list(shipped.traits.values()), shipped.shown(), width)]
    heads = [word for text in texts if text.startswith("     ") for word in text.split()]

    assert max(map(len, texts)) <= width
    assert {"v0", "v4", "4.6", "6.1", "latest"} <= set(heads)


def test_every_change_is_on_a_page() -> None:
    """A page that goes on with another one leaves out a trait only if its profiles say what was said before."""
    for width in (50, 80, 300):
        text = "\n".join(line.text for line in matrix_lines(TRAITS, SEMANTICS.shown(), width))
        for value in ("absolute?", "hidden", "relative", "filesystem?", "namespace", "allowed", "refused", "node"):
            assert value in text, f"{value} at {width}"


def test_profiles_of_different_things_share_no_page() -> None:
    """Versions of another thing would be columns of dots."""
    profiles = [SEMANTICS.profile(name, release=None) for name in ("v0", "old")]
    texts = [line.text for line in matrix_lines(TRAITS, profiles, 80)]

    assert [text.split() for text in texts if text.startswith("     ")] == [["v0"], ["old"]]


def test_a_narrow_terminal_has_one_profile_a_page() -> None:
    """Nothing is lost, though lines are wider than asked for."""
    texts = [line.text for line in matrix_lines(TRAITS, SEMANTICS.shown(), 10)]

    assert sum(text.startswith("     ") for text in texts) == len(SEMANTICS.shown())


def test_nothing_asked_for_is_nothing() -> None:
    """No trait or no profile: no lines."""
    assert not matrix_lines([], SEMANTICS.shown(), 80)
    assert not matrix_lines(TRAITS, [], 80)


def test_the_table_for_json_holds_all() -> None:
    """Sources and dates too; a profile that says nothing of a trait has no entry."""
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
