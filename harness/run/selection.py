# SPDX-License-Identifier: GPL-2.0-only
"""Select the cases of a run, and run pytest for them."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.config import ConftestImportFailure
from _pytest.mark.expression import Expression

from harness.base import paths as places
from harness.base.errors import CaseError, HarnessError, UsageError
from harness.model.shard import Shard
from harness.run import pytest_plugin
from harness.run.case import CaseEnvironment
from harness.run.order import Past
from harness.run.rounds import ONCE, Rounds
from harness.suite.definition import Suite
from harness.suite.load import locate


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases of a run, and the number of machines.

    :param paths: case files or folders; empty for the whole suite.
    :param expression: the expression of pytest's ``-k``.
    :param workers: number of machines side by side.
    :param max_failures: number of failed cases that ends the run; 0 for no limit.
    :param rounds: number and order of the rounds.
    :param only: ids of the cases to run among those that the other fields select; empty for all of them.
    :param shard: the shard of these cases to run; None for all of them.
    :raises UsageError: pytest cannot parse the expression.
    """

    paths: tuple[Path, ...] = ()
    expression: str = ""
    workers: int = 1
    max_failures: int = 0
    rounds: Rounds = ONCE
    only: tuple[str, ...] = ()
    shard: Shard | None = None

    def __post_init__(self) -> None:
        """Check the expression with pytest's own parser before any kernel is prepared."""
        try:
            Expression.compile(self.expression)
        except SyntaxError as error:
            raise UsageError(
                f"-k {self.expression}: the expression is invalid",
                evidence=f"{error.text}: column {error.offset}: {error.msg}",
                remedy="combine parts of names: -k 'setns and not pidfd'",
            ) from None

    @property
    def stop_option(self) -> str:
        """Return the option that ends the run at a failure: ``-x``, which is ``--maxfail=1``, or ``--maxfail=N``."""
        return "-x" if self.max_failures == 1 else f"--maxfail={self.max_failures}"

    @property
    def is_whole(self) -> bool:
        """Return whether all cases of the suite are selected."""
        return self.is_of_whole_suite and self.shard is None

    @property
    def is_of_whole_suite(self) -> bool:
        """Return whether the shards together are all cases of the suite."""
        return not self.paths and not self.expression and not self.only


_FILES_PER_WORKER = 4
"""Fewest files for each worker: starting a worker takes as long as one or two cases."""


def worth_starting(workers: int, paths: Sequence[Path]) -> int:
    """Return the number of workers that run enough cases to make up for the time of their start.

    :param workers: number of workers that are wanted.
    :param paths: case files or folders; a folder may hold any number of cases; empty for all cases.
    """
    if not paths or not all(path.is_file() for path in paths):
        return workers
    return max(1, min(workers, len(paths) // _FILES_PER_WORKER))


@dataclass(frozen=True, slots=True)
class PytestRun:
    """The result of running pytest.

    :param status: its exit status.
    :param stderr: its output on standard error.
    :param is_conftest_broken: whether it did not start because a conftest.py cannot be imported.
    """

    status: int
    stderr: str = ""
    is_conftest_broken: bool = False


class _ConftestWatch:
    """Plug-in that notes whether a conftest.py cannot be imported: pytest itself only prints that."""

    def __init__(self) -> None:
        self.is_broken = False

    @pytest.hookimpl(wrapper=True)
    def pytest_load_initial_conftests(self) -> Generator[None]:
        try:
            return (yield)
        except ConftestImportFailure:
            self.is_broken = True
            raise


def run_pytest(arguments: Sequence[str], plugins: Sequence[object]) -> PytestRun:
    """Run pytest in this process.

    Settings for pytest in the user's environment are meant for other projects: they could disable the plug-in or add
    options, and are ignored.

    :param arguments: the arguments of pytest.
    :param plugins: plug-ins to register.
    """
    stderr = io.StringIO()
    watch = _ConftestWatch()
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PYTEST_")}
    try:
        with contextlib.redirect_stderr(stderr):
            status = pytest.main([*arguments], plugins=[*plugins, watch])
        return PytestRun(int(status), stderr.getvalue(), watch.is_broken)
    finally:
        os.environ.update(kept)


def find_no_case(ended: PytestRun, selection: Selection, suite: Suite, *, is_explained: bool) -> HarnessError | None:
    """Return the error for a run without any case, which must not look like a success; None if a case was run."""
    looked = "\n".join(str(path) for path in selection.paths) or str(suite.folder)
    if ended.status == pytest.ExitCode.USAGE_ERROR:
        complaint = ended.stderr.strip().removeprefix("ERROR: ")
        if ended.is_conftest_broken:
            return CaseError("a conftest.py of the cases cannot be imported", evidence=complaint, remedy="fix it")
        return UsageError("pytest does not start", evidence=complaint, remedy="rename or fix the file that it names")
    if ended.status == pytest.ExitCode.NO_TESTS_COLLECTED and not is_explained:
        wanted = f" with -k {shlex.quote(selection.expression)}" if selection.expression else ""
        remedy = "name a file or folder with *.session or test_*.py files"
        remedy += ", or another -k expression" if selection.expression else ""
        return UsageError(f"no case was selected{wanted}", evidence=f"searched:\n{looked}", remedy=remedy)
    return None


class InProcess:
    """Plug-in that sets the environment of the cases of this process, if there are no workers."""

    def __init__(self, environment: CaseEnvironment, selection: Selection, *, order: str, past: Mapping[str, Past]):
        self._environment = environment
        self._only = selection.only
        self._shard = selection.shard
        self._order = order
        self._past = past

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        pytest_plugin.set_environment(config, self._environment)
        pytest_plugin.set_order(config, self._order, self._past)
        pytest_plugin.set_only(config, self._only, self._shard)
        pytest_plugin.set_trace_style(config)
        pytest_plugin.share_fixtures(config, self._environment.suite)


def pytest_arguments(selection: Selection, suite: Suite) -> list[str]:
    """Return the arguments of pytest: it shows nothing on the terminal and writes nothing beside the cases."""
    paths = [str(path) for path in selection.paths] or [str(suite.folder)]
    arguments = ["-c", str(places.PYTEST_SETTINGS), "--rootdir", str(places.ROOT)]
    if not suite.folder.is_relative_to(places.ROOT):
        # A conftest.py above a user's suite is not for cases.
        arguments += ["--confcutdir", str(suite.folder)]
    arguments += ["-p", "no:terminal", "-p", "no:cacheprovider", "--capture=no"]
    # A broken file does not stop the others; files in different folders may have the same name.
    arguments += ["--continue-on-collection-errors", "--import-mode=importlib"]
    if selection.workers > 1:
        arguments += ["-n", str(selection.workers), "--dist", "worksteal"]
    else:
        arguments += ["-p", "no:xdist"]
    if selection.expression:
        arguments += ["-k", selection.expression]
    return [*arguments, *paths]


def files_of(ids: Iterable[str], suite: Suite) -> tuple[Path, ...]:
    """Return the files of some cases."""
    names = sorted({case.partition("::")[0] for case in ids})
    return tuple(locate(name, suite) or locate(f"/{name}", suite) or Path(name) for name in names)
