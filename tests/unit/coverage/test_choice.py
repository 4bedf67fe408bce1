# SPDX-License-Identifier: GPL-2.0-only
"""The order of the cases that reach a change."""

from __future__ import annotations

from harness.coverage.choice import in_order, lines_of_cases, within_share
from harness.coverage.lines import LineCoverage


def lines(*cases: tuple[str, ...]) -> list[LineCoverage]:
    """Return lines with code by the cases that ran each."""
    return [LineCoverage("a.c", number, names, False, ()) for number, names in enumerate(cases, start=1)]


def test_cases_that_run_other_lines_come_before_similar_ones() -> None:
    """The first round covers each line once; the quicker of two equal cases is first."""
    ran = lines_of_cases(lines(("a", "b"), ("a", "b"), ("c",)))

    assert in_order({"a", "b", "c"}, ran, {"a": 2.0, "b": 1.0, "c": 1.0}) == ["b", "c", "a"]


def test_only_the_given_cases_are_ordered() -> None:
    """A case without lines in these files is last."""
    ran = lines_of_cases(lines(("a", "b"), ("b",)))

    assert in_order({"z", "a"}, ran, {}) == ["a", "z"]
    assert in_order(set(), ran, {}) == []


def test_a_share_of_the_suite() -> None:
    """It is counted from the suite, not from the cases that reach the change; one case at least."""
    assert within_share(["a", "b", "c"], 5, share=40) == ("a", "b")
    assert within_share(["a", "b", "c"], 5, share=1) == ("a",)
