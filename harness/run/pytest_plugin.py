# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plug-in: collect session files, provide the fixtures of Python cases, and transport each case's record.

It is installed as a ``pytest11`` entry point, so ``pytest cases/`` works by itself. ``harness run`` adds the display,
the run folder and the reports (``harness/run/one_kernel.py``) by registering a recorder. A case's record is sent as
plain data in ``user_properties`` of its report, which xdist passes to the controller; ``record_testsuite_property``
is not passed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

import pytest

from harness import pipeline
from harness.base import log, process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, HarnessError
from harness.base.scratch import scratch_folder
from harness.base.store import Store
from harness.kernel.needs import check_need
from harness.model.run_record import CaseRecord, dumps_case
from harness.model.shard import Shard
from harness.model.verdict import Outcome
from harness.pipeline import Options
from harness.results.folder import RUN_NAME, case_folder_name
from harness.run.case import CaseEnvironment, RunningCase, conclude, make_environment, run_session
from harness.run.order import Past, deal, in_order, read_past
from harness.run.play import CaseSkippedError
from harness.run.program import run_program
from harness.run.python_api import Prepare, Shell, Sight
from harness.run.python_file import check_names, explain_import
from harness.run.rounds import shuffle
from harness.session.console_name import ConsoleName
from harness.session.transcript import Transcript
from harness.suite.case_checks import check_case_traits
from harness.suite.definition import Suite
from harness.suite.load import case_id, default_suite, find_suite, read_suite, suite_of_file, suite_semantics
from harness.suite.program_file import PROGRAM_SUFFIX, ProgramCase, parse_program
from harness.suite.session_files import read_transcript

PREPARED = "harness_prepared"
"""Key of the prepared kernel as JSON, which the controller sends to each worker."""
SUITE = "harness_suite"
"""Key of the folder of the suite."""
FOLDER = "harness_folder"
ORDER = "harness_order"
"""Key of the seed for a random order of the cases, see ``harness/run/rounds.py``."""
PAST = "harness_past"
"""Key of the results of earlier runs, which decide the order of the cases, see ``harness/run/order.py``."""
ONLY = "harness_only"
"""Key of the ids of the cases to run; empty for all that are collected."""
TAKEN_OVER = "harness_taken_over"
"""Key of the ids of the cases that an earlier run has run, which this one goes on with."""
SHARD = "harness_shard"
"""Key of the shard to run, as a list of its fields; missing for all cases."""
SELECTED = "selected.json"
"""Name of the file in which the first worker lists the ids of the selected cases, those of all shards."""
LOG = "harness_log"
"""Key of the settings of the log, as a list."""
FIRST_WORKER = "gw0"
RECORD = "harness.case"
"""Key of a case's record among the ``user_properties`` of its report."""

