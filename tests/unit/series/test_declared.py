# SPDX-License-Identifier: GPL-2.0-only
"""Read the changes that a series declares."""

from __future__ import annotations

import pytest

from harness.base.errors import SeriesError, UsageError
from harness.model.series_record import Declared
from harness.series.declared import Declarations, joined, parse_declarations, read_expected
from tests.unit.series.sample import SEMANTICS

SUBJECTS = ("cgroup: prepare", "cgroup: show paths", "cgroup: tidy up")


def parse(text: str) -> Declarations:
    """Read the declarations of a series of three patches."""
    return parse_declarations(text, path="topic/harness.toml", subjects=SUBJECTS, semantics=SEMANTICS)


def test_parse_declarations() -> None:
    """A file declares traits of the series or of a patch by number or title, and cases whose outcome may change."""
    found = parse(
        'cases = ["cases/a.session"]\n[traits]\nagent = "allowed"\n[patch."show".traits]\nview = "relative"\n'
    )

    assert found.entries == (
        Declared("cases/a.session", "", 0, "topic/harness.toml"),
        Declared("agent", "allowed", 0, "topic/harness.toml"),
        Declared("view", "relative", 2, "topic/harness.toml"),
    )
    assert found.allows("agent", "allowed", patch=3)
    assert found.allows("view", "relative", patch=2)
    assert not found.allows("view", "relative", patch=1)
    assert not found.allows("agent", "refused", patch=3)
    assert found.allows_case("cases/a.session")
    assert not found.allows_case("agent")


def test_entries_of_the_inventory_may_be_declared() -> None:
    """In the file and on the command line, by the whole key; a key may contain a sign of equality."""
    key = "mounts: mount -t cgroup2 -o xattr=1"
    file = parse(f'inventory = ["{key}"]')
    line = read_expected([f"inventory:{key}"], semantics=SEMANTICS)

    for found in (file, line):
        assert found.allows_case(f"inventory:{key}")
        assert not found.allows_case(key)
        assert found.final == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("traits = ", "is not TOML"),
        ("[traits]\nveiw = 'relative'", "no trait veiw"),
        ("[traits]\nview = 'upwards'", "no value upwards"),
        ("[trait]\nview = 'relative'", "trait is not a known key"),
        ("[patch.4.traits]\nview = 'relative'", "'4' matches no patch"),
        ("[patch.cgroup.traits]\nview = 'relative'", "'cgroup' matches 3 patches"),
        ("[patch.1]\nview = 'relative'", "patch.1.traits is missing"),
        ("[traits]\nview = 3", "is not a string"),
    ],
)
def test_broken_file_is_reported_by_key(text: str, said: str) -> None:
    """The error names file and key."""
    with pytest.raises(SeriesError) as caught:
        parse(text)

    assert said in caught.value.what
    assert "topic/harness.toml" in caught.value.what
    assert caught.value.remedy


def test_arguments_override_the_file() -> None:
    """``--expect`` names a trait of the series or of one patch, and overrides the file for that trait."""
    words = read_expected(["view=absolute", "2:agent=allowed"], semantics=SEMANTICS)
    both = joined(parse("cases = ['cases/a.session']\n[traits]\nview = 'relative'\n"), words)

    assert both.final == {"view": Declared("view", "absolute", 0, "--expect"), "agent": words.entries[1]}
    assert both.allows_case("cases/a.session")


@pytest.mark.parametrize("word", ["view", "view=", "veiw=absolute", "view=upwards", "2:veiw=absolute", "=", ""])
def test_invalid_expect_is_an_error(word: str) -> None:
    """A usage error is reported before anything is built."""
    with pytest.raises(UsageError, match="--expect"):
        read_expected([word], semantics=SEMANTICS)
