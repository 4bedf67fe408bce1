"""The pytest plug-in: collects session files, gives Python cases their fixtures, and carries each case's record.

Installed as a ``pytest11`` entry point, so ``pytest cases/`` works by itself; ``harness run`` adds the display, the run
folder and the reports (``harness/run/one_kernel.py``), by registering a listener. A case's record travels as plain data
in ``user_properties`` of its report, which xdist brings to the controller; ``record_testsuite_property`` would get
lost.
"""

from __future__ import annotations

import hashlib
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
from harness.base import log, paths, process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, HarnessError
from harness.base.store import Store
from harness.kernel.needs import check_need
from harness.model.run_record import CaseRecord, dumps_case
from harness.model.verdict import Outcome
from harness.pipeline import Options
from harness.results.folder import RUN_NAME, case_folder_name
from harness.run.case import CaseEnvironment, RunningCase, conclude, make_bench, run_session
from harness.run.play import NotAskedError
from harness.run.python_api import Hierarchies, Shell, Sight
from harness.run.python_file import check_names, explain_import
from harness.run.rounds import shuffle
from harness.semantics.shipped import shipped_semantics
from harness.semantics.traits import Semantics
from harness.session.console_name import ConsoleName
from harness.session.transcript import Transcript, check_traits, parse

PREPARED = "harness_prepared"
"""Key of what the controller hands each worker: the prepared kernel as JSON."""
FOLDER = "harness_folder"
ORDER = "harness_order"
"""Key of what decides the order of the cases, for ``harness/run/rounds.py``."""
LOG = "harness_log"
"""Key of the settings of the log, as a list."""
RECORD = "harness.case"
"""Key of a case's record among the ``user_properties`` of its report."""

_BENCH = pytest.StashKey[CaseEnvironment]()
_SEMANTICS = pytest.StashKey[Semantics]()
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


def pytest_configure(config: pytest.Config) -> None:
    """Let a worker die with the controller, also when that is killed."""
    config.stash[_ENDS] = ExitStack()
    if hasattr(config, "workerinput"):
        process.die_with_parent(os.getppid())
        verbosity, file = config.workerinput.get(LOG, (0, ""))
        log.set_up(log.LogSettings(verbosity, file))
        set_trace_style(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the cases into the order of this round; every worker comes to the same one."""
    if order := config.stash.get(_ORDER, getattr(config, "workerinput", {}).get(ORDER, "")):
        shuffle(items, order)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Drop what :func:`bench_of` made."""
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
        transcript = parse(_read(self.path, path), path=path)
        check_traits(transcript, semantics_of(self.config).known_values)
        try:
            for need in transcript.needs:
                check_need(need)
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
        path = paths.case_id(self.path)
        return str(error if isinstance(error, HarnessError) else explain_import(error, file=str(self.path), path=path))


def _is_run(config: pytest.Config) -> bool:
    """Whether it is ``harness run`` that asks; pytest by itself also collects what is no case."""
    return _BENCH in config.stash or PREPARED in getattr(config, "workerinput", {})


def _claim(collector: pytest.File) -> str:
    """What a case file is called in every report. :raises CaseError: so is another file of this run."""
    name = paths.case_id(collector.path)
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
        record = run_session(self.transcript, bench_of(self.config), folder=case_folder_name(self.transcript.path))
        self.stash[_DONE] = record
        if record.outcome is Outcome.SKIPPED:
            pytest.skip(record.reason)
        if record.outcome is not Outcome.MATCH:
            raise NotAsExpected(record)

    def repr_failure(  # type: ignore[override]  # the base class is wider than it needs to be
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str:
        """The one line that matters, then the diff."""
        if isinstance(excinfo.value, NotAsExpected):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the case is."""
        return self.path, 0, self.transcript.path


class NotAsExpected(Exception):  # noqa: N818  it is a verdict; the word "error" means the harness's own fault
    """A case that did not come out as expected."""

    def __init__(self, record: CaseRecord) -> None:
        super().__init__(f"{record.outcome}: {record.reason}\n{record.diff}".rstrip())


def identity_of(path: Path, nodeid: str) -> str:
    """What a case is called in every report; its file, and for a Python case what pytest calls it in there."""
    name = paths.case_id(path)
    return name if path.suffix == ".session" else f"{name}::{nodeid.partition('::')[2]}"


def bench_of(config: pytest.Config) -> CaseEnvironment:
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
        options = Options(kernel=config.getoption("--kernel"), profile=config.getoption("--profile"))
        prepared = pipeline.prepare(
            Context(Store.default(), Deadline.after(pipeline.PREPARE_SECONDS)), options, logs=folder
        )
    return set_bench(config, make_bench(prepared, semantics_of(config), folder=folder))


def set_bench(config: pytest.Config, bench: CaseEnvironment) -> CaseEnvironment:
    """Let the cases of this process run there."""
    config.stash[_BENCH] = bench
    return bench


def set_order(config: pytest.Config, order: str) -> None:
    """Let the cases of this process run in that order (``harness/run/rounds.py``); empty for that of the files."""
    config.stash[_ORDER] = order


def set_trace_style(config: pytest.Config) -> None:
    """Show of a Python case that failed the lines that led there, and not every function whole.

    The option of that name is one of pytest's terminal, which ``harness run`` does not use.
    """
    config.option.tbstyle = "short"


def semantics_of(config: pytest.Config) -> Semantics:
    """The traits and profiles. :raises CaseError: the file is broken."""
    if (known := config.stash.get(_SEMANTICS, None)) is None:
        known = shipped_semantics()
        config.stash[_SEMANTICS] = known
    return known


@pytest.fixture
def guest(request: pytest.FixtureRequest) -> Iterator[RunningCase]:
    """A case with a pristine machine of its own."""
    item = cast(pytest.Function, request.node)
    bench = bench_of(request.config)
    wanted = [need for marker in item.iter_markers("needs") for need in marker.args]
    identity = identity_of(item.path, item.nodeid)
    case = RunningCase(bench, identity, folder=case_folder_name(identity))
    item.stash[_CASE] = case
    if reason := bench.missing(wanted):
        raise NotAskedError(reason)
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
def hierarchies(guest: RunningCase) -> Hierarchies:
    """A function that mounts cgroup hierarchies."""
    return Hierarchies(guest)


@pytest.fixture
def sight(guest: RunningCase, request: pytest.FixtureRequest) -> Sight:
    """A function that records the value of a trait."""
    return Sight(guest, semantics_of(request.config))


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
        report.longrepr = str(NotAsExpected(record))


def _without_machine(item: pytest.Item, error: BaseException, *, trace: str) -> CaseRecord:
    """The record of a Python case that asked for no machine, or for a fixture that there is not."""
    identity = identity_of(item.path, item.nodeid)
    case = RunningCase(bench_of(item.config), identity, folder=case_folder_name(identity))
    if isinstance(error, pytest.FixtureLookupError):
        remedy = "see docs/reference/session-format.md"
        error = CaseError(f"{case.id}: there is no fixture {error.argname!r}", remedy=remedy)
    return conclude(case, error, title=_title(item), trace=trace)


def _title(item: pytest.Item) -> str:
    """The first line of a Python case's docstring."""
    text = getattr(getattr(item, "function", None), "__doc__", None) or ""
    return text.strip().split("\n")[0]
