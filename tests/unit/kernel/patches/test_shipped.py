# SPDX-License-Identifier: GPL-2.0-only
"""The series that ship with the harness, and what is said of a description that is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import SeriesError, UsageError
from harness.kernel.patches.shipped import find_shipped, shipped_claims, shipped_names

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
    assert shipped.summary


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


def stand(folder: Path, name: str, base: str) -> None:
    """Add a series that stands on another one, and asks for an option."""
    (folder / name).mkdir()
    text = DESCRIPTION.replace("deb-src:6.1", base).replace('profile = "mainline"', 'fragments = ["x.config"]')
    text = text.replace("a commit", name).replace("mountinfo_root", f"{name}_root")
    (folder / name / "series.toml").write_text(text)
    (folder / name / "x.config").write_text("CONFIG_X=y\n")
    (folder / name / "0001-do-it-again.patch").write_text(DIFF.replace("b\n", "c\n"))


def test_a_series_stands_on_another(folder: Path) -> None:
    """It is judged by the profile of the one below, and declares what both change; each brings what it asks for."""
    stand(folder, "two", "series:one")
    stand(folder, "three", "series:two")
    shipped = find_shipped("three", folder=folder, deadline=SOON)

    assert [one.name for one in shipped.stack] == ["one", "two", "three"]
    assert shipped.stack[0].base == "deb-src:6.1"
    assert {one.profile for one in shipped.stack} == {"mainline"}
    assert shipped.declaration.name == "three"
    assert shipped.declaration.traits == dict.fromkeys(("mountinfo_root", "two_root", "three_root"), "filesystem")
    assert shipped.declaration.source == "a commit; two; three"
    assert [one.fragments for one in shipped.stack] == [(), (folder / "two/x.config",), (folder / "three/x.config",)]


def test_what_is_not_confirmed_below_is_not_above(folder: Path) -> None:
    """A value may come from any series of the stack, so all must be confirmed."""
    stand(folder, "two", "series:one")
    path = folder / "one/series.toml"
    path.write_text(path.read_text().replace("confirmed = true", "confirmed = false"))

    assert not find_shipped("two", folder=folder, deadline=SOON).declaration.confirmed


@pytest.mark.parametrize("base", ["series:two", "series:three", "series:none"])
def test_a_series_does_not_stand_on_itself(folder: Path, base: str) -> None:
    """Neither at once nor by way of another one, nor on one that is not there."""
    stand(folder, "two", base)
    stand(folder, "three", "series:two")
    with pytest.raises(SeriesError, match=r"series/\w+/series.toml: base series:\w+ is invalid"):
        find_shipped("two", folder=folder, deadline=SOON)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('base = "deb-src:6.1"\n', "", "series/one/series.toml: base is missing"),
        ("confirmed = true", 'confirmed = "yes"', "series/one/series.toml: confirmed is not true or false"),
        ('title = "a"', 'title = "a"\ntypo = 1', "series/one/series.toml: typo is not a known key"),
        (
            'title = "a"',
            'title = "a"\nfragments = ["no.config"]',
            "series/one/series.toml: fragments lists no.config, which is missing",
        ),
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


def test_what_each_series_claims_is_read_without_its_patches(tmp_path: Path) -> None:
    """The profile of its base, empty for one on top of another, and its own values; a broken file is the series'."""
    for name, text in {"a": 'profile = "v0"\n[traits]\nx = "yes"\n', "b": "[traits]\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "series.toml").write_text(text)

    assert shipped_claims({""}, tmp_path) == {"a": ("v0", {"x": "yes"}), "b": ("", {})}

    (tmp_path / "b" / "series.toml").write_text("[traits")
    with pytest.raises(SeriesError, match="is not TOML"):
        shipped_claims({""}, tmp_path)
