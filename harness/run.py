"""A run: pytest over the cases of one prepared kernel, a display while it goes, and the record of it.

pytest runs the cases, here or in xdist's workers. A :class:`Listener` in this process hears of each case's end, keeps
the record on disk as the run goes (a run that is killed leaves every case that had ended), and tells the display.
"""

from __future__ import annotations

import contextlib
import io
import os
import platform
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest

from harness import judge, pipeline, places, process, pytest_plugin
from harness.case import Bench, junit_names, make_bench
from harness.errors import CaseError, ExitStatus, HarnessError, SeriesError, UsageError
from harness.nearest import find_nearest
from harness.needs import lack_notes
from harness.pipeline import Prepared
from harness.report.folder import BUILD_LOG_NAME, CONFIG_NAME, JUNIT_NAME, RunFolder
from harness.report.junit import render_junit
from harness.report.record import CaseRecord, KernelRecord, RunRecord, loads_case
from harness.report.terminal import RunDisplay
from harness.semantics import Semantics
from harness.verdict import Fault, Outcome

_DIFFERS = {Outcome.MISMATCH, Outcome.TIMEOUT, Outcome.KERNEL, Outcome.LOST}
_FAILS = {*_DIFFERS, Outcome.ERROR}
_PYTEST_LOG = "pytest.log"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which cases, and how many at once.

    :param paths: case files or folders; none means all that ship. :param expression: as pytest's ``-k``.
    :param workers: machines side by side. :param max_failures: how many cases that fail end the run; 0: it asks all.
    """

    paths: tuple[Path, ...] = ()
    expression: str = ""
    workers: int = 1
    max_failures: int = 0


@dataclass(eq=False)  # pytest keeps its plug-ins in a set when it meets a conftest.py late: it must be hashable
class Listener:
    """Hears from pytest how the run goes; registered as a plug-in of the controller."""

    bench: Bench
    semantics: Semantics
    folder: RunFolder
    display: RunDisplay
    record: RunRecord
    broken: list[str] = field(default_factory=list)
    """Case files that could not be read, in their own words."""
    _cases: dict[str, CaseRecord] = field(default_factory=dict)
    _clock: float = field(default_factory=time.monotonic)
    failure: HarnessError | None = None
    """Why the results cannot be kept; nothing is asked any more then."""
    max_failures: int = 0
    """How many cases that fail end the run; 0: none does."""
    total: int = 0
    """How many cases were selected, as soon as it is known."""
    _root: Path = places.ROOT

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """Hand a worker the prepared kernel."""
        handed = node.workerinput  # type: ignore[attr-defined]  # xdist has no types
        handed[pytest_plugin.PREPARED] = pipeline.dumps(self.bench.prepared)
        handed[pytest_plugin.FOLDER] = str(self.bench.folder)

    def pytest_keyboard_interrupt(self) -> None:
        """End the workers, and with them their machines; xdist would wait ten seconds for a case in the midst.

        Not when cases enough failed, which xdist tells in the same way: another kernel may be in the making.
        """
        if not self.has_failed_enough:
            process.end_children()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Cases are known, when they run in this process."""
        if session.items:
            self.total = len(session.items)
            self.display.started(self.record, self.total)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        """Cases are known, when they run in workers; each says the same."""
        self.total = len(ids)
        self.display.started(self.record, self.total)

    def pytest_configure(self, config: pytest.Config) -> None:
        """Where paths that pytest reports are counted from."""
        self._root = config.rootpath

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """A case starts."""
        self.display.case_started(self._identity(nodeid, location), "")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A case file is broken, maybe."""
        if report.failed and report.longreprtext not in self.broken:
            self.broken.append(report.longreprtext)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A case ended, or its setup did."""
        for key, value in report.user_properties:
            if key == pytest_plugin.RECORD:
                self._take(loads_case(str(value)))
                return
        if report.failed:
            # Neither a verdict nor a case of ours: the end of a fixture, the plug-in or a worker broke.
            name = self._identity(report.nodeid, report.location)
            reason = f"its {report.when} broke"
            self._take(CaseRecord(name, *junit_names(name), Outcome.ERROR, reason=reason, diff=report.longreprtext))

    def _identity(self, nodeid: str, location: tuple[str, int | None, str]) -> str:
        """What we call a case; pytest's own name for it may start elsewhere."""
        return pytest_plugin.identity_of(Path(os.path.normpath(self._root / location[0])), nodeid)

    def _take(self, case: CaseRecord) -> None:
        self._cases[case.id] = case
        self.record = replace(self.record, cases=tuple(self._cases.values()))
        self.display.case_ended(case)
        try:
            self.folder.write(self.record)
        except HarnessError as error:
            self.failure = error
            pytest.exit(error.what)

    @property
    def has_failed_enough(self) -> bool:
        """Whether as many cases failed as end the run."""
        return 0 < self.max_failures <= sum(case.outcome in _FAILS for case in self._cases.values())

    def finish(self, *, complete: bool) -> RunRecord:
        """Write the record of the whole run, and return it."""
        cases = tuple(self._cases.values())
        stopped = f"stopped by --maxfail: {len(cases)} of {self.total} cases were asked"
        own_notes = [stopped] if self.has_failed_enough and len(cases) < self.total else []
        sightings = [sighting for case in cases for sighting in case.sightings]
        gathered = judge.gather(self.semantics, sightings)
        nearest = find_nearest(self.semantics, gathered.seen, own=self.bench.profile)
        self.record = replace(
            self.record,
            complete=complete,
            seconds=time.monotonic() - self._clock,
            cases=cases,
            traits=judge.trait_records(self.semantics, self.bench.profile, sightings),
            nearest=tuple(str(near) for near in nearest),
            notes=(*self.record.notes, *own_notes, *judge.notes(self.bench.profile, sightings)),
            problems=(*self.broken, *gathered.problems),
        )
        self.folder.write(self.record)
        return self.record


