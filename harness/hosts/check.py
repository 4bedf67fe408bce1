# SPDX-License-Identifier: GPL-2.0-only
"""Check hosts: what each has and misses, which accelerator it proves, and how long a reference case takes there."""

from __future__ import annotations

import concurrent.futures
from dataclasses import dataclass, replace
from pathlib import Path

from harness import pipeline
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError
from harness.base.json_records import dump_value
from harness.base.scratch import scratch_folder
from harness.base.store import Store
from harness.hosts.cluster import Cluster, ClusterSettings, running_cluster
from harness.hosts.jobs import job_of
from harness.hosts.remote.host_list import Host, HostsFile
from harness.hosts.remote.ssh import HostReport, complaint, probe
from harness.hosts.scheduler import HostLost, Received, WorkerJoined
from harness.hosts.wire import NO_FACTS, BatchRequest, HostFacts, MessageKind, load_message
from harness.kernel.toolchain.toolchain import find_toolchain
from harness.model.shard import read_durations
from harness.model.verdict import Outcome
from harness.report.display.events import RunReport
from harness.results.records import loads_case
from harness.suite.definition import Suite
from harness.suite.load import case_id, case_paths

_SECONDS = 600.0
_LOOK_SECONDS = 1.0
_TOOLS_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class HostCheck:
    """The result of the check of a host.

    :param name: its name.
    :param report: what it has; None if it could not be reached.
    :param facts: what it found out while it ran the reference case.
    :param case_seconds: how long the reference case took; 0.0 if it was not run.
    :param problem: what is missing, with a hint; empty if the host can run cases.
    :param builds: whether it can build kernels, or why not, with a command.
    """

    name: str
    report: HostReport | None = None
    facts: HostFacts = NO_FACTS
    case_seconds: float = 0.0
    problem: str = ""
    builds: str = ""

    @property
    def lines(self) -> list[str]:
        """Return the result as lines for a terminal."""
        seen = self.report
        rows = [] if seen is None else [("cores", str(seen.cores)), ("memory", f"{seen.memory} MiB available")]
        if seen is not None:
            rows += [("disk", f"{seen.disk} MiB free at {seen.store}"), ("Python", seen.python or seen.pythons)]
            rows += [("QEMU", seen.qemu or "missing"), ("/dev/kvm", seen.kvm)]
            rows += [("bubblewrap", seen.bubblewrap), ("builds", self.builds)]
        if self.facts.acceleration:
            rows.append(("accelerator", f"{self.facts.acceleration}: {self.facts.evidence}"))
            rows.append(("case", f"{self.case_seconds:.2f} s, after a boot of {self.facts.boot_seconds:.1f} s"))
        state = "LACK" if self.problem else "ok"
        problem = [f"      {line}" for line in self.problem.splitlines()]
        return [f"{state:<4}  {self.name}", *(f"      {name:<12} {text}" for name, text in rows), *problem]


def check_hosts(hosts: HostsFile, store: Store, suite: Suite, *, report: RunReport) -> list[HostCheck]:
    """Check hosts; nothing is left there but the environment and the artifacts in the store.

    :param hosts: the hosts.
    :param store: the store of this host.
    :param suite: the suite of the reference case.
    :param report: receives events.
    """
    remote = [host for host in hosts.hosts.values() if not host.is_local]

    def look(number: int) -> HostCheck:
        host = remote[number]
        try:
            found = probe(host, ())
        except HarnessError as error:
            return HostCheck(host.name, problem=str(error))
        missing = complaint(host, found)
        problem = str(missing) if missing is not None else ""
        return HostCheck(host.name, found, problem=problem, builds=builds_text(host, found))

    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(remote))) as pool:
        checks = {one.name: one for one in pool.map(look, range(len(remote)))}
    local = {host.name: HostCheck(host.name) for host in hosts.hosts.values() if host.is_local}
    good = [host for host in hosts.hosts.values() if not (checks | local)[host.name].problem]
    if not good:
        return list((checks | local).values())
    settings = ClusterSettings([replace(host, slots=1) for host in good], store, None, hosts.silence_seconds)
    with running_cluster(settings, report=report) as cluster:
        ran = _run_case(cluster, suite, report)
    for name, one in (checks | local).items():
        checks[name] = one if one.problem else replace(ran[name], report=one.report, builds=one.builds)
    return list(checks.values())


def builds_text(host: Host, report: HostReport) -> str:
    """Return whether a host can build kernels with the compiler of this one, or why not, with a command.

    :param host: the host.
    :param report: what it has.
    """
    if report.no_builds:
        return f"no; install what is missing: ssh {host.ssh} sudo apt-get install {' '.join(report.no_builds)}"
    try:
        own = find_toolchain(deadline=Deadline.after(_TOOLS_SECONDS)).render()
    except HostError as error:
        return f"no: {error.what}"
    there, here = report.toolchain.splitlines(), own.splitlines()
    other = next(((one, two) for one, two in zip(there, here, strict=False) if one != two), None)
    return f"no: {other[0]}; here {other[1]}" if other else f"yes, with {there[0] if there else ''}"


def reference_case(suite: Suite) -> Path:
    """Return the file of the reference case: the quickest session that is no trifle.

    :param suite: the suite.
    """
    sessions = [path for path in case_paths(suite) if path.suffix == ".session"]
    file = suite.durations_file
    seconds = read_durations(file.read_text(), path=str(file)) if file.is_file() else {}
    return min(sessions, key=lambda path: (seconds.get(case_id(path, suite), 1e9), path))


def _run_case(cluster: Cluster, suite: Suite, report: RunReport) -> dict[str, HostCheck]:
    """Run the reference case on each host of a cluster; return the results by host."""
    file, deadline = reference_case(suite), Deadline.after(_SECONDS)
    with scratch_folder("check") as folder:
        context = Context(cluster.settings.store, deadline, report)
        prepared = pipeline.prepare(context, pipeline.Options(suite=suite), logs=folder)
    job = job_of(cluster, prepared, (file,))
    name = str(file) if cluster.shares_store else file.relative_to(suite.folder).as_posix()
    found = {host: HostCheck(host) for host in cluster.agents}
    running: dict[int, str] = {}
    waiting = set(found)
    while waiting and not deadline.is_past:
        match cluster.event(_LOOK_SECONDS):
            case WorkerJoined(worker, address):
                number = next(cluster.numbers)
                running[number] = worker.rpartition("/")[0]
                request = BatchRequest(number, job, (case_id(file, suite),), (name,))
                cluster.scheduler.submit(address, number, dump_value(request, indent=None).encode())
            case HostLost(host, why):
                found[host] = replace(found[host], problem=f"the connection ended\n{why}")
                waiting.discard(host)
            case Received(data):
                message, _ = load_message(data)
                host = running.get(message.number, "")
                if message.kind is MessageKind.CASE_ENDED and host and message.records:
                    found[host] = _with_case(found[host], message.records[-1])
                elif message.kind is MessageKind.BATCH_ENDED and host:
                    found[host] = replace(
                        found[host], facts=message.facts, problem=message.problem or found[host].problem
                    )
                    waiting.discard(host)
    late = HostError("the reference case did not end", remedy="check the load of the host, then retry")
    return {host: replace(one, problem=str(late)) if host in waiting else one for host, one in found.items()}


def _with_case(check: HostCheck, record: str) -> HostCheck:
    case = loads_case(record)
    problem = "" if case.outcome is Outcome.MATCH else f"the reference case {case.id}: {case.outcome}\n{case.reason}"
    return replace(check, case_seconds=case.seconds, problem=problem)
