# SPDX-License-Identifier: GPL-2.0-only
"""No file has a phrase that the project does not use."""

from __future__ import annotations

import pytest

from harness.base import paths
from tests.unit.docs.words import find_all, find_phrases, searched_files


def test_find_all_finds_nothing() -> None:
    """No file has a finding; the table in tests/unit/docs/words.py has the words to write instead."""
    assert not [str(finding) for finding in find_all()]


def test_searched_files_include_documentation_and_help() -> None:
    """Pages, README, help texts and docstrings are searched."""
    names = {path.relative_to(paths.ROOT).as_posix() for path in searched_files()}

    assert {"README.md", "docs/index.md", "harness/commands/test/run.py", "bootstrap"} <= names


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
def test_find_phrases_reports(text: str) -> None:
    """A phrase of the table is one finding or more, with the words to write instead."""
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
def test_find_phrases_ignores_ordinary_english(text: str) -> None:
    """Words that ordinary English needs and code spans are no findings."""
    assert not list(find_phrases(text))