def run_cases(
    prepared: Prepared,
    selection: Selection,
    *,
    semantics: Semantics,
    folder: RunFolder,
    display: RunDisplay,
    command: str,
) -> tuple[RunRecord, ExitStatus]:
    """Run the cases on a prepared kernel.

    :return: the record, which is in the run folder too, and the exit status that goes with it.
    :raises UsageError: the selection names no case, or is none. :raises CaseError: no case can be read.
    :raises HostError: the results cannot be kept.
    """
    bench = make_bench(prepared, semantics, folder=folder.path)
    record = first_record(bench, command=command, workers=selection.workers)
    if prepared.config_text:
        folder.write_file(CONFIG_NAME, prepared.config_text)
    if prepared.build_log is not None:
        folder.write_file(BUILD_LOG_NAME, prepared.build_log.read_text(errors="replace"))
    folder.write(record)
    listener = Listener(bench, semantics, folder, display, record, max_failures=selection.max_failures)
    status, said = _run_pytest(_words(selection), [listener, _InProcess(bench)])
    if listener.failure is not None:
        raise listener.failure
    if missing := _no_case(status, said, selection, listener):
        folder.discard()
        raise missing
    if status == pytest.ExitCode.INTERNAL_ERROR:
        log = folder.write_file(_PYTEST_LOG, said)
        last = said.strip().rpartition("\n")[2]
        listener.broken.append(f"pytest broke off: {last}\nthe cases that had ended are in the record; see {log}")
    # xdist ends a run that has failed often enough as Ctrl-C does.
    interrupted = status == pytest.ExitCode.INTERRUPTED and not listener.has_failed_enough
    done = listener.finish(complete=not interrupted)
    junit = folder.write_file(JUNIT_NAME, render_junit([done]))
    display.finished(done, junit)
    return done, exit_status(done, interrupted=interrupted, broken=bool(listener.broken))


def _run_pytest(words: Sequence[str], plugins: Sequence[object]) -> tuple[int, str]:
    """pytest's exit status, and what it had to say on standard error.

    What the user's environment asks of pytest is for other projects: it would stop the plug-in or add options.
    """
    said = io.StringIO()
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PYTEST_")}
    try:
        with contextlib.redirect_stderr(said):
            return pytest.main([*words], plugins=[*plugins]), said.getvalue()
    finally:
        os.environ.update(kept)


