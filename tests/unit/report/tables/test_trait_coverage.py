# SPDX-License-Identifier: GPL-2.0-only
"""Find the traits that have not been observed with two values."""

from __future__ import annotations

from harness.report.tables.trait_coverage import coverage_lines, coverage_table, find_uncovered
from harness.report.text import columns
from harness.results.sightings import Seen, Sighting
from tests.unit.report.golden import assert_golden
from tests.unit.report.tables.semantics_sample import SEEN, SEMANTICS

SOMEWHERE = (Sighting("a", "b", "2026-11-22T04:31:05Z"),)
ALL = Seen({name: dict.fromkeys(trait.values, SOMEWHERE) for name, trait in SEMANTICS.traits.items()})


def test_unobserved_traits_match_the_golden_file() -> None:
    """Each trait has its seen values, and the unseen ones with the profiles that expect them."""
    lines = coverage_lines(SEMANTICS, SEEN, 80)

    assert_golden("coverage.txt", "".join(f"{line.text}\n" for line in lines))
    assert max(columns(line.text) for line in lines) <= 80


def test_shipped_series_for_a_value_are_named() -> None:
    """A series that declares the value, or re-creates a version with it, is listed."""
    claims = {
        "keeps-root": ("mainline", {"zombie_view": "root"}),
        "posting": ("v0", {"release_agent_from_userns": "allowed"}),
    }
    texts = [line.text for line in coverage_lines(SEMANTICS, SEEN, 80, claims=claims)]

    assert "    unseen  root (v0, v1, series:keeps-root, series:posting), kept (mainline" in texts
    assert "    unseen  filesystem (v0, series:posting, mainline from 4.6)" in texts


def test_two_values_are_enough() -> None:
    """A trait with one value or none is listed, whatever the number of its values."""
    assert [one.trait for one in find_uncovered(SEMANTICS, SEEN)] == [
        "zombie_view",
        "mountinfo_root",
        "release_agent_from_userns",
        "node_name",
    ]


def test_full_coverage_is_one_line() -> None:
    """It has the number of traits and kernels."""
    assert [line.text for line in coverage_lines(SEMANTICS, ALL, 80)] == [
        "Each of the 5 traits was observed with two values or more, on 1 kernel"
    ]
    assert coverage_table(SEMANTICS, ALL)["not_seen_with_two_values"] == []


def test_value_without_a_kernel_is_unseen() -> None:
    """An empty list in the file is not a sighting."""
    empty = Seen({**ALL.values, "zombie_view": {"root": SOMEWHERE, "kept": ()}})

    assert [(one.trait, one.seen) for one in find_uncovered(SEMANTICS, empty)] == [("zombie_view", ("root",))]
