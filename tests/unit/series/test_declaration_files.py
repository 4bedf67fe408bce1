# SPDX-License-Identifier: GPL-2.0-only
"""Find what a series declares, in a file next to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import paths
from harness.series.declaration_files import read_declarations
from harness.suite.load import default_suite, suite_semantics

SEMANTICS = suite_semantics(default_suite())


def declared(series: Path | str) -> dict[str, str]:
    """Return the declared values by trait."""
    return {one.name: one.value for one in read_declarations(str(series), ["one"], SEMANTICS).entries}


def test_a_shipped_series_declares_its_traits() -> None:
    """The folder of a shipped series is judged by what its series.toml says, as ``series:NAME`` is."""
    found = declared(paths.SERIES / "release-agent-unchecked")

    assert found == {"release_agent_option": "ignored", "release_agent_from_userns": "allowed"}


def test_a_shipped_posting_declares_the_observed_values_of_its_profile() -> None:
    """What version 1 itself decides is declared; what the release below it decides is not."""
    found, profile = declared(paths.SERIES / "cgroupns-v1"), SEMANTICS.postings["v1"]
    confirmed = {trait for trait in profile.own if profile.expectations[trait].confirmed}

    assert confirmed
    assert confirmed <= found.keys()
    assert all(found[trait] == profile.values[trait] for trait in confirmed)
    assert not found.keys() & profile.inherited


def test_a_series_of_another_suite_declares_nothing_here() -> None:
    """Traits that this suite does not have are left out."""
    assert declared(paths.SERIES / "timens-offsets-from-zero") == {}


@pytest.mark.parametrize("place", ["", "more"])
def test_a_copy_of_a_shipped_series_declares_nothing(tmp_path: Path, place: str) -> None:
    """A series.toml is read in the folder of the shipped series only; a harness.toml is read anywhere."""
    folder = tmp_path / place / "release-agent-unchecked"
    folder.mkdir(parents=True)
    (folder / "series.toml").write_text((paths.SERIES / "release-agent-unchecked/series.toml").read_text())
    assert declared(folder) == {}

    (folder / "harness.toml").write_text('[traits]\nrelease_agent_option = "ignored"\n')
    assert declared(folder) == {"release_agent_option": "ignored"}


def test_a_range_declares_nothing() -> None:
    """A range of commits has no folder."""
    assert declared("v6.1..topic") == {}