def _no_case(status: int, said: str, selection: Selection, listener: Listener) -> HarnessError | None:
    """Why no case was asked at all, if so: no verdict must not look like a good one."""
    looked = "\n".join(str(path) for path in selection.paths) or str(places.CASES)
    if status == pytest.ExitCode.USAGE_ERROR:
        complaint = said.strip().removeprefix("ERROR: ")
        if "'-k'" in complaint:
            remedy = "combine parts of names: -k 'setns and not pidfd'"
            return UsageError(f"-k {selection.expression}: that is no expression", evidence=complaint, remedy=remedy)
        if "conftest" in complaint:
            return CaseError("a conftest.py of the cases cannot be imported", evidence=complaint, remedy="mend it")
        return UsageError("pytest does not start", evidence=complaint, remedy="rename or mend what it complains of")
    if status == pytest.ExitCode.NO_TESTS_COLLECTED and not listener.broken:
        wanted = f" with -k {shlex.quote(selection.expression)}" if selection.expression else ""
        remedy = "name a file or folder with *.session or test_*.py files"
        remedy += ", or another -k expression" if selection.expression else ""
        return UsageError(f"no case was selected{wanted}", evidence=f"looked in:\n{looked}", remedy=remedy)
    return None


def record_no_kernel(kernel: str, error: HarnessError, *, folder: RunFolder, command: str) -> RunRecord:
    """Write the record of a run that came to no case, so that who reads ``junit.xml`` learns of it as of any other.

    A kernel that does not boot is a result (a failure); a fault of this host or of the words typed is an error.
    """
    outcome = Outcome.KERNEL if isinstance(error, SeriesError) else Outcome.ERROR
    told = str(error)
    case = CaseRecord("kernel/boots", "kernel", "boots", outcome, reason=error.what, diff=told, started=time.time())
    unknown = KernelRecord(kernel, kernel, "unknown", "unknown", "unknown", "unknown", "unknown")
    record = RunRecord(
        kernel=unknown,
        started=time.time(),
        complete=True,
        host=host_facts(),
        command=command,
        harness_version=version("kernel-patch-harness"),
        cases=(case,),
    )
    folder.write(record)
    folder.write_file(JUNIT_NAME, render_junit([record]))
    return record


def exit_status(record: RunRecord, *, interrupted: bool, broken: bool) -> ExitStatus:
    """The exit status of a run: what must be acted on first, comes first."""
    outcomes = {case.outcome for case in record.cases}
    if interrupted:
        return ExitStatus.INTERRUPTED
    if broken or record.problems:
        return ExitStatus.CASE_BROKEN
    if any(case.fault is Fault.CASE for case in record.cases):
        return ExitStatus.CASE_BROKEN
    if Outcome.ERROR in outcomes:
        return ExitStatus.HOST
    return ExitStatus.DIFFERS if outcomes & _DIFFERS else ExitStatus.AS_EXPECTED


def first_record(bench: Bench, *, command: str, workers: int) -> RunRecord:
    """What can be said of a run before its first case."""
    prepared = bench.prepared
    return RunRecord(
        kernel=prepared.kernel,
        started=time.time(),
        acceleration=prepared.acceleration.acceleration.value,
        acceleration_evidence=prepared.acceleration.evidence,
        qemu=prepared.qemu_version,
        machine_type=prepared.request.machine_type.name,
        guest_image_digest=prepared.guest_digest,
        profile=bench.profile.name,
        host=host_facts(),
        command=command,
        harness_version=version("kernel-patch-harness"),
        workers=workers,
        boot_seconds=prepared.boot_seconds,
        notes=(*prepared.notes, *lack_notes(prepared.lacking, bench.profile)),
    )


def host_facts() -> str:
    """This host in one line: kernel, processor, cores, memory."""
    memory = psutil.virtual_memory().total / (1 << 30)
    return f"Linux {platform.release()}, {processor_model()}, {os.cpu_count()} cores, {memory:.0f} GiB"


def processor_model() -> str:
    """What /proc/cpuinfo calls the processor."""
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


class _InProcess:
    """Gives the cases of this very process their bench, when no worker is used."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        pytest_plugin.set_bench(config, self._bench)
        pytest_plugin.set_trace_style(config)


def _words(selection: Selection) -> list[str]:
    """pytest's command line: nothing of its own on the terminal, nothing written beside the cases."""
    paths = [str(path) for path in selection.paths] or [str(places.CASES)]
    words = ["-c", str(places.ROOT / "cases" / "pytest.ini"), "--rootdir", str(places.ROOT)]
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


__all__ = ["CaseError", "HarnessError", "Listener", "Selection", "exit_status", "run_cases"]
