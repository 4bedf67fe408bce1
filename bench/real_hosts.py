# SPDX-License-Identifier: GPL-2.0-only
"""Measure runs on two hosts of one core each: network namespaces of this machine, each with an sshd and a store.

    tox -e bench-hosts -- --measured             all cases, three times; a quarter of an hour on a quiet host
    tox -e bench-hosts -- --measured -k setns    a part of the cases

It needs root, sshd, and two cores that are left alone. Each host is pinned to a core, and the run that it is compared
with, ``-n 2``, to both. Two figures are no ratio: the time to the first case, and the memory of Dask's processes.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.bench import timed
from bench.figures import Figure
from bench.hosts import Costs, simulate
from harness import pipeline
from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.json_records import dump_value
from harness.base.store import Store
from harness.hosts.checks import HostChecks
from harness.hosts.cluster import Cluster, ClusterSettings, running_cluster
from harness.hosts.jobs import job_of
from harness.hosts.remote.host_list import Host
from harness.hosts.scheduler import Received, WorkerJoined
from harness.hosts.wire import BatchRequest, MessageKind, load_message
from harness.model.run_record import RunRecord
from harness.results.folder import load_run
from harness.suite.load import case_paths, default_suite
from tests.system.ssh_hosts import SshHost, are_possible, path_with_ssh, ssh_host

CORES = ("0", "1")
_SECONDS = 3600.0
_SAMPLE_SECONDS = 0.25
_MIB = 1 << 20
_DASK = {"scheduler": "harness.hosts.hub", "worker": "harness.hosts.worker"}
_COPIES = 5
_FIRST = "freezer and manpage"
"""Chooses few cases."""


@dataclass(frozen=True)
class Ran:
    """A run of the harness.

    :param seconds: from the start of the program to its end.
    :param first: from the start of the program to its first case.
    :param record: its record.
    """

    seconds: float
    first: float
    record: RunRecord

    @property
    def case_seconds(self) -> dict[str, float]:
        """Return the duration of each case."""
        return {case.id: case.seconds for case in self.record.cases}

    @property
    def span(self) -> float:
        """Return the time from the start of the first case to the end of the last one."""
        cases = self.record.cases
        return max(case.started + case.seconds for case in cases) - min(case.started for case in cases)


@dataclass
class Memory:
    """The most memory that the processes of Dask take, in MiB.

    :ivar most: by process.
    """

    most: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_DASK, 0.0))
    _over: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look at them now and again during a block."""
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            for one in psutil.process_iter(["cmdline", "name"]):
                words = one.info["cmdline"] or []
                for name, module in _DASK.items():
                    if module in words and one.info["name"] not in ("bwrap", "ssh"):
                        with contextlib.suppress(psutil.Error):
                            self.most[name] = max(self.most[name], one.memory_info().rss / _MIB)


class Bed:
    """Two hosts, and the runs on them.

    :ivar hosts: the hosts.
    """

    def __init__(self, folder: Path, hosts: Sequence[SshHost], expression: str) -> None:
        self.hosts = hosts
        self._folder = folder
        self.expression = expression
        settings = folder / "configuration" / "kernel-patch-harness"
        settings.mkdir(parents=True)
        (settings / "hosts.toml").write_text("".join(f"[host.{host.name}]\nslots = 1\n" for host in hosts))
        (folder / "ssh").mkdir()
        path = path_with_ssh(folder / "ssh", *hosts)
        self.env = {**os.environ, "PATH": path, "XDG_CONFIG_HOME": str(folder / "configuration")}

    def harness(self, *words: str) -> float:
        """Run the harness, and return how long it took."""
        command = ["taskset", "--cpu-list", ",".join(CORES), *process.python("harness"), *words]
        within = process.Surroundings(env=self.env)
        return timed(lambda: process.run(command, deadline=Deadline.after(_SECONDS), check=False, within=within))

    def run(self, name: str, *words: str, expression: str = "") -> Ran:
        """Run the cases.

        :param name: a name for the results.
        :param words: where they run.
        :param expression: chooses other cases.
        """
        chosen = expression or self.expression
        results = self._folder / name
        began = time.time()
        seconds = self.harness("run", "deb", *words, *(["-k", chosen] if chosen else []), "--results", str(results))
        (folder,) = (path for path in results.iterdir() if path.is_dir() and not path.is_symlink())
        record = load_run(folder)
        return Ran(seconds, min(case.started for case in record.cases) - began, record)


@contextlib.contextmanager
def host_bed(expression: str) -> Iterator[Bed]:
    """Make two hosts with warm stores, pinned to a core each, for the length of a ``with`` block."""
    with tempfile.TemporaryDirectory(prefix="bench-hosts-") as name, contextlib.ExitStack() as ends:
        hosts = []
        for number, core in enumerate(CORES, start=1):
            folder = Path(name, f"host{number}")
            folder.mkdir()
            host = ends.enter_context(ssh_host(f"host{number}", folder, number, store=folder / "store"))
            host.set_up(before=f"taskset --cpu-list {core}")
            hosts.append(host)
        bed = Bed(Path(name), hosts, expression)
        bed.harness("hosts", "check", ",".join(host.name for host in hosts))
        yield bed