_BENCH = pytest.StashKey[CaseEnvironment]()
_SUITE = pytest.StashKey[Suite]()
_CASE = pytest.StashKey[RunningCase]()
_DONE = pytest.StashKey[CaseRecord]()
_TESTS = pytest.StashKey[Sequence[CaseRecord]]()
"""The records of the tests that a program reported."""
_ENDS = pytest.StashKey[ExitStack]()
_NAMES = pytest.StashKey[dict[str, Path]]()
_ORDER = pytest.StashKey[str]()
_PAST = pytest.StashKey[Mapping[str, Past]]()
_ONLY = pytest.StashKey[Sequence[str]]()
_TAKEN_OVER = pytest.StashKey[Sequence[str]]()
_SHARD = pytest.StashKey[Shard | None]()
_SELECTED = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for pytest without ``harness run``, which has more of them."""
    group = parser.getgroup("harness", "kernel under test")
    group.addoption("--kernel", default="deb", help="kernel to test: deb, deb:PACKAGE, or an image (default: deb)")
    group.addoption("--profile", default="", help="profile of expectations, or auto (default: mainline)")
    group.addoption("--suite", default="", help="suite of the cases (default: the suite whose folder they are in)")


def pytest_configure(config: pytest.Config) -> None:
    """Make a worker end with the controller, even if the controller is killed."""
    config.stash[_ENDS] = ExitStack()
    if hasattr(config, "workerinput"):
        process.die_with_parent(os.getppid())
        verbosity, file = config.workerinput.get(LOG, (0, ""))
        log.set_up(log.LogSettings(verbosity, file))
        set_trace_style(config)
        share_fixtures(config, suite_of(config))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the cases into the order of this round, which is the same in every worker."""
    if not _is_run(config):
        return
    sent = getattr(config, "workerinput", {})
    if only := frozenset(config.stash.get(_ONLY, sent.get(ONLY, ()))):
        # A test that a program reports is run by the program.
        only |= {one.partition("::")[0] for one in only}
        items[:] = [item for item in items if case_id_of(item.path, item.nodeid, suite_of(config)) in only]
    selected = ids_of(items, suite_of(config))
    if shard := config.stash.get(_SHARD, Shard(*sent[SHARD]) if SHARD in sent else None):
        own = shard.ids(selected)
        items[:] = [item for item, name in zip(items, selected, strict=True) if name in own]
    if done := frozenset(config.stash.get(_TAKEN_OVER, sent.get(TAKEN_OVER, ()))):
        items[:] = [item for item in items if case_id_of(item.path, item.nodeid, suite_of(config)) not in done]
    ids = ids_of(items, suite_of(config))
    if order := config.stash.get(_ORDER, sent.get(ORDER, "")):
        shuffle(items, order)
    else:
        past = config.stash.get(_PAST, None) or read_past(sent.get(PAST, {}))
        items[:] = deal(in_order(items, ids, past), sent.get("workercount", 1))
    if sent.get("workerid") == FIRST_WORKER:
        (Path(sent[FOLDER]) / SELECTED).write_text(json.dumps(selected))
    config.stash[_SELECTED] = selected


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the temporary folder that :func:`environment_of` made."""
    config.stash[_ENDS].close()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Ignore run folders: the results of a run, or of an earlier round, may be in the folder of the cases."""
    return True if (collection_path / RUN_NAME).is_file() else None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect ``*.session`` and ``*.program`` files."""
    kinds: dict[str, type[pytest.File]] = {".session": SessionFile, PROGRAM_SUFFIX: ProgramFile}
    kind = kinds.get(file_path.suffix)
    return kind.from_parent(parent, path=file_path) if kind is not None else None


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect Python cases if pytest is started by ``harness run``."""
    return PythonFile.from_parent(parent, path=module_path) if _is_run(parent.config) else None


class SessionFile(pytest.File):
    """A session file: one case."""

    def collect(self) -> Iterable[pytest.Item]:
        """Return the case of the file.

        :raises CaseError: the file is broken.
        """
        path = _claim(self)
        suite = suite_of(self.config)
        transcript = read_transcript(_read(self.path, path), path, suite.preparations)
        check_case_traits(transcript, suite, suite_semantics(suite))
        try:
            for need in transcript.needs:
                check_need(need, suite.features)
        except CaseError as error:
            raise CaseError(f"{path}: {error.what}", evidence=error.evidence, remedy=error.remedy) from None
        yield SessionItem.from_parent(self, name=self.path.stem, transcript=transcript)

    def repr_failure(  # type: ignore[override]  # the base class is wider than it needs to be
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str:
        """Show the error of a broken file without a trace."""
        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))


class ProgramFile(SessionFile):
    """A program file: one program, whose tests are cases as well."""

    def collect(self) -> Iterable[pytest.Item]:
        """Return the program; -k finds it by the names of the tests that it reported in earlier runs, too.

        :raises CaseError: the file is broken.
        """
        path = _claim(self)
        suite = suite_of(self.config)
        program = parse_program(_read(self.path, path), path=path)
        for need in program.needs:
            check_need(need, suite.features)
        item = ProgramItem.from_parent(self, name=self.path.stem, program=program)
        known = self.config.stash.get(_PAST, None) or getattr(self.config, "workerinput", {}).get(PAST, {})
        item.extra_keyword_matches.update(one for one in known if one.startswith(f"{path}::"))
        yield item


