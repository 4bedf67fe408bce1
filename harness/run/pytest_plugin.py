"""The pytest plug-in: collects session files, gives Python cases their fixtures, and carries each case's record.

Installed as a ``pytest11`` entry point, so ``pytest cases/`` works by itself; ``harness run`` adds the display, the run
folder and the reports (``harness/run/one_kernel.py``), by registering a listener. A case's record travels as plain data
in ``user_properties`` of its report, which xdist brings to the controller; ``record_testsuite_property`` would get
lost.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Generator, Iterable, Iterator
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
from harness.base.store import Store
from harness.kernel.needs import check_need
from harness.model.run_record import CaseRecord, dumps_case
from harness.model.verdict import Outcome
from harness.pipeline import Options
from harness.results.folder import RUN_NAME, case_folder_name
from harness.run.case import CaseEnvironment, RunningCase, conclude, make_environment, run_session
from harness.run.play import CaseSkippedError
from harness.run.python_api import Prepare, Shell, Sight
from harness.run.python_file import check_names, explain_import
from harness.run.rounds import shuffle
from harness.session.console_name import ConsoleName
from harness.session.transcript import Transcript, parse
from harness.suite.case_checks import check_case_traits
from harness.suite.definition import Suite
from harness.suite.load import case_id, default_suite, find_suite, read_suite, suite_of_file, suite_semantics

PREPARED = "harness_prepared"
"""Key of what the controller hands each worker: the prepared kernel as JSON."""
SUITE = "harness_suite"
"""Key of the folder of the suite."""
FOLDER = "harness_folder"
ORDER = "harness_order"
"""Key of what decides the order of the cases, for ``harness/run/rounds.py``."""
LOG = "harness_log"
"""Key of the settings of the log, as a list."""
RECORD = "harness.case"
"""Key of a case's record among the ``user_properties`` of its report."""

_BENCH = pytest.StashKey[CaseEnvironment]()
_SUITE = pytest.StashKey[Suite]()
_CASE = pytest.StashKey[RunningCase]()
_DONE = pytest.StashKey[CaseRecord]()
_ENDS = pytest.StashKey[ExitStack]()
_NAMES = pytest.StashKey[dict[str, Path]]()
_ORDER = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The words that matter when pytest is used by itself; ``harness run`` has them all."""
    group = parser.getgroup("harness", "kernel under test")
    group.addoption("--kernel", default="deb", help="kernel to test: deb, deb:PACKAGE, or an image (default: deb)")
    group.addoption("--profile", default="", help="profile that judges, or auto (default: mainline)")
    group.addoption("--suite", default="", help="suite of the cases (default: the one that they lie in)")


def pytest_configure(config: pytest.Config) -> None:
    """Let a worker die with the controller, also when that is killed."""
    config.stash[_ENDS] = ExitStack()
    if hasattr(config, "workerinput"):
        process.die_with_parent(os.getppid())
        verbosity, file = config.workerinput.get(LOG, (0, ""))
        log.set_up(log.LogSettings(verbosity, file))
        set_trace_style(config)
        share_fixtures(config, suite_of(config))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the cases into the order of this round; every worker comes to the same one."""
    if order := config.stash.get(_ORDER, getattr(config, "workerinput", {}).get(ORDER, "")):
        shuffle(items, order)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Drop what :func:`environment_of` made."""
    config.stash[_ENDS].close()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Look for no cases in run folders: the results of a run, or of the round before, may stand among its cases."""
    return True if (collection_path / RUN_NAME).is_file() else None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect ``*.session`` files."""
    return SessionFile.from_parent(parent, path=file_path) if file_path.suffix == ".session" else None


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect Python cases, when it is ``harness run`` that asks for them."""
    return PythonFile.from_parent(parent, path=module_path) if _is_run(parent.config) else None


