# SPDX-License-Identifier: GPL-2.0-only
"""Show the story of one trait."""

from __future__ import annotations

import json

import pytest

from harness.report.tables.trait_story import decisions, story_lines, story_table
from harness.report.text import columns
from harness.results.sightings import NOTHING
from tests.unit.report.golden import assert_golden
from tests.unit.report.tables.semantics_sample import OBSERVERS, SEEN, SEMANTICS


def test_story_at_80_columns_matches_the_golden_file() -> None:
    """It has meaning, values, prose, decisions, cases and kernels."""
    trait = SEMANTICS.traits["outside_view"]
    lines = story_lines(SEMANTICS, trait, observers=OBSERVERS, seen=SEEN, width=80)

    assert_golden("story.txt", "".join(f"{line.text}\n" for line in lines))
    assert max(columns(line.text) for line in lines) <= 80


@pytest.mark.parametrize("name", SEMANTICS.traits)
def test_trait_with_few_facts(name: str) -> None:
    """A missing story, case or kernel is shown, and no line is too wide."""
    lines = story_lines(SEMANTICS, SEMANTICS.traits[name], observers=(), seen=NOTHING, width=60)
    texts = [line.text for line in lines]

    assert "  none" in texts
    assert sum(text.endswith("  none yet") for text in texts) == len(SEMANTICS.traits[name].values)
    assert max(map(columns, texts)) <= 60


def test_decisions_are_in_order_of_time() -> None:
    """Postings and releases are sorted by date; a release without a date follows the one before it."""
    told = {name: [one.version for one in decisions(SEMANTICS, name)] for name in SEMANTICS.traits}

    assert told["outside_view"] == ["v0", "v1", "Linux 4.6"]
    assert told["release_agent_from_userns"] == ["Linux 4.6", "Linux 5.17"]
    assert told["mountinfo_root"] == ["v0", "Linux 4.6", "Linux 4.7"]


def test_stable_releases_are_shown() -> None:
    """A backported change lists the first releases with it."""
    trait = SEMANTICS.traits["release_agent_from_userns"]
    texts = [line.text for line in story_lines(SEMANTICS, trait, observers=(), seen=NOTHING, width=80)]

    assert "              commit five; in stable series from 5.16.6" in texts


def test_json_table_has_the_same_facts() -> None:
    """It has only JSON values."""
    trait = SEMANTICS.traits["outside_view"]
    table = json.loads(json.dumps(story_table(SEMANTICS, trait, observers=OBSERVERS, seen=SEEN)))

    assert [one["version"] for one in table["decisions"]] == ["v0", "v1", "Linux 4.6"]
    assert table["cases"][1] == {"path": "cases/views/test_every_pair.py", "line": 36, "values": []}
    assert [one["kernel"] for one in table["seen"]["hidden"]] == ["cgroupns-v1"]