class PythonFile(pytest.Module):
    """A file of Python cases."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Return the cases of the file.

        :raises CaseError: the file is broken.
        """
        path = _claim(self)
        check_names(_read(self.path, path), path=path)
        return super().collect()

    def repr_failure(  # type: ignore[override]  # the base class is wider than it needs to be
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str:
        """Show the broken line of the file without a trace."""
        error = excinfo.value.__cause__ or excinfo.value
        path = case_id(self.path, suite_of(self.config))
        return str(error if isinstance(error, HarnessError) else explain_import(error, file=str(self.path), path=path))


def _is_run(config: pytest.Config) -> bool:
    """Return whether pytest is started by ``harness run``; otherwise it also collects files that are not cases."""
    return _BENCH in config.stash or PREPARED in getattr(config, "workerinput", {})


def _claim(collector: pytest.File) -> str:
    """Return the name of a case file in all reports.

    :raises CaseError: another file of this run has the same name.
    """
    name = case_id(collector.path, suite_of(collector.config))
    other = collector.config.stash.setdefault(_NAMES, {}).setdefault(name, collector.path)
    if other != collector.path:
        raise CaseError(
            f"{name}:1: two files of this run have the same name in reports",
            evidence=f"{other}\n{collector.path}",
            remedy="rename one of them, or run them one after the other",
        )
    return name


def _read(file: Path, path: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        remedy = "save it as UTF-8"
        raise CaseError(f"{path}:1: the file is not UTF-8 text", evidence=str(error), remedy=remedy) from None
    except OSError as error:
        raise CaseError(
            f"{path}:1: the file cannot be read", evidence=str(error), remedy=f"make it readable: chmod +r {file}"
        ) from None


class SessionItem(pytest.Item):
    """The case in a session file."""

    def __init__(self, *, transcript: Transcript, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]  # pytest passes its own arguments
        self.transcript = transcript

    def runtest(self) -> None:
        """Play the transcript."""
        record = run_session(
            self.transcript, environment_of(self.config), folder=case_folder_name(self.transcript.path)
        )
        self.stash[_DONE] = record
        if record.outcome is Outcome.SKIPPED:
            pytest.skip(record.reason)
        if record.outcome is not Outcome.MATCH:
            raise UnexpectedResult(record)

    def repr_failure(  # type: ignore[override]  # the base class is wider than it needs to be
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str:
        """Return the reason, then the diff."""
        if isinstance(excinfo.value, UnexpectedResult):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the location of the case."""
        return self.path, 0, self.transcript.path


class ProgramItem(SessionItem):
    """The program of a program file."""

    def __init__(self, *, program: ProgramCase, **rest: object) -> None:
        super(SessionItem, self).__init__(**rest)  # type: ignore[arg-type]  # pytest passes its own arguments
        self.program = program

    def runtest(self) -> None:
        """Run the program; the first failure of its tests is the one that pytest sees."""
        path = self.program.path
        *tests, own = run_program(self.program, environment_of(self.config), folder=case_folder_name(path))
        self.stash[_DONE], self.stash[_TESTS] = own, tests
        if own.outcome is Outcome.SKIPPED:
            pytest.skip(own.reason)
        for record in (own, *tests):
            if record.outcome not in (Outcome.MATCH, Outcome.SKIPPED):
                raise UnexpectedResult(record)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the location of the case."""
        return self.path, 0, self.program.path


class UnexpectedResult(Exception):  # noqa: N818  a verdict, not an error of the harness
    """The result of a case is not the expected one."""

    def __init__(self, record: CaseRecord) -> None:
        super().__init__(f"{record.outcome}: {record.reason}\n{record.diff}".rstrip())


def case_id_of(path: Path, nodeid: str, suite: Suite) -> str:
    """Return the id of a case in all reports: its file and, for a Python case, pytest's name in that file."""
    name = case_id(path, suite)
    return name if path.suffix in (".session", PROGRAM_SUFFIX) else f"{name}::{nodeid.partition('::')[2]}"


def environment_of(config: pytest.Config) -> CaseEnvironment:
    """Return the environment of the cases of this process; without one from the controller, prepare it now.

    :raises HarnessError: the kernel cannot be prepared.
    """
    if (known := config.stash.get(_BENCH, None)) is not None:
        return known
    handed = getattr(config, "workerinput", {})
    if PREPARED in handed:
        prepared, folder = pipeline.load_prepared(handed[PREPARED]), Path(handed[FOLDER])
    else:
        folder = config.stash[_ENDS].enter_context(scratch_folder("cases"))
        options = Options(
            kernel=config.getoption("--kernel"), profile=config.getoption("--profile"), suite=suite_of(config)
        )
        prepared = pipeline.prepare(
            Context(Store.default(), Deadline.after(pipeline.PREPARE_SECONDS)), options, logs=folder
        )
    return set_environment(config, make_environment(prepared, suite_semantics(prepared.suite), folder=folder))


def set_environment(config: pytest.Config, environment: CaseEnvironment) -> CaseEnvironment:
    """Set the environment of the cases of this process."""
    config.stash[_BENCH] = environment
    config.stash[_SUITE] = environment.suite
    return environment


def ids_of(items: Sequence[pytest.Item], suite: Suite) -> list[str]:
    """Return the ids of the cases of some items."""
    return [case_id_of(item.path, item.nodeid, suite) for item in items]


def set_order(config: pytest.Config, order: str, past: Mapping[str, Past]) -> None:
    """Set the order of the cases.

    :param config: the configuration of pytest.
    :param order: the seed of a random order (``harness/run/rounds.py``); empty for none.
    :param past: the results of earlier runs, which decide the order otherwise (``harness/run/order.py``).
    """
    config.stash[_ORDER] = order
    config.stash[_PAST] = past


def set_only(config: pytest.Config, only: Sequence[str], shard: Shard | None, done: Sequence[str] = ()) -> None:
    """Set the cases to run.

    :param only: their ids; empty for all that are collected.
    :param shard: the shard of these cases; None for all of them.
    :param done: the ids of those that an earlier run has run.
    """
    config.stash[_ONLY] = only
    config.stash[_TAKEN_OVER] = done
    config.stash[_SHARD] = shard


def selected_ids(config: pytest.Config) -> list[str]:
    """Return the ids of the cases that this process selected, those of all shards."""
    return config.stash.get(_SELECTED, [])


def set_trace_style(config: pytest.Config) -> None:
    """Show only the lines that led to the failure of a Python case, and not whole functions.

    The option of that name belongs to pytest's terminal plug-in, which ``harness run`` does not use.
    """
    config.option.tbstyle = "short"


def suite_of(config: pytest.Config) -> Suite:
    """Return the suite of the cases: that of the run; without ``harness run``, the named one or that of their folder.

    :raises HarnessError: the suite cannot be read.
    """
    if (known := config.stash.get(_SUITE, None)) is None:
        if (handed := getattr(config, "workerinput", {}).get(SUITE)) is not None:
            known = read_suite(Path(handed))
        elif word := config.getoption("--suite", ""):
            known = find_suite(word)
        else:
            files = [Path(str(one).partition("::")[0]).absolute() for one in config.args]
            known = next(filter(None, map(suite_of_file, files)), None) or default_suite()
        config.stash[_SUITE] = known
    return known


def share_fixtures(config: pytest.Config, suite: Suite) -> None:
    """Give case files outside of the suite's folder the fixtures of its ``conftest.py`` as well."""
    file = suite.folder / "conftest.py"
    named = [Path(str(one).partition("::")[0]).absolute() for one in config.args]
    if not file.is_file() or all(one.is_relative_to(suite.folder) for one in named):
        return
    spec = importlib.util.spec_from_file_location(f"fixtures_of_{suite.name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config.pluginmanager.register(module, f"fixtures of the suite {suite.name}")


@pytest.fixture
def guest(request: pytest.FixtureRequest) -> Iterator[RunningCase]:
    """Provide a case with a fresh machine of its own."""
    item = cast(pytest.Function, request.node)
    environment = environment_of(request.config)
    wanted = [need for marker in item.iter_markers("needs") for need in marker.args]
    identity = case_id_of(item.path, item.nodeid, environment.suite)
    case = RunningCase(environment, identity, folder=case_folder_name(identity))
    item.stash[_CASE] = case
    if reason := environment.missing(wanted):
        raise CaseSkippedError(reason)
    yield case
    case.close()


@pytest.fixture
def admin(guest: RunningCase) -> Shell:
    """Provide the first console: root in the initial namespaces."""
    return Shell(guest, ConsoleName.ADMIN)


@pytest.fixture
def inside(guest: RunningCase) -> Shell:
    """Provide the second console, by convention that of the process inside a namespace."""
    return Shell(guest, ConsoleName.INSIDE)


@pytest.fixture
def observer(guest: RunningCase) -> Shell:
    """Provide the third console, by convention that of an observer in the initial namespaces."""
    return Shell(guest, ConsoleName.OBSERVER)


@pytest.fixture
def prepare(guest: RunningCase) -> Prepare:
    """Provide a function that runs the preparation of a header of the suite: ``prepare("HEADER", "ARGUMENT", ...)``."""
    return Prepare(guest)


@pytest.fixture
def sight(guest: RunningCase, request: pytest.FixtureRequest) -> Sight:
    """Provide a function that records the value of a trait."""
    return Sight(guest, suite_semantics(suite_of(request.config)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge a Python case that has run, and put the record of any case into its report."""
    report = yield
    if call.when == "call" or (call.when == "setup" and not report.passed):
        case = item.stash.get(_CASE, None)
        if case is not None and _DONE not in item.stash:
            error = call.excinfo.value if call.excinfo else None
            item.stash[_DONE] = conclude(case, error, title=_title(item), trace=report.longreprtext)
            _retell(report, item, item.stash[_DONE])
        elif _DONE not in item.stash and call.excinfo and not report.passed and _is_run(item.config):
            item.stash[_DONE] = _without_machine(item, call.excinfo.value, trace=report.longreprtext)
        if (own := item.stash.get(_DONE, None)) is not None:
            for record in (*item.stash.get(_TESTS, ()), own):
                report.user_properties.append((RECORD, dumps_case(replace(record, digest=file_digest(item.path)))))
    return report


@cache
def file_digest(path: Path) -> str:
    """Return a digest of the case file, which tells a change of the case from one of the kernel."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _retell(report: pytest.TestReport, item: pytest.Item, record: CaseRecord) -> None:
    """Set pytest's own report of a Python case to the verdict, which includes the kernel log."""
    if record.outcome is Outcome.SKIPPED:
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, f"Skipped: {record.reason}")
    elif record.outcome is not Outcome.MATCH:
        report.outcome = "failed"
        report.longrepr = str(UnexpectedResult(record))


def _without_machine(item: pytest.Item, error: BaseException, *, trace: str) -> CaseRecord:
    """Make the record of a Python case that requested no machine, or an unknown fixture."""
    environment = environment_of(item.config)
    identity = case_id_of(item.path, item.nodeid, environment.suite)
    case = RunningCase(environment, identity, folder=case_folder_name(identity))
    if isinstance(error, pytest.FixtureLookupError):
        remedy = "see docs/reference/session-format.md"
        error = CaseError(f"{case.id}: unknown fixture {error.argname!r}", remedy=remedy)
    return conclude(case, error, title=_title(item), trace=trace)


def _title(item: pytest.Item) -> str:
    """Return the first line of a Python case's docstring."""
    text = getattr(getattr(item, "function", None), "__doc__", None) or ""
    return text.strip().split("\n")[0]