class SessionFile(pytest.File):
    """A session file: one case."""

    def collect(self) -> Iterable[pytest.Item]:
        """The case. :raises CaseError: the file is broken."""
        path = _claim(self)
        suite = suite_of(self.config)
        transcript = parse(_read(self.path, path), path=path, preparations=suite.preparations)
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
        """A broken file is told in its own words, without a trace."""
        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))


class PythonFile(pytest.Module):
    """A file of Python cases."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """The cases. :raises CaseError: the file is broken."""
        path = _claim(self)
        check_names(_read(self.path, path), path=path)
        return super().collect()

    def repr_failure(  # type: ignore[override]  # the base class is wider than it needs to be
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str:
        """A broken file is told by the line that is at fault, without a trace."""
        error = excinfo.value.__cause__ or excinfo.value
        path = case_id(self.path, suite_of(self.config))
        return str(error if isinstance(error, HarnessError) else explain_import(error, file=str(self.path), path=path))


def _is_run(config: pytest.Config) -> bool:
    """Whether it is ``harness run`` that asks; pytest by itself also collects what is no case."""
    return _BENCH in config.stash or PREPARED in getattr(config, "workerinput", {})


def _claim(collector: pytest.File) -> str:
    """What a case file is called in every report. :raises CaseError: so is another file of this run."""
    name = case_id(collector.path, suite_of(collector.config))
    other = collector.config.stash.setdefault(_NAMES, {}).setdefault(name, collector.path)
    if other != collector.path:
        raise CaseError(
            f"{name}:1: two files of this run have this name, and a report could not tell them apart",
            evidence=f"{other}\n{collector.path}",
            remedy="rename one, or run them one after the other",
        )
    return name


def _read(file: Path, path: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        remedy = "save it as UTF-8"
        raise CaseError(f"{path}:1: the file is no UTF-8 text", evidence=str(error), remedy=remedy) from None
    except OSError as error:
        raise CaseError(f"{path}:1: the file cannot be read", evidence=str(error), remedy="make it readable") from None


class SessionItem(pytest.Item):
    """The case in a session file."""

    def __init__(self, *, transcript: Transcript, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]  # pytest hands its own arguments through
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
        """The one line that matters, then the diff."""
        if isinstance(excinfo.value, UnexpectedResult):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the case is."""
        return self.path, 0, self.transcript.path


class UnexpectedResult(Exception):  # noqa: N818  it is a verdict; the word "error" means the harness's own fault
    """A case that did not come out as expected."""

    def __init__(self, record: CaseRecord) -> None:
        super().__init__(f"{record.outcome}: {record.reason}\n{record.diff}".rstrip())


def case_id_of(path: Path, nodeid: str, suite: Suite) -> str:
    """What a case is called in every report; its file, and for a Python case what pytest calls it in there."""
    name = case_id(path, suite)
    return name if path.suffix == ".session" else f"{name}::{nodeid.partition('::')[2]}"


def environment_of(config: pytest.Config) -> CaseEnvironment:
    """Where the cases of this process run: what the controller prepared, or prepared here and now.

    :raises HarnessError: nothing can be prepared.
    """
    if (known := config.stash.get(_BENCH, None)) is not None:
        return known
    handed = getattr(config, "workerinput", {})
    if PREPARED in handed:
        prepared, folder = pipeline.load_prepared(handed[PREPARED]), Path(handed[FOLDER])
    else:
        folder = Path(config.stash[_ENDS].enter_context(tempfile.TemporaryDirectory(prefix="harness-")))
        options = Options(
            kernel=config.getoption("--kernel"), profile=config.getoption("--profile"), suite=suite_of(config)
        )
        prepared = pipeline.prepare(
            Context(Store.default(), Deadline.after(pipeline.PREPARE_SECONDS)), options, logs=folder
        )
    return set_environment(config, make_environment(prepared, suite_semantics(prepared.suite), folder=folder))


def set_environment(config: pytest.Config, environment: CaseEnvironment) -> CaseEnvironment:
    """Let the cases of this process run there."""
    config.stash[_BENCH] = environment
    config.stash[_SUITE] = environment.suite
    return environment


