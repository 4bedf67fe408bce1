# SPDX-License-Identifier: GPL-2.0-only
"""What pytest is asked for, and why it ran no case: by what it raises, not by what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import CaseError, UsageError
from harness.run.recorder import PytestRun, find_no_case, run_pytest
from harness.run.selection import Selection
from harness.suite.load import default_suite


@pytest.mark.parametrize("expression", ["a and (", "and", "a b", "not"])
def test_an_expression_that_pytest_cannot_parse_is_refused(expression: str) -> None:
    """The error names the expression, before a kernel is prepared."""
    with pytest.raises(UsageError, match="the expression is invalid") as caught:
        Selection(expression=expression)

    assert caught.value.what.startswith(f"-k {expression}:")
    assert "column" in caught.value.evidence


@pytest.mark.parametrize("expression", ["", "setns and not pidfd", "a or (b and c)", "v2"])
def test_an_expression_that_pytest_can_parse_is_taken(expression: str) -> None:
    """Also an empty one, which selects all."""
    assert Selection(expression=expression).expression == expression


@pytest.mark.parametrize(("source", "is_broken"), [("import nosuchmodule\n", True), ("", False)])
def test_run_pytest_notices_a_conftest_that_cannot_be_imported(tmp_path: Path, source: str, is_broken: bool) -> None:
    """Whatever pytest prints of it."""
    (tmp_path / "conftest.py").write_text(source)
    ended = run_pytest(["-p", "no:terminal", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)], [])

    assert ended.is_conftest_broken is is_broken
    assert ended.status == (pytest.ExitCode.USAGE_ERROR if is_broken else pytest.ExitCode.NO_TESTS_COLLECTED)


@pytest.mark.parametrize("said", ["ERROR: the import failed", "conftest.py: '-k'", ""])
def test_find_no_case_goes_by_facts(said: str) -> None:
    """Words on standard error are evidence only: they change neither the kind of the error nor its sentence."""
    broken = find_no_case(
        PytestRun(pytest.ExitCode.USAGE_ERROR, said, True), Selection(), default_suite(), is_explained=False
    )
    other = find_no_case(PytestRun(pytest.ExitCode.USAGE_ERROR, said), Selection(), default_suite(), is_explained=False)

    assert type(broken) is CaseError
    assert type(other) is UsageError
    assert other.what == "pytest does not start"


@pytest.mark.parametrize(("max_failures", "option"), [(1, "-x"), (3, "--maxfail=3")])
def test_stop_option_is_the_option_of_the_user(max_failures: int, option: str) -> None:
    """The note of a stopped run names ``-x`` for one failure, and ``--maxfail`` for more."""
    assert Selection(max_failures=max_failures).stop_option == option
