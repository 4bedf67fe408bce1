"""Which cases a run asks, and pytest's way over them."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.config import ConftestImportFailure
from _pytest.mark.expression import Expression

from harness.base import paths as places
from harness.base.errors import CaseError, HarnessError, UsageError
from harness.run import pytest_plugin
from harness.run.case import CaseEnvironment
from harness.run.rounds import ONCE, Rounds
from harness.suite.definition import Suite


@dataclass(frozen=True, slots=True)
class Selection:
    """Which cases, and how many at once.

    :param paths: case files or folders; none means the whole suite.
    :param expression: as pytest's ``-k``.
    :param workers: machines side by side.
    :param max_failures: how many cases that fail end the run; 0: it asks all.
    :param rounds: how often, and in which order.
    :raises UsageError: pytest cannot parse the expression.
    """

    paths: tuple[Path, ...] = ()
    expression: str = ""
    workers: int = 1
    max_failures: int = 0
    rounds: Rounds = ONCE

    def __post_init__(self) -> None:
        """Refuse an expression that pytest cannot parse, before any kernel is prepared for it."""
        try:
            Expression.compile(self.expression)
        except SyntaxError as error:
            raise UsageError(
                f"-k {self.expression}: that is no expression",
                evidence=f"{error.text}: at column {error.offset}: {error.msg}",
                remedy="combine parts of names: -k 'setns and not pidfd'",
            ) from None

    @property
    def is_whole(self) -> bool:
        """Whether all cases of the suite are asked."""
        return not self.paths and not self.expression


_FILES_PER_WORKER = 4
"""A worker costs as much to start as one or two cases take; with fewer files each that is not won back."""


def worth_starting(workers: int, paths: Sequence[Path]) -> int:
    """How many of so many workers win back, by what they ask, the time that they need to start.

    :param paths: case files or folders, of which one may hold any number of cases; none means all cases.
    """
    if not paths or not all(path.is_file() for path in paths):
        return workers
    return max(1, min(workers, len(paths) // _FILES_PER_WORKER))


@dataclass(frozen=True, slots=True)
class PytestRun:
    """How pytest ended.

    :param status: its exit status.
    :param said: what it wrote to standard error.
    :param is_conftest_broken: whether it did not start because a conftest.py cannot be imported.
    """

    status: int
    said: str = ""
    is_conftest_broken: bool = False


class _ConftestWatch:
    """Notices a conftest.py that cannot be imported: pytest itself only prints that."""

    def __init__(self) -> None:
        self.is_broken = False

    @pytest.hookimpl(wrapper=True)
    def pytest_load_initial_conftests(self) -> Generator[None]:
        try:
            return (yield)
        except ConftestImportFailure:
            self.is_broken = True
            raise


def run_pytest(words: Sequence[str], plugins: Sequence[object]) -> PytestRun:
    """Run pytest in this process.

    What the user's environment asks of pytest is for other projects: it would stop the plug-in or add options.
    """
    said = io.StringIO()
    watch = _ConftestWatch()
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PYTEST_")}
    try:
        with contextlib.redirect_stderr(said):
            status = pytest.main([*words], plugins=[*plugins, watch])
        return PytestRun(int(status), said.getvalue(), watch.is_broken)
    finally:
        os.environ.update(kept)


def find_no_case(ended: PytestRun, selection: Selection, suite: Suite, *, is_broken: bool) -> HarnessError | None:
    """Why no case was asked at all, if so: no verdict must not look like a good one."""
    looked = "\n".join(str(path) for path in selection.paths) or str(suite.folder)
    if ended.status == pytest.ExitCode.USAGE_ERROR:
        complaint = ended.said.strip().removeprefix("ERROR: ")
        if ended.is_conftest_broken:
            return CaseError("a conftest.py of the cases cannot be imported", evidence=complaint, remedy="mend it")
        return UsageError("pytest does not start", evidence=complaint, remedy="rename or mend what it complains of")
    if ended.status == pytest.ExitCode.NO_TESTS_COLLECTED and not is_broken:
        wanted = f" with -k {shlex.quote(selection.expression)}" if selection.expression else ""
        remedy = "name a file or folder with *.session or test_*.py files"
        remedy += ", or another -k expression" if selection.expression else ""
        return UsageError(f"no case was selected{wanted}", evidence=f"looked in:\n{looked}", remedy=remedy)
    return None


class InProcess:
    """Gives the cases of this very process their environment, when no worker is used."""

    def __init__(self, environment: CaseEnvironment, *, order: str) -> None:
        self._environment = environment
        self._order = order

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        pytest_plugin.set_environment(config, self._environment)
        pytest_plugin.set_order(config, self._order)
        pytest_plugin.set_trace_style(config)
        pytest_plugin.share_fixtures(config, self._environment.suite)


def pytest_arguments(selection: Selection, suite: Suite) -> list[str]:
    """pytest's command line: nothing of its own on the terminal, nothing written beside the cases."""
    paths = [str(path) for path in selection.paths] or [str(suite.folder)]
    words = ["-c", str(places.PYTEST_SETTINGS), "--rootdir", str(places.ROOT)]
    if not suite.folder.is_relative_to(places.ROOT):
        # A conftest.py above a suite of the user's is not for cases.
        words += ["--confcutdir", str(suite.folder)]
    words += ["-p", "no:terminal", "-p", "no:cacheprovider", "--capture=no"]
    # A broken file does not stop the others; two files of one name may be in different folders.
    words += ["--continue-on-collection-errors", "--import-mode=importlib"]
    if selection.workers > 1:
        words += ["-n", str(selection.workers), "--dist", "worksteal"]
    else:
        words += ["-p", "no:xdist"]
    if selection.expression:
        words += ["-k", selection.expression]
    if selection.max_failures:
        words += [f"--maxfail={selection.max_failures}"]
    return [*words, *paths]
