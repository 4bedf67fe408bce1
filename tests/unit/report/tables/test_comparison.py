# SPDX-License-Identifier: GPL-2.0-only
"""Show the comparison of two runs as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.model.run_record import TraitRecord
from harness.model.verdict import Outcome, TraitSighting
from harness.report.tables.comparison import comparison_json, comparison_lines
from harness.report.text import columns
from harness.results.compare import Comparison, compare
from tests.unit.report.golden import assert_golden
from tests.unit.report.sample import CASES, KERNEL, RUN, TRANSCRIPT, case

NAMES = ("2026-09-21T141320Z-deb", "2026-09-22T080000Z-deb")
CONFIGS = ("CONFIG_CGROUPS=y\nCONFIG_FREEZER=y\n", "CONFIG_CGROUPS=y\nCONFIG_LOCKDEP=y\n")
AFTER = replace(
    RUN,
    kernel=replace(KERNEL, release="6.1.0-57-cloud-amd64", image_digest="aa" * 32, origin="linux-image 6.1.200-1"),
    traits=(
        TraitRecord("outside_view", "hidden", "relative", True, "What one reads", ("cases/views/x.session:9",)),
        *RUN.traits[1:],
    ),
    cases=(
        replace(
            CASES[0], outcome=Outcome.MISMATCH, reason="line 7: expected 7:freezer:/sub but saw 7:freezer:/",
            transcript=TRANSCRIPT.replace("7:freezer:/sub", "9:freezer:/"),
        ),
        replace(CASES[1], sightings=(TraitSighting("outside_view", "hidden", "cases/views/siblings.session:12"),)),
        replace(CASES[2], outcome=Outcome.MATCH, reason="", diff=""),
        replace(CASES[3], outcome=Outcome.SKIPPED, reason="needs CONFIG_X, which is not set"),
        replace(CASES[4], outcome=Outcome.LOST, reason="QEMU ended with signal 9"),
        CASES[5],
        replace(CASES[6], known="QEMU 7.2 ends now and then, https://example.org/1"),
        case("cases/views/new.session", Outcome.MISMATCH, reason="line 3: expected a but saw b"),
    ),
)  # fmt: skip


def comparison() -> Comparison:
    """Compare two runs with a change of every kind."""
    return compare(
        replace(RUN, traits=(replace(RUN.traits[0], expected="relative"), *RUN.traits[1:])), AFTER, configs=CONFIGS
    )


def test_comparison_matches_the_golden_file() -> None:
    """It has traits, cases, splats, possible explanations, and the regressions at the end."""
    lines = comparison_lines(comparison(), 80, names=NAMES, rates={CASES[0].id: "3 of 10 failed"})
    assert_golden("comparison.txt", "".join(f"{line.text}\n" for line in lines))


def test_equal_runs_have_no_lists() -> None:
    """The comparison of equal runs only says that nothing regressed."""
    texts = [line.text for line in comparison_lines(compare(RUN, RUN), 80, names=NAMES)]

    assert texts[-1] == "nothing regressed"
    assert "Traits: none of 6 differ" in texts
    assert len(texts) < 20


@pytest.mark.parametrize("width", [60, 80, 200])
def test_facts_keep_to_the_width(width: int) -> None:
    """Facts are folded; names are not cut, so that they can be copied."""
    texts = [line.text for line in comparison_lines(comparison(), width, names=NAMES)]
    names = [one.id for one in AFTER.cases] + [NAMES[0], NAMES[1]]

    assert not [text for text in texts if columns(text) > width and not any(name in text for name in names)
                and "->" not in text and not text.startswith("      ")]  # fmt: skip


def test_json_has_regressions_and_changed_cases() -> None:
    """Unchanged cases are only counted."""
    found = json.loads(json.dumps(comparison_json(comparison(), names=NAMES)))

    assert found["regressed"] is True
    assert found["regressions"] == ["outside_view", CASES[0].id]
    assert sum(found["counts"].values()) == len({one.id for one in (*RUN.cases, *AFTER.cases)})
    assert {one["change"] for one in found["cases"]}.isdisjoint({"same"})
    assert found["before"]["run"] == NAMES[0]


def test_guest_output_moves_no_cursor() -> None:
    """Escape sequences in transcripts and reasons are removed."""
    hostile = replace(
        CASES[0], outcome=Outcome.MISMATCH, reason="\x1b[2Jgone", transcript="    \x1b[31mred\x1b[0m\u202e\n"
    )
    other = replace(KERNEL, image_digest="bb" * 32)
    lines = comparison_lines(compare(RUN, replace(RUN, kernel=other, cases=(hostile,))), 80, names=NAMES)

    assert not [line.text for line in lines if "\x1b" in line.text or "\u202e" in line.text]
