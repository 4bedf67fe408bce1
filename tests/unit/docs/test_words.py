# SPDX-License-Identifier: GPL-2.0-only
"""No file that is brought to the project's style has a phrase that the style does not use."""

from __future__ import annotations

import pytest

from harness.base import paths
from tests.unit.docs.words import find_all, find_phrases, searched_files, unstyled_files


def test_no_phrase_comes_back() -> None:
    """Files that are not on the list have no finding; the list has no file that is free of them, or gone."""
    found = find_all()
    unstyled = unstyled_files()
    new = [str(finding) for finding in found if finding.path not in unstyled]
    done = unstyled - {finding.path for finding in found}

    assert not new, "write other words (see the table in tests/unit/docs/words.py)"
    assert not done, "run: python -m tests.unit.docs.words"


def test_the_documentation_is_searched() -> None:
    """Pages, README, help texts and docstrings are among the files, and no page may be on the list."""
    names = {path.relative_to(paths.ROOT).as_posix() for path in searched_files()}

    assert {"README.md", "docs/index.md", "harness/commands/test/run.py", "bootstrap"} <= names
    assert not [name for name in unstyled_files() if name.startswith("docs/") or name == "README.md"]


@pytest.mark.parametrize(
    "text",
    [
        "what each case came to",
        "The reason is told in a note.",
        "A stranger's Makefile",
        "the cases were asked again",
        "an image that is none",
        "It was mended later",
        "a change of behaviour",
        "normalised",
    ],
)
def test_a_phrase_is_found(text: str) -> None:
    """One finding or more, with what to write instead."""
    found = list(find_phrases(f"first line\n{text}"))

    assert found
    assert {finding.line for finding in found} == {2}
    assert all(finding.instead for finding in found)


@pytest.mark.parametrize(
    "text",
    [
        "The case is run again; the result is shown.",
        "The kernel asks for memory, and the user asks a question.",
        "`what it came to` and ``a stranger`` are code",
        "The lack of a feature; to amend a commit; promised, revised, analysis, otherwise",
        "open the doorway; the telling detail; a wordless reply; canewalk",
    ],
)
def test_ordinary_english_is_not(text: str) -> None:
    """No word that ordinary English needs is a finding, and no code span."""
    assert not list(find_phrases(text))