def set_order(config: pytest.Config, order: str) -> None:
    """Let the cases of this process run in that order (``harness/run/rounds.py``); empty for that of the files."""
    config.stash[_ORDER] = order


def set_trace_style(config: pytest.Config) -> None:
    """Show of a Python case that failed the lines that led there, and not every function whole.

    The option of that name is one of pytest's terminal, which ``harness run`` does not use.
    """
    config.option.tbstyle = "short"


def suite_of(config: pytest.Config) -> Suite:
    """The suite of the cases: that of the run; for pytest by itself the one that is named, or that the cases lie in.

    :raises HarnessError: it cannot be read.
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
    """Let case files outside of the suite's folder have the fixtures of its ``conftest.py``, too."""
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
    """A case with a pristine machine of its own."""
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
    """The console of the first serial port: root in the initial namespaces."""
    return Shell(guest, ConsoleName.ADMIN)


@pytest.fixture
def inside(guest: RunningCase) -> Shell:
    """A second console, by habit that of the task inside a namespace."""
    return Shell(guest, ConsoleName.INSIDE)


@pytest.fixture
def observer(guest: RunningCase) -> Shell:
    """A third console, by habit of somebody who looks on from elsewhere."""
    return Shell(guest, ConsoleName.OBSERVER)


@pytest.fixture
def prepare(guest: RunningCase) -> Prepare:
    """A function that does what a header of the suite does for a session file: ``prepare("HEADER", "WORD", ...)``."""
    return Prepare(guest)


@pytest.fixture
def sight(guest: RunningCase, request: pytest.FixtureRequest) -> Sight:
    """A function that records the value of a trait."""
    return Sight(guest, suite_semantics(suite_of(request.config)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge a Python case when it has run, and put the record of any case into its report."""
    report = yield
    if call.when == "call" or (call.when == "setup" and not report.passed):
        case = item.stash.get(_CASE, None)
        if case is not None and _DONE not in item.stash:
            error = call.excinfo.value if call.excinfo else None
            item.stash[_DONE] = conclude(case, error, title=_title(item), trace=report.longreprtext)
            _retell(report, item, item.stash[_DONE])
        elif _DONE not in item.stash and call.excinfo and not report.passed and _is_run(item.config):
            item.stash[_DONE] = _without_machine(item, call.excinfo.value, trace=report.longreprtext)
        if (record := item.stash.get(_DONE, None)) is not None:
            report.user_properties.append((RECORD, dumps_case(replace(record, digest=_digest_of(item.path)))))
    return report


@cache
def _digest_of(path: Path) -> str:
    """The case file in 16 hexadecimal digits: what tells a change of the case from one of the kernel."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _retell(report: pytest.TestReport, item: pytest.Item, record: CaseRecord) -> None:
    """Let pytest's own report of a Python case say what the verdict says: the kernel log counts, too."""
    if record.outcome is Outcome.SKIPPED:
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, f"Skipped: {record.reason}")
    elif record.outcome is not Outcome.MATCH:
        report.outcome = "failed"
        report.longrepr = str(UnexpectedResult(record))


def _without_machine(item: pytest.Item, error: BaseException, *, trace: str) -> CaseRecord:
    """The record of a Python case that asked for no machine, or for a fixture that there is not."""
    environment = environment_of(item.config)
    identity = case_id_of(item.path, item.nodeid, environment.suite)
    case = RunningCase(environment, identity, folder=case_folder_name(identity))
    if isinstance(error, pytest.FixtureLookupError):
        remedy = "see docs/reference/session-format.md"
        error = CaseError(f"{case.id}: there is no fixture {error.argname!r}", remedy=remedy)
    return conclude(case, error, title=_title(item), trace=trace)


def _title(item: pytest.Item) -> str:
    """The first line of a Python case's docstring."""
    text = getattr(getattr(item, "function", None), "__doc__", None) or ""
    return text.strip().split("\n")[0]
