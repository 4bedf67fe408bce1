# SPDX-License-Identifier: GPL-2.0-only
"""Write suites for programs of others."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.guest.definition import GuestFile
from harness.run.foreign.draft import Draft, DraftProgram, program_text, suite_text, write_suite
from harness.suite.check import check_suite
from harness.suite.load import suite_argument
from harness.suite.parse import parse_suite
from harness.suite.program_file import parse_program

LINES = st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=40)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)


def draft(tmp_path: Path, content: str) -> Draft:
    """Return a suite with one program."""
    source = tmp_path / "source"
    source.write_text(content)
    files = (GuestFile("/usr/lib/harness/a", source, 0o755),)
    return Draft("program:/a", "program", "t", (DraftProgram("a", "/usr/lib/harness/a"),), files)


def test_suite_is_named_by_its_content(tmp_path: Path) -> None:
    """The same files give the same folder, others another one; the suite has no faults."""
    context = Context(Store(tmp_path / "store"), Deadline.never())
    first, again = (write_suite(context, draft(tmp_path, "one")) for _ in range(2))
    other = write_suite(context, draft(tmp_path, "two"))

    assert first == again
    assert first.folder != other.folder
    assert suite_argument(first) == suite_argument(other) == "program:/a"
    assert check_suite(first.folder)[1] == ()
    assert (first.folder / "a.program").read_text() != (other.folder / "a.program").read_text()


@given(LINES.filter(str.strip), LINES, TEXTS)
def test_any_text_is_read_as_it_was_written(command: str, title: str, unavailable: str) -> None:
    """Commands, titles and the output of compilers hold any characters."""
    program = parse_program(program_text(DraftProgram("a", command, title, unavailable=unavailable), {}), path="s/a")

    assert (program.command, program.title, program.unavailable) == (command, title, unavailable)


@given(TEXTS.filter(str.strip))
def test_any_path_is_read_as_it_was_written(name: str) -> None:
    """Paths of a user hold any characters."""
    text = suite_text(Draft(f"program:{name}", "program", "t", ()), {})

    suite, faults = parse_suite(text, Path("/nowhere"))
    assert (suite.argument, faults) == (f"program:{name}", ())
