# SPDX-License-Identifier: GPL-2.0-only
"""Make suites of programs, scripts and C sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, UsageError
from harness.base.store import Store
from harness.guest.elf import read_load_facts
from harness.run.foreign.make import make_suite
from harness.suite.generated import kind_of
from harness.suite.load import case_id, case_paths, find_suite, suite_argument
from harness.suite.program_file import parse_program


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """Return a context with an empty store."""
    return Context(Store(tmp_path / "store"), Deadline.after(300.0))


def write(path: Path, text: str) -> Path:
    """Write a file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("word", "kind"),
    [("program:a", "program"), ("repro:a.c", "repro"), ("program:", ""), ("timens", ""), ("/a:b", ""), ("other:a", "")],
)
def test_kind_of_an_argument(word: str, kind: str) -> None:
    """Only known kinds with something behind the colon are kinds; the rest names a suite."""
    assert kind_of(word) == kind


def test_programs_bring_their_libraries(context: Context) -> None:
    """Two programs that share libraries bring each once."""
    suite = make_suite(context, "program:/bin/ls,/bin/bash")

    paths = [one.path for one in suite.guest.files]
    assert [case_id(path, suite) for path in case_paths(suite)] == ["program/bash", "program/ls"]
    assert {"/usr/lib/harness/ls", "/usr/lib/harness/bash"} <= set(paths)
    assert len(paths) == len(set(paths)) > 4
    assert suite_argument(suite) == "program:/bin/ls,/bin/bash"
    assert find_suite(suite_argument(suite)).name == "program"


def test_reproducer_is_compiled_statically(context: Context, tmp_path: Path) -> None:
    """It goes on until it is stopped."""
    source = write(tmp_path / "crash.c", "#include <pthread.h>\nint main(void) { return 0; }\n")
    suite = make_suite(context, f"repro:{source}")

    (file,) = suite.guest.files
    (case,) = case_paths(suite)
    assert read_load_facts(file.source.read_bytes()).interpreter == ""
    assert case_id(case, suite) == "repro/crash"
    assert not parse_program(case.read_text(), path="a").ends


def test_error_of_the_compiler_names_the_users_file(context: Context, tmp_path: Path) -> None:
    """The sandbox has another path for it."""
    source = write(tmp_path / "bad.c", "int main(void) { return missing; }\n")

    with pytest.raises(CaseError, match="does not compile") as raised:
        make_suite(context, f"repro:{source}")
    assert f"{source}:1:25: error:" in str(raised.value)


def test_reproducer_cannot_read_the_host(context: Context, tmp_path: Path) -> None:
    """A source that was posted by anybody includes what it likes."""
    secret = write(tmp_path / "secret.h", "#define SECRET 1\n")
    source = write(tmp_path / "bad.c", f'#include "{secret}"\nint main(void) {{ return 0; }}\n')

    with pytest.raises(CaseError, match="No such file"):
        make_suite(context, f"repro:{source}")


def test_scripts_are_for_shells(context: Context, tmp_path: Path) -> None:
    """The guest has no other interpreter."""
    for number, first in enumerate(("", "#!/bin/sh\n", "#!/usr/bin/env bash\n", "#! /bin/bash -e\n")):
        make_suite(context, f"script:{write(tmp_path / f'{number}.sh', first + 'true')}")
    with pytest.raises(UsageError, match="is for python3"):
        make_suite(context, f"script:{write(tmp_path / 'a.py', '#!/usr/bin/env python3')}")


@pytest.mark.parametrize(
    ("names", "what"),
    [(("missing",), "no file"), (("a/x", "missing"), "no file"), (("a/x", "b/x"), "two files are called x")],
)
def test_files_that_cannot_be_cases(context: Context, tmp_path: Path, names: tuple[str, ...], what: str) -> None:
    """A missing file, and two files whose cases would have one id."""
    for name in ("a/x", "b/x"):
        write(tmp_path / name, "true")

    with pytest.raises(UsageError, match=what):
        make_suite(context, "script:" + ",".join(str(tmp_path / name) for name in names))


def test_name_with_a_comma(context: Context, tmp_path: Path) -> None:
    """A file of that name is one file; its case has a plain name."""
    suite = make_suite(context, f"script:{write(tmp_path / 'a,b c.sh', 'true')}")

    assert [case_id(path, suite) for path in case_paths(suite)] == ["script/a-b-c.sh"]
