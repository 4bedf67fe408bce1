"""The series that ship with the harness: data that can be read, patches that are mail, traits that flip."""

from __future__ import annotations

import email
import email.policy
import re
import tomllib
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path

import pytest

from harness import places
from harness.errors import SeriesError
from harness.profile import Declaration
from harness.semantics import Semantics, load_semantics
from harness.spec import SpecKind, parse_spec
from harness.toml_table import Table

SERIES = places.ROOT / "series"
NAMES = sorted(path.parent.name for path in SERIES.glob("*/series.toml"))
CONTROLS = ("mountinfo-unscoped", "move-judged-by-writer", "named-hierarchy-allowed", "release-agent-unchecked")
PATCHES = sorted(SERIES.glob("*/*.patch"))
CHANGED_LINES = re.compile(
    r"^ \d+ files? changed(?:, (\d+) insertions?\(\+\))?(?:, (\d+) deletions?\(-\))?$", re.MULTILINE
)


@pytest.fixture(scope="module")
def semantics() -> Semantics:
    """The traits and profiles that the harness ships with."""
    return load_semantics(places.SEMANTICS.read_text(), path="cases/semantics.toml")


def read_patch(path: Path) -> EmailMessage:
    """A patch as mail; the line before the header is the separator of mbox."""
    text = path.read_text(encoding="ascii")
    assert text.startswith(f"From {'0' * 40} Mon Sep 17 00:00:00 2001\n")
    return email.message_from_string(text.partition("\n")[2], policy=email.policy.default)


def traits_of(name: str) -> Mapping[str, str]:
    """What a series declares; every other key is read as what it is, and there is no further one."""
    path = SERIES / name / "series.toml"
    table = Table(tomllib.loads(path.read_text()), path=f"series/{name}/series.toml", kind=SeriesError)
    assert len(table.text("title").splitlines()) == 1
    assert table.text("summary")
    assert parse_spec(table.text("base")).kind is SpecKind.SOURCE_PACKAGE
    assert table.text("profile") == "mainline"
    assert table.text("source")
    assert table.flag("confirmed")
    traits = table.table("traits")
    found = {trait: traits.text(trait) for trait in traits.names()}
    table.close()
    return found


def test_the_controls_are_there() -> None:
    """A negative control that gets lost makes every suite look better than it is."""
    assert set(CONTROLS) <= set(NAMES)
    assert sorted(path.name for path in SERIES.iterdir() if path.is_dir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_a_series_declares_flips(semantics: Semantics, name: str) -> None:
    """It declares a trait or more, each with a value that is one and that the base does not have."""
    base = semantics.profile("mainline", release="6.1")
    traits = traits_of(name)
    changed = semantics.changed(base, Declaration(name, traits, "series.toml"))

    assert traits
    assert {trait for trait in changed.values if changed.values[trait] != base.values.get(trait)} == set(traits)


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_tells_of_it(name: str) -> None:
    """Its row in series/README.md names every trait that it declares."""
    rows = (SERIES / "README.md").read_text().splitlines()
    (row,) = [row for row in rows if row.startswith(f"| `{name}` |")]

    assert set(re.findall(r"`(\w+)`", row.split("|")[-2])) == set(traits_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_patches_are_numbered(name: str) -> None:
    """A series' patches are 0001, 0002, ... without a gap; nothing but the two kinds of file is in its folder."""
    files = sorted(path.name for path in (SERIES / name).iterdir())
    patches = [file for file in files if file.endswith(".patch")]

    assert set(files) == {"series.toml", *patches}
    assert [patch[:5] for patch in patches] == [f"{number:04}-" for number in range(1, len(patches) + 1)]
    assert patches


@pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.parent.name)
def test_a_patch_is_mail(path: Path) -> None:
    """It has an author who signed it off, a fixed date and a subject, as git format-patch writes them, all in ASCII."""
    mail = read_patch(path)
    message, cut, rest = mail.get_content().partition("\n---\n")

    assert cut
    assert mail["Subject"].startswith("[PATCH")
    assert mail["Date"].datetime is not None
    assert message.rstrip().endswith(f"\nSigned-off-by: {mail['From']}")
    assert "\ndiff --git a/" in rest


@pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.parent.name)
def test_the_diffstat_is_that_of_the_diff(path: Path) -> None:
    """Nobody edited the patch by hand and forgot the numbers above it."""
    stat, _, diff = read_patch(path).get_content().partition("\n---\n")[2].partition("\ndiff --git ")
    lines = diff.splitlines()
    added = sum(line.startswith("+") and not line.startswith("+++ ") for line in lines)
    removed = sum(line.startswith("-") and not line.startswith("--- ") for line in lines)
    (counted,) = CHANGED_LINES.findall(stat)

    assert tuple(int(number or 0) for number in counted) == (added, removed)


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_says_what_it_is(name: str) -> None:
    """Who comes across the patch elsewhere reads that it must not go anywhere, and which commit it undoes."""
    (path,) = (SERIES / name).glob("*.patch")
    message = " ".join(read_patch(path).get_content().partition("\n---\n")[0].split())

    assert "negative control" in message
    assert "not meant for any tree that people run" in message
    assert re.search(r'commit [0-9a-f]{12} \("[^"]+"\)', message)
    assert re.search(r"\bv\d\.\d+\b", message)
