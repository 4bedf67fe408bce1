# SPDX-License-Identifier: GPL-2.0-only
"""Models are imported and checked against the suite's traits and the profile."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.base.errors import CaseError, UsageError
from harness.coverage.symbols import Function
from harness.explore.load import check_profile, exploration_of, load_model
from harness.explore.session_file import session_text
from harness.explore.steer import code_of
from harness.session.transcript import parse
from harness.suite.load import read_suite, suite_semantics
from harness.suite.parse import parse_suite
from tests.unit.explore.shelves import FOLDER, load


def copy(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """Return a copy of the suite about shelves with a change in one file."""
    folder = tmp_path / "shelves"
    shutil.copytree(FOLDER, folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    return folder


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("def start(", "def begin(", "has no start"),
        ("KNOWS =", "KNOWN =", "has no KNOWS"),
        ('("two", "three")}', '("two", "four")}', "four"),
        ("import annotations", "import annotation", "model.py:"),
    ],
)
def test_a_broken_model_is_explained(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """The error names the file and what is wrong."""
    suite = read_suite(copy(tmp_path, "model.py", old, new))
    with pytest.raises(CaseError) as raised:
        load_model(suite, suite_semantics(suite))

    assert problem in str(raised.value)
    assert "model.py" in str(raised.value)


def test_a_missing_model_is_explained(tmp_path: Path) -> None:
    """The path is that of suite.toml."""
    suite = read_suite(copy(tmp_path, "suite.toml", "model.py", "other.py"))
    with pytest.raises(CaseError, match=r"other\.py: no such model"):
        load_model(suite, suite_semantics(suite))


def test_a_suite_without_a_model_cannot_be_explored(tmp_path: Path) -> None:
    """The hint names the table to write."""
    suite = read_suite(copy(tmp_path, "suite.toml", '[explore]\nmodel = "model.py"\ncommand = "shelves"\n', ""))
    with pytest.raises(UsageError) as raised:
        exploration_of(suite)

    assert "[explore]" in raised.value.remedy


def test_a_profile_with_an_unknown_value_is_refused() -> None:
    """The model must know what it is to be."""
    check_profile(load(), {"room": "two", "other": "any"}, profile="small")
    with pytest.raises(CaseError, match="the model does not know room = four, which the profile huge has"):
        check_profile(load(), {"room": "four"}, profile="huge")


def test_faults_of_the_table_are_found(tmp_path: Path) -> None:
    """Missing and unknown keys, and an invalid expression."""
    text = (FOLDER / "suite.toml").read_text()
    _, faults = parse_suite(text.replace('command = "shelves"', 'functions = "("\ncomand = 1'), tmp_path)

    assert len(faults) == 3
    assert any("explore.command is missing" in one for one in faults)
    assert any("not a regular expression" in one for one in faults)


def test_long_commands_continue_over_lines() -> None:
    """A session with many operations is valid, and types what was run."""
    from harness.explore.model import Divergence

    operations = tuple(f"put {letter}" for letter in "abcdefghij" * 8)
    found = Divergence(operations, ("0",), "full")
    text = session_text(
        found,
        [("0",)] * len(operations),
        command="shelves",
        headers=(),
        sides=("One answers", "other answers"),
        source="a test",
    )
    (step,) = parse(text, path="x.session").steps

    assert max(map(len, text.splitlines())) <= 120
    assert " ".join(step.command.split()) == f"shelves '{'; '.join(operations)}'"


def test_code_of_the_subject_is_chosen_by_names() -> None:
    """The expression is searched in the names of functions."""
    base = 0xFFFFFFFF81000000
    functions = [Function("shelf_put", base, base + 10), Function("other", base + 10, base + 14)]

    assert code_of(functions, "^shelf_").count() == 10
    assert code_of(functions, "").count() == 0
