"""The pytest plug-in: collects session files, gives Python cases their fixtures, and carries each case's record.

Installed as a ``pytest11`` entry point, so ``pytest cases/`` works by itself; ``harness run`` adds the display, the run
folder and the reports (``harness/run.py``), by registering a listener. A case's record travels as plain data in
``user_properties`` of its report, which xdist brings to the controller; ``record_testsuite_property`` would get lost.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from harness import pipeline, places, process
from harness.case import Bench, OpenCase, conclude, make_bench, missing_needs, run_session
from harness.deadline import Deadline
from harness.errors import CaseError, HarnessError
from harness.pipeline import Options
from harness.report.folder import case_folder_name
from harness.report.record import CaseRecord, dumps_case
from harness.semantics import Semantics, load_semantics
from harness.session.console_name import Console
from harness.session.play import NotAskedError
from harness.session.transcript import Transcript, check_traits, parse
from harness.shells import Hierarchies, Shell, Sight
from harness.store import Store
from harness.verdict import Outcome

PREPARED = "harness_prepared"
"""Key of what the controller hands each worker: the prepared kernel as JSON."""
FOLDER = "harness_folder"
RECORD = "harness.case"
"""Key of a case's record among the ``user_properties`` of its report."""

_BENCH = pytest.StashKey[Bench]()
_SEMANTICS = pytest.StashKey[Semantics]()
_CASE = pytest.StashKey[OpenCase]()
_DONE = pytest.StashKey[CaseRecord]()
_ENDS = pytest.StashKey[ExitStack]()


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


def pytest_unconfigure(config: pytest.Config) -> None:
    """Drop what :func:`bench_of` made."""
    config.stash[_ENDS].close()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect ``*.session`` files."""
    return SessionFile.from_parent(parent, path=file_path) if file_path.suffix == ".session" else None


class SessionFile(pytest.File):
    """A session file: one case."""

    def collect(self) -> Iterable[pytest.Item]:
        """The case. :raises CaseError: the file is broken."""
        path = places.case_id(self.path)
        try:
            transcript = parse(self.path.read_text(), path=path)
        except UnicodeDecodeError as error:
            raise CaseError(f"{path}: the file is no UTF-8 text", evidence=str(error)) from None
        check_traits(transcript, semantics_of(self.config).known_values)
        yield SessionItem.from_parent(self, name=self.path.stem, transcript=transcript)

    def repr_failure(  # type: ignore[override]  # the base class is wider than it needs to be
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str:
        """A broken file is told in its own words, without a trace."""
        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))


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


def bench_of(config: pytest.Config) -> Bench:
    """Where the cases of this process run: what the controller prepared, or prepared here and now.

    :raises HarnessError: nothing can be prepared.
    """
    if (known := config.stash.get(_BENCH, None)) is not None:
        return known
    handed = getattr(config, "workerinput", {})
    if PREPARED in handed:
        prepared, folder = pipeline.loads(handed[PREPARED]), Path(handed[FOLDER])
    else:
        folder = Path(config.stash[_ENDS].enter_context(tempfile.TemporaryDirectory(prefix="harness-")))
        options = Options(kernel=config.getoption("--kernel"), profile=config.getoption("--profile"))
        prepared = pipeline.prepare(
            options,
            store=Store.default(),
            logs=folder,
            say=lambda phrase: None,
            deadline=Deadline.after(pipeline.PREPARE_SECONDS),
        )
    return set_bench(config, make_bench(prepared, semantics_of(config), folder=folder))


def set_bench(config: pytest.Config, bench: Bench) -> Bench:
    """Let the cases of this process run there."""
    config.stash[_BENCH] = bench
    return bench


def semantics_of(config: pytest.Config) -> Semantics:
    """The traits and profiles. :raises CaseError: the file is broken."""
    if (known := config.stash.get(_SEMANTICS, None)) is None:
        path = places.SEMANTICS
        known = load_semantics(path.read_text(), path=str(path.relative_to(places.ROOT)))
        config.stash[_SEMANTICS] = known
    return known


@pytest.fixture
def guest(request: pytest.FixtureRequest) -> Iterator[OpenCase]:
    """A case with a pristine machine of its own."""
    item = cast(pytest.Function, request.node)
    bench = bench_of(request.config)
    wanted = [need for marker in item.iter_markers("needs") for need in marker.args]
    identity = f"{places.case_id(item.path)}::{item.name}"
    case = OpenCase(bench, identity, folder=case_folder_name(identity))
    item.stash[_CASE] = case
    if reason := missing_needs(wanted, bench.config):
        raise NotAskedError(reason)
    yield case
    case.close()


@pytest.fixture
def admin(guest: OpenCase) -> Shell:
    """The console of the first serial port: root in the initial namespaces."""
    return Shell(guest, Console.ADMIN)


@pytest.fixture
def inside(guest: OpenCase) -> Shell:
    """A second console, by habit that of the task inside a namespace."""
    return Shell(guest, Console.INSIDE)


@pytest.fixture
def observer(guest: OpenCase) -> Shell:
    """A third console, by habit of somebody who looks on from elsewhere."""
    return Shell(guest, Console.OBSERVER)


@pytest.fixture
def hierarchies(guest: OpenCase) -> Hierarchies:
    """A function that mounts cgroup hierarchies."""
    return Hierarchies(guest)


@pytest.fixture
def sight(guest: OpenCase, request: pytest.FixtureRequest) -> Sight:
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
        if (record := item.stash.get(_DONE, None)) is not None:
            report.user_properties.append((RECORD, dumps_case(record)))
    return report


def _retell(report: pytest.TestReport, item: pytest.Item, record: CaseRecord) -> None:
    """Let pytest's own report of a Python case say what the verdict says: the kernel log counts, too."""
    if record.outcome is Outcome.SKIPPED:
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, f"Skipped: {record.reason}")
    elif record.outcome is not Outcome.MATCH:
        report.outcome = "failed"
        report.longrepr = str(NotAsExpected(record))


def _title(item: pytest.Item) -> str:
    """The first line of a Python case's docstring."""
    text = getattr(getattr(item, "function", None), "__doc__", None) or ""
    return text.strip().split("\n")[0]