def measured_figures(expression: str) -> list[Figure]:
    """Measure, and return the figures.

    :param expression: chooses cases, as with pytest.
    :raises SystemExit: this machine cannot have such hosts.
    """
    if not are_possible() or (os.cpu_count() or 1) < len(CORES):
        raise SystemExit("--measured needs root, network namespaces, sshd and two cores; run it as root")
    memory = Memory()
    with host_bed(expression) as bed:
        alone = bed.run("one", "--hosts", "host1")
        with memory.watched():
            both = bed.run("two", "--hosts", "host1,host2")
        local = bed.run("local", "-n", "2")
        shipped = ship(bed)
        quick = min(bed.run(f"first{turn}", "--hosts", "host1", expression=_FIRST).first for turn in range(3))
    return [*_speeds(alone, both, local), *shipped, _first(quick), *_memory(memory)]


def _first(quick: float) -> Figure:
    return Figure("from the command to the first case, on one host, stores warm", quick, 3.0, True, "s", "best of 3")


def _memory(memory: Memory) -> list[Figure]:
    return [Figure(f"memory of a {name}", most, 150, True, "MiB", "resident") for name, most in memory.most.items()]


def _speeds(alone: Ran, both: Ran, local: Ran) -> list[Figure]:
    cases = len(both.record.cases)
    foretold, batches = _foretold(alone, 2)
    equal = sum(
        one.outcome is two.outcome
        for one, two in zip(
            sorted(both.record.cases, key=lambda case: case.id),
            sorted(local.record.cases, key=lambda case: case.id),
            strict=True,
        )
    )
    return [
        Figure(
            f"{cases} cases: one host / two hosts, a core each",
            *(alone.seconds / both.seconds, 1.8, False, "", f"{alone.seconds:.1f} s / {both.seconds:.1f} s"),
        ),
        Figure(
            "two hosts / -n 2 on the same two cores",
            *(both.seconds / local.seconds, 1.1, True, "", f"{both.seconds:.1f} s / {local.seconds:.1f} s"),
        ),
        Figure("verdicts of two hosts that differ from -n 2", cases - equal, 0, True, "", f"of {cases}"),
        Figure(
            "foretold by the simulator / two hosts: error",
            *(abs(foretold / both.span - 1), 0.1, True, ""),
            f"{foretold:.1f} s / {both.span:.1f} s, {batches} batches",
        ),
    ]


def _foretold(alone: Ran, hosts: int) -> tuple[float, int]:
    """Return the time from the first to the last case that the simulator foretells from a run on one host."""
    seconds = alone.case_seconds
    free = Costs(batch=0.0, boot=0.0, noise=0.0)
    single = simulate(seconds, 1, seed=0, checks=HostChecks(), costs=free)
    batch = max(0.0, alone.span - sum(seconds.values())) / max(1, single.batches)
    found = simulate(seconds, hosts, seed=0, checks=HostChecks(), costs=Costs(batch=batch, boot=0.0, noise=0.0))
    # The first case starts when its batch has.
    return found.seconds - batch, found.batches


def ship(bed: Bed) -> list[Figure]:
    """Measure how long the artifacts of a kernel take to a host with an empty store, and how often each is sent."""
    host = bed.hosts[0]
    os.environ["PATH"] = bed.env["PATH"]
    store = Store.default()
    with tempfile.TemporaryDirectory(prefix="bench-ship-") as name:
        context = Context(store, Deadline.after(_SECONDS), _ignore)
        prepared = pipeline.prepare(context, pipeline.Options(suite=default_suite()), logs=Path(name))
        files = [prepared.request.image, prepared.request.initramfs]
        times, sent = [], 0
        for turn in range(_COPIES):
            empty = Host(host.name, host.name, slots=1, store=f"{host.folder}/empty-{turn}")
            with running_cluster(ClusterSettings([empty], store), report=_ignore) as cluster:
                _fetch_all(cluster, prepared)
                times.append(cluster.offer.ended - cluster.offer.began)
                sent = max(sent, *cluster.offer.sent.values())
        data = b"".join(file.read_bytes() for file in files)
        copies = [timed(lambda turn=turn: _copy(host, data, turn)) for turn in range(_COPIES)]  # type: ignore[misc]
    detail = f"{len(data) / _MIB:.1f} MiB; {min(times):.2f} s / {min(copies):.2f} s, best of {_COPIES}"
    return [
        Figure("a kernel and its guest image to an empty host / ssh", min(times) / min(copies), 1.3, True, "", detail),
        Figure("times that an artifact is sent to a host", sent, 1, True, "", "counted where it is read"),
    ]


def _ignore(event: object) -> None:
    """Show nothing."""


def _copy(host: SshHost, data: bytes, turn: int) -> None:
    words = ["ssh", "-T", "-o", "BatchMode=yes", host.name, f"cat >{host.folder}/copy-{turn}"]
    process.run(words, deadline=Deadline.after(_SECONDS), stdin=data)


def _fetch_all(cluster: Cluster, prepared: pipeline.Prepared) -> None:
    """Let the only worker run a batch without a case: it fetches all artifacts first."""
    file = case_paths(prepared.suite)[0]
    job = job_of(cluster, prepared, (file,))
    deadline = Deadline.after(_SECONDS)
    while not deadline.is_past:
        match cluster.event(deadline.seconds_left):
            case WorkerJoined(_, address):
                name = file.relative_to(prepared.suite.folder).as_posix()
                request = BatchRequest(1, job, ("none",), (name,))
                cluster.scheduler.submit(address, 1, dump_value(request, indent=None).encode())
            case Received(data) if load_message(data)[0].kind is MessageKind.BATCH_ENDED:
                return
    raise SystemExit("no worker fetched the artifacts in time")
