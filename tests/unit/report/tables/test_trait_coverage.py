# SPDX-License-Identifier: GPL-2.0-only
"""The traits that no two kernels have told apart."""

from __future__ import annotations

from harness.report.tables.trait_coverage import coverage_lines, coverage_table, find_uncovered
from harness.report.text import columns
from harness.results.sightings import Seen, Sighting
from tests.unit.report.golden import assert_golden
from tests.unit.report.tables.semantics_sample import SEEN, SEMANTICS

SOMEWHERE = (Sighting("a", "b", "2026-11-22T04:31:05Z"),)
ALL = Seen({name: dict.fromkeys(trait.values, SOMEWHERE) for name, trait in SEMANTICS.traits.items()})


def test_what_is_lacking_at_80_columns() -> None:
    """Each trait with what was seen, what was not, and which profiles hold that."""
    lines = coverage_lines(SEMANTICS, SEEN, 80)

    assert_golden("coverage.txt", "".join(f"{line.text}\n" for line in lines))
    assert max(columns(line.text) for line in lines) <= 80


def test_shipped_series_are_named_that_show_it() -> None:
    """What has to be run is said: a series that declares the value, or one that re-creates a version which has it."""
    claims = {
        "keeps-root": ("mainline", {"zombie_view": "root"}),
        "posting": ("v0", {"release_agent_from_userns": "allowed"}),
    }
    texts = [line.text for line in coverage_lines(SEMANTICS, SEEN, 80, claims=claims)]

    assert "    unseen  root (v0, v1, series:keeps-root, series:posting), kept (mainline" in texts
    assert "    unseen  filesystem (v0, series:posting, mainline from 4.6)" in texts


def test_two_values_are_enough() -> None:
    """Not every value need be seen; one is too few, and none, too."""
    assert [one.trait for one in find_uncovered(SEMANTICS, SEEN)] == [
        "zombie_view",
        "mountinfo_root",
        "release_agent_from_userns",
        "node_name",
    ]


def test_nothing_lacking_says_so() -> None:
    """One line, with how much was looked at."""
    assert [line.text for line in coverage_lines(SEMANTICS, ALL, 80)] == [
        "Each of the 5 traits was observed with two values or more, on 1 kernel"
    ]
    assert coverage_table(SEMANTICS, ALL)["not_seen_with_two_values"] == []


def test_a_value_without_a_kernel_was_not_seen() -> None:
    """An empty list in the file is no sighting."""
    empty = Seen({**ALL.values, "zombie_view": {"root": SOMEWHERE, "kept": ()}})

    assert [(one.trait, one.seen) for one in find_uncovered(SEMANTICS, empty)] == [("zombie_view", ("root",))]
