# SPDX-License-Identifier: GPL-2.0-only
"""Run the cases of a round on the workers of a cluster: hand out batches, and give their results to the recorder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, UsageError
from harness.base.events import Note
from harness.base.json_records import dump_value
from harness.hosts import logs
from harness.hosts.batches import Batch, Loss, Work
from harness.hosts.checks import HostChecks
from harness.hosts.cluster import Cluster
from harness.hosts.jobs import job_of
from harness.hosts.scheduler import HostLost, Received, SchedulerLost, WorkerJoined, WorkerLeft
from harness.hosts.wire import BatchRequest, HostFacts, Message, MessageKind, load_message
from harness.model.run_record import CaseRecord
from harness.model.shard import read_durations
from harness.model.verdict import Fault, Outcome
from harness.report.display.events import CaseStarted
from harness.results.folder import case_folder_name
from harness.results.records import loads_case
from harness.run.case import junit_names
from harness.run.pytest_plugin import case_id_of
from harness.run.recorder import InProcess, PytestRun, RunRecorder, pytest_arguments, run_pytest
from harness.run.selection import Selection

_LOOK_SECONDS = 1.0
_COMPARE_SECONDS = 10.0
"""How long to wait, when each case has its verdict, for the cases that run again on another host to compare."""
_ABORT_SECONDS = 10.0


class _Collected:
    """pytest plug-in that keeps the files of the cases, in the order to run them in."""

    def __init__(self) -> None:
        self.items: list[tuple[Path, str]] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the cases."""
        self.items = [(item.path, item.nodeid) for item in session.items]


@dataclass
class _Assignment:
    """A batch that a worker runs.

    :param batch: the batch.
    :param address: the address of the worker.
    :param running: the id of the case that has started and not ended; empty between cases.
    :param given: when the batch was handed out, on the monotonic clock.
    :param case_given: when the last case started, on that clock.
    :param case_started: when the last case started, in seconds since the epoch, on the clock of this host.
    """

    batch: Batch
    address: str
    running: str = ""
    given: float = field(default_factory=time.monotonic)
    case_given: float = 0.0
    case_started: float = 0.0


