# SPDX-License-Identifier: GPL-2.0-only
"""Read program files."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import CaseError
from harness.suite.check import check_suite
from harness.suite.load import case_id, case_paths, locate, read_suite
from harness.suite.program_file import PROGRAM_SECONDS, parse_program


def test_all_keys_are_read() -> None:
    """Each key has its meaning, and the rest their defaults."""
    program = parse_program(
        'command = "./a"\ntitle = "T"\ndirectory = "/d"\nseconds = 7\nprepare = "mount"\nneeds = ["CONFIG_X"]\n'
        'ends = false\ninputs = ["00"]\n',
        path="s/a",
    )

    assert (program.command, program.title, program.directory, program.seconds) == ("./a", "T", "/d", 7.0)
    assert (program.prepare, program.needs, program.ends) == ("mount", ("CONFIG_X",), False)
    assert parse_program('command = "./a"', path="s/a").seconds == PROGRAM_SECONDS


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("command", "is not TOML"),
        ("", "command is missing"),
        ('command = "a"\nsecond = 1', "second is not a known key (hint: did you mean seconds?)"),
        ('command = "a\\nb"', "command has more than one line"),
        ('command = "a"\ndirectory = "d"', "directory is 'd', not an absolute path"),
        ('command = "a"\nseconds = 0', "seconds is less than 1"),
        ('command = "a"\nends = "no"', "ends is not true or false"),
    ],
)
def test_broken_files_are_refused(text: str, what: str) -> None:
    """The message begins with the file and names the key."""
    with pytest.raises(CaseError) as raised:
        parse_program(text, path="s/a")

    assert raised.value.what.startswith("s/a:1: ")
    assert what in raised.value.what


def test_unavailable_program_needs_no_command() -> None:
    """A program that does not build is a case with a reason."""
    assert parse_program('unavailable = "no header"', path="s/a").unavailable == "no header"


def test_suite_finds_program_files(tmp_path: Path) -> None:
    """The id of a program has no suffix, and both the id and the id of one of its tests name the file."""
    (tmp_path / "suite.toml").write_text('format = 1\nname = "mine"\ntitle = "t"\nargument = "program:/a"\n')
    (tmp_path / "sub").mkdir()
    file = tmp_path / "sub" / "a.sh.program"
    file.write_text('command = "true"')
    suite = read_suite(tmp_path)

    assert case_paths(suite) == [file]
    assert case_id(file, suite) == "mine/sub/a.sh"
    assert locate("mine/sub/a.sh", suite) == file
    assert [locate(word, suite) for word in (".", "/", "..")] == [Path.cwd(), Path("/"), Path.cwd().parent]
    assert check_suite(tmp_path)[1] == ()

    file.write_text("command = 1")
    assert "command is not a string" in check_suite(tmp_path)[1][0]
