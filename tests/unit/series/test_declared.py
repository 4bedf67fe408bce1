"""What a series declares that it means to change."""

from __future__ import annotations

import pytest

from harness.base.errors import SeriesError, UsageError
from harness.model.series_record import Declared
from harness.series.declared import Declarations, joined, parse_declarations, read_expected
from tests.unit.series.sample import SEMANTICS

SUBJECTS = ("cgroup: prepare", "cgroup: show paths", "cgroup: tidy up")


def parse(text: str) -> Declarations:
    """What that text declares of a series of three patches."""
    return parse_declarations(text, path="topic/harness.toml", subjects=SUBJECTS, semantics=SEMANTICS)


def test_what_a_file_declares() -> None:
    """Traits of the whole series, of a patch by its number or title, and cases whose outcome may change."""
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("traits = ", "is not TOML"),
        ("[traits]\nveiw = 'relative'", "no trait veiw"),
        ("[traits]\nview = 'upwards'", "no value upwards"),
        ("[trait]\nview = 'relative'", "trait is not a known key"),
        ("[patch.4.traits]\nview = 'relative'", "'4' names no patch"),
        ("[patch.cgroup.traits]\nview = 'relative'", "'cgroup' names 3 patches"),
        ("[patch.1]\nview = 'relative'", "patch.1.traits is missing"),
        ("[traits]\nview = 3", "is not a string"),
    ],
)
def test_a_broken_file_is_told_by_its_key(text: str, said: str) -> None:
    """Who wrote the series learns the file and the key."""
    with pytest.raises(SeriesError) as caught:
        parse(text)

    assert said in caught.value.what
    assert "topic/harness.toml" in caught.value.what
    assert caught.value.remedy


def test_words_of_the_command_line() -> None:
    """A trait of the series, or of one patch; what they say of a trait goes before the file."""
    words = read_expected(["view=absolute", "2:agent=allowed"], semantics=SEMANTICS)
    both = joined(parse("cases = ['cases/a.session']\n[traits]\nview = 'relative'\n"), words)

    assert both.final == {"view": Declared("view", "absolute", 0, "--expect"), "agent": words.entries[1]}
    assert both.allows_case("cases/a.session")


@pytest.mark.parametrize("word", ["view", "view=", "veiw=absolute", "view=upwards", "2:veiw=absolute", "=", ""])
def test_a_word_that_is_none_is_refused(word: str) -> None:
    """A slip costs nothing: it is told before anything is built."""
    with pytest.raises(UsageError, match="--expect"):
        read_expected([word], semantics=SEMANTICS)
