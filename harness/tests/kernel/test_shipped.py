"""The series that ship with the harness, and what is said of a description that is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.deadline import Deadline
from harness.errors import SeriesError, UsageError
from harness.kernel.shipped import find_shipped, shipped_names

SOON = Deadline.after(3600)
DIFF = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"
DESCRIPTION = """\
title = "a"
summary = '''
What it changes.'''
base = "deb-src:6.1"
profile = "mainline"
source = "a commit"
confirmed = true

[traits]
mountinfo_root = "filesystem"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/series.toml").write_text(DESCRIPTION)
    (tmp_path / "one/0001-do-it.patch").write_text(DIFF)
    (tmp_path / "no-series").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", shipped_names())
def test_every_series_that_ships_can_be_read(name: str) -> None:
    """Its description, and its patches, which are refused for nothing."""
    shipped = find_shipped(name, deadline=SOON)

    assert shipped.series.patches
    assert shipped.traits


def test_a_series_is_read(folder: Path) -> None:
    """All that its description says, and the patches."""
    shipped = find_shipped("one", folder=folder, deadline=SOON)

    assert shipped_names(folder) == ("one",)
    assert (shipped.name, shipped.title, shipped.summary) == ("one", "a", "What it changes.")
    assert (shipped.base, shipped.profile, shipped.confirmed) == ("deb-src:6.1", "mainline", True)
    assert shipped.traits == {"mountinfo_root": "filesystem"}
    assert [patch.subject for patch in shipped.series.patches] == ["do it"]


def test_an_unknown_name_lists_those_there_are(folder: Path) -> None:
    """And the nearest one; a name that leads out of the folder is unknown, too."""
    with pytest.raises(UsageError) as raised:
        find_shipped("onee", folder=folder, deadline=SOON)
    with pytest.raises(UsageError):
        find_shipped("../one", folder=folder / "one", deadline=SOON)

    assert raised.value.what == "no series onee ships with the harness"
    assert (raised.value.evidence, raised.value.remedy) == ("one", "use series:one")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('base = "deb-src:6.1"\n', "", "series/one/series.toml: base is missing"),
        ("confirmed = true", 'confirmed = "yes"', "series/one/series.toml: confirmed is not true or false"),
        ('title = "a"', 'title = "a"\ntypo = 1', "series/one/series.toml: typo is not a known key"),
    ],
)
def test_a_broken_description_is_named(folder: Path, old: str, new: str, what: str) -> None:
    """File and key are said."""
    (folder / "one/series.toml").write_text(DESCRIPTION.replace(old, new))
    with pytest.raises(SeriesError) as raised:
        find_shipped("one", folder=folder, deadline=SOON)

    assert raised.value.what == what


def test_what_is_not_toml_is_named(folder: Path) -> None:
    """With the line."""
    (folder / "one/series.toml").write_text("title = ")
    with pytest.raises(SeriesError, match="is not TOML"):
        find_shipped("one", folder=folder, deadline=SOON)