@dataclass
class Round:
    """A round of cases on a cluster.

    :param cluster: the hosts.
    :param recorder: receives the results.
    :param work: the cases.
    :param files: the file of each case.
    :param job: digest of the job, an artifact.
    """

    cluster: Cluster
    recorder: RunRecorder
    work: Work
    files: dict[str, Path]
    job: str
    _running: dict[int, _Assignment] = field(default_factory=dict)
    _told: dict[str, HostFacts] = field(default_factory=dict)
    _alone_since: float = field(default_factory=time.monotonic)
    _done_since: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Run all cases, or as many as the recorder wants."""
        try:
            while not self._is_done and not self._is_stopped:
                self._hand_out()
                self._take_event(_LOOK_SECONDS)
                self._take_out_hosts()
                self._give_up_without_workers()
        finally:
            self._abort()

    @property
    def _is_done(self) -> bool:
        """Return whether each case has a result, and no other host is to run one, to compare."""
        if not self.work.is_done:
            self._done_since = time.monotonic()
            return False
        is_compared = self.checks.is_done and not self._running
        return is_compared or not self.cluster.workers or time.monotonic() - self._done_since > _COMPARE_SECONDS

    @property
    def checks(self) -> HostChecks:
        """Return what is known about the hosts."""
        return self.cluster.checks

    @property
    def _is_stopped(self) -> bool:
        return self.recorder.failure is not None or self.recorder.has_failed_enough

    def _hand_out(self) -> None:
        """Give each idle worker a batch."""
        busy = {one.address for one in self._running.values()}
        hosts = {_host_of(name) for name in self.cluster.workers.values()} - self.checks.out.keys()
        for address, name in self.cluster.workers.items():
            host = _host_of(name)
            if address in busy or address in self.cluster.building or host in self.checks.out:
                continue
            extra = self.checks.extra(host)
            # All workers count, also those that have not joined yet: the first one must not take their share.
            batch = self.work.take(host, hosts=hosts, workers=self.cluster.slots, extra=extra)
            batch = batch or self._late_batch(host)
            if batch is None:
                continue
            self.checks.give(host, batch.ids)
            self._running[batch.number] = _Assignment(batch, address)
            request = BatchRequest(batch.number, self.job, batch.ids, self._files_of(batch))
            self.cluster.scheduler.submit(address, batch.number, dump_value(request, indent=None).encode())

    def _late_batch(self, host: str) -> Batch | None:
        """Return a batch of what another host does not run in time; None if no host is late."""
        now = time.monotonic()
        for number, one in self._running.items():
            slow = _host_of(self.cluster.workers.get(one.address, ""))
            late = {"batch_seconds": now - one.given, "case_seconds": now - one.case_given}
            if slow == host or not self.work.is_late(number, one.running, **late):
                continue
            if (batch := self.work.double_batch(number)) is not None:
                since = f"{late['batch_seconds']:.0f} s"
                text = f"host {slow} is slow: {_count(batch.ids)} of {since} ago run on host {host} as well"
                self._note(f"{text}; the first verdict stands")
                self.checks.blame(slow, f"it is slow: {', '.join(batch.ids[:3])}")
                return batch
        return None

    def _files_of(self, batch: Batch) -> tuple[str, ...]:
        files = dict.fromkeys(self.files[one] for one in batch.ids)
        if self.cluster.shares_store:
            return tuple(map(str, files))
        folder = self.recorder.environment.suite.folder
        return tuple(file.relative_to(folder).as_posix() for file in files)

    def _take_event(self, seconds: float) -> None:
        match self.cluster.event(seconds):
            case WorkerJoined(worker, address):
                self.cluster.workers[address] = worker
            case WorkerLeft(address):
                self._lose(address)
            case HostLost(host, why):
                self._note(f"host {host} is lost: {why or 'the connection ended'}")
            case Received(data):
                self._receive(data)
            case SchedulerLost(why):
                raise HostError(
                    "the scheduler of the hosts has ended",
                    evidence=why or "it printed nothing",
                    remedy="go on with the cases that are left: the same command and "
                    f"--resume {self.recorder.folder.path.name}",
                )

    def _receive(self, data: object) -> None:
        """Take a message of a worker; one that is damaged or of a batch that is over is dropped."""
        try:
            message, archive = load_message(data)
            assignment = self._running.get(message.number)
            if assignment is None:
                return
            if message.kind is MessageKind.CASE_STARTED:
                assignment.running = message.case
                assignment.case_given, assignment.case_started = time.monotonic(), time.time()
                self.recorder.report(CaseStarted(message.case, self.cluster.workers.get(assignment.address, "")))
            elif message.kind is MessageKind.CASE_ENDED:
                assignment.running = ""
                self._end_case(message, archive, assignment)
            else:
                self._end_batch(assignment, message)
        except HarnessError as error:
            self._note(f"a message of a worker was dropped: {error.what}")

    def _end_case(self, message: Message, archive: bytes, assignment: _Assignment) -> None:
        host = _host_of(self.cluster.workers.get(assignment.address, ""))
        # The clock of a host may be wrong.
        started = assignment.case_started or time.time()
        records = [replace(loads_case(text), started=started) for text in message.records]
        own = case_folder_name(message.case)
        is_own = [one.id == message.case or one.id.startswith(f"{message.case}::") for one in records]
        if not records or not all(is_own) or {one.folder for one in records} - {"", own}:
            raise UsageError(f"{message.case}: the records of another case", remedy="update the harness on all hosts")
        is_awaited = self.work.is_awaited(message.number, message.case)
        if records[-1].outcome is Outcome.ERROR and records[-1].fault is Fault.HOST:
            self.checks.lose(host, [message.case])
            self.checks.blame(host, f"{message.case}: {records[-1].reason}")
            can_retry = is_awaited and self.checks.others(host)
            if can_retry and self.work.retry_case(message.number, message.case, host):
                self._note(f"host {host} could not run {message.case}: {records[-1].reason}; it is run again elsewhere")
                return
        else:
            self.checks.end_case(host, message.case, records[-1].outcome)
        if not is_awaited:
            return
        if archive:
            logs.unpack(archive, self.recorder.environment.folder / self.recorder.round_name / own)
        self.work.end_case(message.case)
        self.recorder.take(records)

    def _end_batch(self, assignment: _Assignment, message: Message) -> None:
        number = assignment.batch.number
        del self._running[number]
        self.cluster.scheduler.forget(number)
        host = _host_of(self.cluster.workers.get(assignment.address, ""))
        if message.facts.acceleration and self._told.setdefault(host, message.facts) is message.facts:
            facts = message.facts
            self._note(f"host {host}: {facts.acceleration} ({facts.evidence}), {facts.qemu}")
        self.checks.lose(host, assignment.batch.ids)
        if not message.problem:
            rest = self.work.end_batch(number)
        else:
            self.checks.blame(host, message.problem.partition("\n")[0])
            loss = self.work.lose_batch(number, host) if self.checks.others(host) else Loss()
            if loss.again:
                self._note(f"host {host}: {message.problem.partition(chr(10))[0]}; {_count(loss.again)} run again")
            rest = (*loss.given_up, *self.work.end_batch(number))
        for one in rest:
            self._take_error(one, f"host {host} did not run it", message.problem)

    def _take_out_hosts(self) -> None:
        """Show what was found about the hosts; what a host that was taken out still runs is run again elsewhere."""
        for note in self.checks.take_notes():
            self._note(note)
        for number, one in list(self._running.items()):
            host = _host_of(self.cluster.workers.get(one.address, ""))
            if host in self.checks.out:
                del self._running[number]
                self.cluster.abort([number])
                self.cluster.scheduler.forget(number)
                self.checks.lose(host, one.batch.ids)
                loss = self.work.lose_batch(number, host)
                for case in loss.given_up:
                    self._take_error(case, f"two hosts could not run it: {', '.join((*one.batch.lost, host))}", "")

    def _lose(self, address: str) -> None:
        """Return the batch of a lost worker to the work."""
        name = self.cluster.workers.pop(address, "")
        if not self.cluster.workers:
            self._alone_since = time.monotonic()
        for number, one in list(self._running.items()):
            if one.address != address:
                continue
            del self._running[number]
            self.cluster.scheduler.forget(number)
            self.checks.lose(_host_of(name), one.batch.ids)
            self.checks.blame(_host_of(name), f"worker {name} was lost")
            loss = self.work.lose_batch(number, _host_of(name), suspect=one.running)
            during = f" while it ran {one.running}" if one.running else ""
            if loss.again:
                self._note(f"worker {name} was lost{during}: {_count(loss.again)} of its batch run again")
            for case in loss.given_up:
                hosts = ", ".join((*one.batch.lost, _host_of(name)))
                self._take_error(case, f"two workers were lost while they ran it: {hosts}", "")

    def _give_up_without_workers(self) -> None:
        """End the work if no worker lives, and none has joined in time."""
        waited = time.monotonic() - self._alone_since
        if self.cluster.workers or (self.cluster.may_get_workers and waited < self.cluster.join_seconds):
            return
        for case in self.work.left:
            self.work.end_case(case)
            self._take_error(case, "no host is left to run it", "")

    def _take_error(self, case: str, reason: str, detail: str) -> None:
        """Record that a case could not be run."""
        record = CaseRecord(case, *junit_names(case), Outcome.ERROR, reason=reason, diff=detail, fault=Fault.HOST)
        self.recorder.take([replace(record, started=time.time())])

    def _abort(self) -> None:
        """End the batches that still run, and wait until their workers are free."""
        if not self._running:
            return
        self.cluster.abort(list(self._running))
        deadline = Deadline.after(_ABORT_SECONDS)
        while self._running and not deadline.is_past:
            match self.cluster.event(deadline.seconds_left):
                case WorkerJoined(worker, address):
                    self.cluster.workers[address] = worker
                case WorkerLeft(address):
                    self.cluster.workers.pop(address, "")
                    self._running = {at: one for at, one in self._running.items() if one.address != address}
                case Received(bytes() as data):
                    message, _ = load_message(data)
                    if message.kind is MessageKind.BATCH_ENDED and message.number in self._running:
                        del self._running[message.number]
                        self.cluster.scheduler.forget(message.number)

    def _note(self, text: str) -> None:
        """Show a note, and keep it in the record."""
        self.recorder.record = replace(self.recorder.record, notes=(*self.recorder.record.notes, text))
        self.recorder.report(Note(text))


def _count(cases: Sequence[str]) -> str:
    return f"{len(cases)} case{'' if len(cases) == 1 else 's'}"


def _host_of(worker: str) -> str:
    """Return the host of a worker: ``HOST/NUMBER``."""
    return worker.rpartition("/")[0]


def run_round(cluster: Cluster, recorder: RunRecorder, selection: Selection, order: str) -> PytestRun:
    """Run the cases of a round on a cluster; see :data:`harness.run.one_kernel.Elsewhere`.

    :param cluster: the hosts.
    :param recorder: receives the results.
    :param selection: the cases.
    :param order: the seed of a random order; empty for none.
    """
    environment = recorder.environment
    collected = _Collected()
    own = InProcess(environment, selection, order=order, past=recorder.past)
    arguments = [*pytest_arguments(replace(selection, workers=1), environment.suite), "--collect-only"]
    ended = run_pytest(arguments, [recorder, own, collected])
    if not collected.items or ended.status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return ended
    suite = environment.suite
    files = {case_id_of(path, nodeid, suite): path for path, nodeid in collected.items}
    past = recorder.past
    seconds = {}
    if suite.durations_file.is_file():
        seconds = read_durations(suite.durations_file.read_text(), path=str(suite.durations_file))
    seconds |= {name: one.seconds for name, one in past.items() if one.seconds > 0}
    first = [name for name in files if name in past and (past[name].has_failed or past[name].first)]
    first.sort(key=lambda name: 0 if past[name].has_failed else past[name].first)
    work = Work(list(files), seconds, first=first, is_ordered=bool(order), numbers=cluster.numbers)
    # A round in random order is run in that order and no other.
    cluster.checks.begin(() if order else tuple(files), work.seconds, cluster.host_names)
    try:
        Round(cluster, recorder, work, files, job_of(cluster, environment.prepared, tuple(files.values()))).run()
    except KeyboardInterrupt:
        return PytestRun(int(pytest.ExitCode.INTERRUPTED))
    except HostError as error:
        recorder.failure = error
        return PytestRun(int(pytest.ExitCode.INTERRUPTED))
    return ended
