# SPDX-License-Identifier: GPL-2.0-only
"""Show the history of a trait as bars."""

from __future__ import annotations

from harness.report.page.stories import TRAIT, trait_histories
from harness.report.tables.history import trait_history_lines
from harness.results.timeline import Entry, timelines
from tests.unit.report.tables.semantics_sample import SEMANTICS

TRAIT_NAME = next(name for name, changes in SEMANTICS.changes.items() if changes)
CHANGE = SEMANTICS.changes[TRAIT_NAME][-1]
WANTED = CHANGE.expectation.value
ODD = next(value for value in SEMANTICS.traits[TRAIT_NAME].values if value != WANTED)
ENTRIES = [
    Entry(str(at), float(at), "deb", "6.1", str(at), f"guest mainline-{CHANGE.since} digest", value)
    for at, value in enumerate([ODD, WANTED, ODD])
]


def test_expected_value_has_the_lowest_bar() -> None:
    """Also where another value was seen first: a high bar is worth a look."""
    [line] = timelines(ENTRIES)
    expected = lambda profile: SEMANTICS.expected(TRAIT_NAME, profile)  # noqa: E731  one argument is bound
    texts = [one.text for one in trait_history_lines(TRAIT_NAME, [line], 100, expected=expected)]

    assert any(text.startswith("  █▁█  ") for text in texts)
    assert any(f"▁ {WANTED} (expected), █ {ODD}" in text for text in texts)


def test_profile_of_no_suite_has_no_expected_value() -> None:
    """The values then stand in the order in which they were seen."""
    [line] = timelines(ENTRIES)
    texts = [one.text for one in trait_history_lines(TRAIT_NAME, [line], 100)]

    assert any(f"▁ {ODD}, █ {WANTED}" in text for text in texts)
    assert SEMANTICS.expected(TRAIT_NAME, "nobodys-profile") == ""
    assert SEMANTICS.expected(TRAIT_NAME, "") == ""


def test_page_has_the_same_bars() -> None:
    """The height of a bar is a percentage."""
    [table] = trait_histories({(TRAIT, TRAIT_NAME): ENTRIES}, SEMANTICS)[TRAIT_NAME]

    builds = table["builds"]

    assert isinstance(builds, list)
    assert [build[1] for build in builds] == [100, 0, 100]
