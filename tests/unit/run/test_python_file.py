# SPDX-License-Identifier: GPL-2.0-only
"""A Python case file that is broken: told by file and line, without a trace."""

from __future__ import annotations

import pytest

from harness.base.errors import CaseError
from harness.run.python_file import check_names, explain_import

PATH = "cases/test_x.py"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def test_a():\n    pass\n\n\ndef test_a():\n    pass\n", 5),
        ("async def test_a(): pass\ndef test_a(): pass\n", 2),
        ("class TestA: pass\nclass TestA: pass\n", 2),
        ("class TestA:\n    def test_a(self): pass\n    def test_a(self): pass\n", 3),
    ],
)
def test_a_name_that_is_there_twice_is_refused(text: str, line: int) -> None:
    """Python would keep the last one only, and nobody would miss the first."""
    with pytest.raises(CaseError) as caught:
        check_names(text, path=PATH)

    assert caught.value.what.startswith(f"{PATH}:{line}: ")
    assert "is repeated, first in line" in caught.value.what
    assert caught.value.evidence == text.split("\n")[line - 1].strip()


@pytest.mark.parametrize(
    "text",
    [
        "def test_a(): pass\ndef test_b(): pass\n",
        "def helper(): pass\ndef helper(): pass\n",
        "def test_a(): pass\nclass TestA:\n    def test_a(self): pass\nclass TestB:\n    def test_a(self): pass\n",
        "def test_a(:\n",
        "",
    ],
)
def test_other_files_pass(text: str) -> None:
    """Same names in different classes are different cases; text that is not Python is left to the import."""
    check_names(text, path=PATH)


def raised_by(text: str, file: str) -> BaseException:
    """What the import of that text would raise."""
    with pytest.raises((Exception,)) as caught:
        exec(compile(text, file, "exec"), {})
    return caught.value


@pytest.mark.parametrize(
    ("text", "what", "evidence"),
    [
        ("x = 1\ndef test_a(:\n", "2: SyntaxError: ", "def test_a(:"),
        ("x = 1\n\nimport nosuchmodule\n", "3: ModuleNotFoundError: No module named 'nosuchmodule'", ""),
        ("import json\n\n\njson.loads('{')\n", "4: JSONDecodeError: Expecting property name", ""),
        ("def f():\n    return y\nf()\n", "2: NameError: name 'y' is not defined", ""),
    ],
)
def test_a_failed_import_is_told_by_its_line(text: str, what: str, evidence: str) -> None:
    """The line is the last one in the case file itself, however deep the error came from."""
    error = explain_import(raised_by(text, "/x/test_x.py"), file="/x/test_x.py", path=PATH)

    assert error.what.startswith(f"{PATH}:{what}")
    assert error.evidence == evidence
    assert "(test_x.py" not in error.what


def test_an_error_from_elsewhere_names_the_file_still() -> None:
    """A broken conftest.py has no line in the case file."""
    error = explain_import(raised_by("1 / 0", "/elsewhere.py"), file="/x/test_x.py", path=PATH)

    assert error.what == f"{PATH}:1: ZeroDivisionError: division by zero"
