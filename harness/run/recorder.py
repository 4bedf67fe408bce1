# SPDX-License-Identifier: GPL-2.0-only
"""Run pytest, receive the results of its cases, keep them on disk, show them, and make the record of the run.

Imported when the first case is about to start: pytest is slow to import.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from _pytest.config import ConftestImportFailure

from harness import pipeline
from harness.base import log, paths, process
from harness.base.errors import CaseError, HarnessError, UsageError
from harness.base.events import Note
from harness.coverage import files
from harness.model.run_record import CaseRecord, Problem, ProblemKind, RunRecord
from harness.model.verdict import Outcome
from harness.report.display.events import CaseEnded, CaseStarted, RunReport, RunStarted
from harness.results.cores import find_cores
from harness.results.find_run import FoundRun
from harness.results.folder import RunFolder
from harness.results.known_failures import KnownFailures
from harness.results.records import loads_case
from harness.run import pytest_plugin
from harness.run.case import CaseEnvironment, junit_names
from harness.run.order import Past
from harness.run.rounds import is_settled, join
from harness.run.selection import Selection, files_of
from harness.run.workers.ahead import WarmWorkers
from harness.semantics import judge
from harness.semantics.nearest import find_nearest
from harness.semantics.traits import Semantics
from harness.suite.definition import Suite

_COMPARED = (Outcome.MISMATCH, Outcome.TIMEOUT)
"""Outcomes that another kernel may have as well; a splat, or a machine that is gone, needs no comparison."""
_PID_SECONDS = 60.0
"""How long a worker may take to report its process id."""


def located_case(root: Path, nodeid: str, location: tuple[str, int | None, str], suite: Suite) -> str:
    """Return the id of a case; pytest's own id may be relative to another folder.

    :param root: the folder that paths in pytest's reports are relative to.
    :param nodeid: pytest's id.
    :param location: the location in pytest's report.
    :param suite: the suite of the cases.
    """
    return pytest_plugin.case_id_of(Path(os.path.normpath(root / location[0])), nodeid, suite)


def reported_cases(report: pytest.TestReport, name: str) -> list[CaseRecord]:
    """Return the records in pytest's report of one phase of a case: those of its tests, then its own; or none.

    :param report: the report.
    :param name: the id of the case.
    """
    records = [loads_case(str(value)) for key, value in report.user_properties if key == pytest_plugin.RECORD]
    if records or not report.failed:
        return records
    # Not a verdict of a case: a fixture, the plug-in or a worker failed.
    reason = f"pytest's {report.when} of the case failed"
    return [CaseRecord(name, *junit_names(name), Outcome.ERROR, reason=reason, diff=report.longreprtext)]


@dataclass(eq=False)  # pytest keeps plug-ins in a set when it loads a conftest.py late: they must be hashable
class RunRecorder:
    """Recorder of a run, registered as a pytest plug-in in the controller."""

    environment: CaseEnvironment
    semantics: Semantics
    folder: RunFolder
    report: RunReport
    record: RunRecord
    known: KnownFailures
    selection: Selection
    excuse: Callable[[RunRecord], RunRecord] | None = None
    """Return the run with the cases excused that failed in the baseline too; None without a baseline."""
    repeats_failures: bool = False
    """Whether cases that fail are run again until it is clear whether they always do."""
    again: tuple[str, ...] = ()
    """Ids of the failed cases that are run again in this round; empty in a round of all cases."""
    past: Mapping[str, Past] = field(default_factory=dict)
    """The results of earlier runs, which decide the order of the cases."""
    round: int = 1
    broken: list[Problem] = field(default_factory=list)
    """Case files that could not be read, and an early end of pytest."""
    warm: WarmWorkers = field(default_factory=WarmWorkers)
    """Workers that were started ahead."""
    _cases: dict[str, CaseRecord] = field(default_factory=dict)
    _clock: float = field(default_factory=time.monotonic)
    failure: HarnessError | None = None
    """The reason why the results cannot be written; no more cases are run then."""
    _selected: dict[str, None] = field(default_factory=dict)
    """Ids of the selected cases, once they are known."""
    _failures: int = 0
    """How many cases have failed, apart from known failures and those of the baseline."""
    _session: pytest.Session | None = None
    _workers: list[int] = field(default_factory=list)
    """Process ids of the workers."""
    _root: Path = paths.ROOT
    _items: int = 0
    """How many cases pytest runs in a round."""
    _more_tests: dict[str, None] = field(default_factory=dict)
    """Ids of the tests that programs have reported."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """Send the prepared kernel to a worker."""
        sent = node.workerinput  # type: ignore[attr-defined]  # xdist has no types
        sent[pytest_plugin.PREPARED] = pipeline.dump_prepared(self.environment.prepared)
        sent[pytest_plugin.SUITE] = str(self.environment.suite.folder)
        sent[pytest_plugin.FOLDER] = str(self.environment.folder / self.round_name)
        settings = log.current()
        sent[pytest_plugin.LOG] = [settings.verbosity, settings.file]
        sent[pytest_plugin.ORDER] = self.selection.rounds.order(self.round)
        sent[pytest_plugin.ONLY] = list(self.again or self.selection.only)
        sent[pytest_plugin.TAKEN_OVER] = [] if self.again else list(self.selection.done)
        if (shard := self.selection.shard) is not None and not self.again:
            sent[pytest_plugin.SHARD] = [shard.number, shard.count, dict(shard.seconds)]
        sent[pytest_plugin.PAST] = {name: [one.seconds, one.has_failed, one.first] for name, one in self.past.items()}
        channel = node.gateway.remote_exec("import os; channel.send(os.getpid())")  # type: ignore[attr-defined]
        self._workers.append(channel.receive(_PID_SECONDS))
        channel.waitclose(_PID_SECONDS)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep the session, to end it after enough failures."""
        self._session = session

    @property
    def round_name(self) -> str:
        """Return the folder of this round's logs, relative to the run folder; empty for the first round."""
        return f"round-{self.round}" if self.round > 1 else ""

    def pytest_keyboard_interrupt(self) -> None:
        """Kill the workers, and with them their machines; xdist would wait ten seconds for a running case.

        If enough cases have failed, only the workers were killed: the children of this process may include the build of
        another kernel.
        """
        if not self.has_failed_enough:
            process.end_children()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Report the number of cases that run in this process."""
        if ids := pytest_plugin.selected_ids(session.config):
            self._started(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        """Report the number of cases that run in workers; the first worker has listed them."""
        if node.workerinput["workerid"] == pytest_plugin.FIRST_WORKER:  # type: ignore[attr-defined]  # no types
            file = self.environment.folder / self.round_name / pytest_plugin.SELECTED
            self._started(json.loads(file.read_text()))
            file.unlink()

    def _started(self, selected: Sequence[str]) -> None:
        """Report the number of cases; failed cases that are run again are known.

        :param selected: the ids of the selected cases, those of all shards.
        """
        if self.again:
            return
        ids = selected
        if (shard := self.selection.shard) is not None:
            own = shard.ids(selected)
            ids = [one for one in selected if one in own]
            record = shard.record(selected, is_of_whole_suite=self.selection.is_of_whole_suite)
            self.record = replace(self.record, shard=record)
        self._selected |= dict.fromkeys(ids)
        self._items = len(ids)
        self._report_total()

    def _report_total(self) -> None:
        """Report the number of cases that are known; that of the tests of a program is known when it has ended."""
        number = self._items + len(self._more_tests)
        self.report(RunStarted(self.record, self.selection.rounds.total(self.round, number)))

    def pytest_configure(self, config: pytest.Config) -> None:
        """Read the folder that paths in pytest's reports are relative to; a round has workers of its own."""
        self._workers.clear()
        # Without xdist there is no such option.
        if specifications := getattr(config.option, "tx", None):
            config.option.tx = self.warm.specifications(specifications)
        self._root = config.rootpath

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Report the start of a case."""
        self.report(CaseStarted(self._identity(nodeid, location), ""))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a case file that could not be read."""
        broken = Problem(ProblemKind.BROKEN_FILE, report.longreprtext)
        if report.failed and broken not in self.broken:
            self.broken.append(broken)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the result of a case."""
        records = reported_cases(report, self._identity(report.nodeid, report.location))
        if not records:
            return
        self.take(records)
        if self.failure is not None:
            pytest.exit(self.failure.what)
        if self.has_failed_enough:
            self._stop()

    def _identity(self, nodeid: str, location: tuple[str, int | None, str]) -> str:
        return located_case(self._root, nodeid, location, self.environment.suite)

    def take(self, records: Sequence[CaseRecord]) -> None:
        """Keep the results of a case on disk, and show them; :attr:`failure` is set if they cannot be written.

        :param records: the record of the case, after those of the tests that it reported; their folders are relative to
            the folder of this round.
        """
        if len(records) > 1 and not self.again:
            self._more_tests |= dict.fromkeys(record.id for record in records[:-1])
            self._report_total()
        for record in records:
            self._keep(record, keeps_folder=any(one.outcome is not Outcome.MATCH for one in records))

    def _keep(self, case: CaseRecord, *, keeps_folder: bool = False) -> None:
        case = self._in_round(self.known.marked(case, self.environment.profile), keeps_folder=keeps_folder)
        whole = join(self._cases.get(case.id), case)
        if self.repeats_failures and self.excuse is None and whole.outcome in _COMPARED:
            times = f"failed {whole.times_failed} of {whole.times_asked}"
            whole = replace(whole, unjudged=f"{times}, with no run to compare with: {whole.reason}")
            case = replace(case, unjudged=whole.unjudged)
        self._cases[case.id] = whole
        self.record = replace(self.record, cases=tuple(self._cases.values()))
        if case.is_failure or case.outcome is Outcome.ERROR:
            self._failures = self._count_failures()
        if not self.again or (case.id in self.again and is_settled(whole)):
            self.report(CaseEnded(case))
        try:
            self.folder.write(self.record)
        except HarnessError as error:
            self.failure = error

    def go_on_with(self, earlier: FoundRun) -> None:
        """Take over the results of an earlier run that was ended early; the cases that it has not run are run now.

        Errors are not results, and neither are those of case files that have changed.

        :param earlier: the run.
        """
        taken = []
        for case in earlier.run.cases:
            (file,) = files_of([case.id], self.environment.suite)
            if case.outcome is Outcome.ERROR or not file.is_file() or pytest_plugin.file_digest(file) != case.digest:
                continue
            if case.folder and (earlier.folder / case.folder).is_dir():
                shutil.copytree(earlier.folder / case.folder, self.folder.path / case.folder, dirs_exist_ok=True)
            self._cases[case.id] = case
            taken.append(case.id)
        note = f"{len(taken)} cases are those of {earlier.folder.name}"
        self.record = replace(self.record, cases=self.cases, notes=(*self.record.notes, note))
        self.selection = replace(self.selection, done=tuple(taken))
        self.report(Note(note))
        self.folder.write(self.record)

    def _stop(self) -> None:
        """End this round: what runs in workers is cut short."""
        if not self._workers:
            assert self._session is not None
            self._session.shouldfail = self.selection.stop_option
            return
        # xdist itself would let each worker finish its case, and wait for up to ten seconds.
        process.kill(self._workers)
        pytest.exit(self.selection.stop_option)

    @property
    def cases(self) -> tuple[CaseRecord, ...]:
        """Return the results so far."""
        return tuple(self._cases.values())

    @property
    def may_have_no_case(self) -> bool:
        """Return whether a run without cases is right: a file is broken, or this shard has none of the cases."""
        return bool(self.broken) or bool(self.selection.done) or (self.record.shard.cases > 0 and not self._selected)

    @property
    def unsettled(self) -> tuple[str, ...]:
        """Return the ids of the failed cases of which it is not clear yet whether they always fail."""
        return tuple(one.id for one in self._cases.values() if one.outcome in _COMPARED and not is_settled(one))

    @property
    def has_failed_enough(self) -> bool:
        """Return whether as many cases have failed with unknown failures as -x or --maxfail allow."""
        return 0 < self.selection.max_failures <= self._failures

    @property
    def has_failed(self) -> bool:
        """Return whether a case failed with an unknown failure, or could not be run."""
        return self._failures > 0

    def _count_failures(self) -> int:
        run = self.record if self.excuse is None else self.excuse(self.record)
        return sum(case.is_failure or case.outcome is Outcome.ERROR for case in run.cases)

    def _in_round(self, case: CaseRecord, *, keeps_folder: bool) -> CaseRecord:
        """Return the case with its folder relative to the run folder; in later rounds, logs of a match are removed."""
        if self.round == 1 or not case.folder:
            return case
        folder = f"{self.round_name}/{case.folder}"
        files.add_case(self.folder.path / folder, self.folder.path / case.folder)
        if case.outcome is Outcome.MATCH and not keeps_folder:
            shutil.rmtree(self.folder.path / folder, ignore_errors=True)
            folder = ""
        return replace(case, folder=folder)

    def finish(self, *, complete: bool) -> RunRecord:
        """Write the record of the whole run, and return it."""
        cases = tuple(self._cases.values())
        not_run = tuple(one for one in self._selected if one not in self._cases)
        stopped = f"stopped by {self.selection.stop_option}: {len(cases)} of {len(self._selected)} cases were run"
        own_notes = [stopped] if self.has_failed_enough and not_run else []
        if cores := find_cores(self.folder.path, cases):
            kept = f"the memory of {len(cores)} machine{'' if len(cores) == 1 else 's'}"
            own_notes.append(f"{kept} was kept, to see who waits for whom: harness core {self.folder.path.name}")
        sightings = [sighting for case in cases for sighting in case.sightings]
        gathered = judge.gather(self.semantics, sightings)
        traits = self.known.marked_traits(judge.trait_records(self.semantics, self.environment.profile, sightings))
        own_notes += self.known.idle(cases, traits, whole=complete and self.selection.is_whole)
        nearest = find_nearest(self.semantics, gathered.seen, own=self.environment.profile)
        self.record = replace(
            self.record,
            complete=complete,
            seconds=time.monotonic() - self._clock,
            cases=cases,
            not_run=not_run,
            is_partial=not self.selection.is_whole,
            traits=traits,
            nearest=tuple(str(near) for near in nearest),
            notes=(*self.record.notes, *own_notes, *judge.notes(self.environment.profile, sightings)),
            problems=(*self.broken, *gathered.problems, *self.known.problems),
        )
        self.folder.write(self.record)
        return self.record


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

    @property
    def is_complete(self) -> bool:
        """Return whether all cases were run."""
        return self.status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)

    @property
    def is_interrupted(self) -> bool:
        """Return whether Ctrl-C or a plug-in ended it."""
        return self.status == pytest.ExitCode.INTERRUPTED

    @property
    def is_aborted(self) -> bool:
        """Return whether an error of pytest or of a plug-in ended it."""
        return self.status == pytest.ExitCode.INTERNAL_ERROR


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
        self._done = selection.done
        self._order = order
        self._past = past

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        pytest_plugin.set_environment(config, self._environment)
        pytest_plugin.set_order(config, self._order, self._past)
        pytest_plugin.set_only(config, self._only, self._shard, self._done)
        pytest_plugin.set_trace_style(config)
        pytest_plugin.share_fixtures(config, self._environment.suite)


def pytest_arguments(selection: Selection, suite: Suite) -> list[str]:
    """Return the arguments of pytest: it shows nothing on the terminal and writes nothing beside the cases."""
    wanted = [str(path) for path in selection.paths] or [str(suite.folder)]
    arguments = ["-c", str(paths.PYTEST_SETTINGS), "--rootdir", str(paths.ROOT)]
    if not suite.folder.is_relative_to(paths.ROOT):
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
    return [*arguments, *wanted]


Elsewhere = Callable[[RunRecorder, Selection, str], PytestRun]
"""Runs the selected cases of a round in the order of a seed, and gives the recorder their results; the returned value
is that of a pytest which had run them."""


def run_rounds(listener: RunRecorder, elsewhere: Elsewhere | None) -> PytestRun:
    """Run the cases as many times as requested, and return the result of the last pytest."""
    ended = PytestRun(int(pytest.ExitCode.OK))
    selection = listener.selection
    for number in selection.rounds.numbers():
        listener.round = number
        environment = replace(listener.environment, folder=listener.environment.folder / listener.round_name)
        environment.folder.mkdir(exist_ok=True)
        order = selection.rounds.order(number)
        if elsewhere is not None:
            ended = elsewhere(listener, selection, order)
        else:
            own = InProcess(environment, selection, order=order, past=listener.past)
            ended = run_pytest(pytest_arguments(selection, environment.suite), [listener, own])
        went_through = ended.is_complete and listener.failure is None
        is_enough = listener.has_failed_enough or (selection.rounds.until_fail and listener.has_failed)
        if is_enough or not went_through:
            return ended
    return _repeat_failures(listener, ended, elsewhere)


def _repeat_failures(listener: RunRecorder, ended: PytestRun, elsewhere: Elsewhere | None) -> PytestRun:
    """Run cases that fail again, on fresh machines, until it is clear whether they always do."""
    while listener.repeats_failures and (unsettled := listener.unsettled) and not listener.has_failed_enough:
        listener.round += 1
        listener.again = unsettled
        environment = replace(listener.environment, folder=listener.environment.folder / listener.round_name)
        environment.folder.mkdir(exist_ok=True)
        selection = replace(listener.selection, only=unsettled, shard=None, done=())
        if elsewhere is not None:
            again = elsewhere(listener, selection, "")
        else:
            own = InProcess(environment, selection, order="", past=listener.past)
            again = run_pytest(pytest_arguments(selection, environment.suite), [listener, own])
        if not again.is_complete or listener.failure is not None:
            return again
    return ended
