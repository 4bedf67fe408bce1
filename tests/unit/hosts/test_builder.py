# SPDX-License-Identifier: GPL-2.0-only
"""Which worker builds, and what happens when it cannot: with a real store and tree, and workers that are pretended."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, SeriesError
from harness.base.events import StageEvent
from harness.base.json_records import dump_value, from_table, parse_json
from harness.base.store import Store
from harness.hosts.artifacts import Intake, Offer
from harness.hosts.builds import builder
from harness.hosts.builds.builder import HostBuilder
from harness.hosts.builds.job import BuildJob, BuildResult, load_job, record_error
from harness.hosts.checks import HostChecks
from harness.hosts.cluster import Cluster
from harness.hosts.remote.host_list import Host
from harness.hosts.scheduler import EventStream, Received, SchedulerLost, WorkerJoined, WorkerLeft
from harness.hosts.wire import BuildRequest, Message, MessageKind, dump_message
from harness.kernel.build.elsewhere import BuildOrder
from harness.kernel.config.inputs import ConfigInputs
from harness.kernel.git.repository import Repository
from harness.kernel.patches.patched_tree import PatchedTree, unpatched
from harness.kernel.source.tree import Source
from harness.model.origin import Origin, OriginKind
from tests.unit.kernel.fake_tree import FakeRepository, make_repository

Build = Callable[["PretendedWorkers", str, BuildJob], BuildResult | None]
"""Builds on a host; returns None if the worker is lost."""


class PretendedWorkers:
    """Workers that build nothing, and the connection to them.

    :ivar hosts: the host of each build, in their order.
    :ivar most: the largest number of builds at the same time, by host.
    """

    def __init__(self, folder: Path, hosts: list[Host], build: Build) -> None:
        self.events = EventStream()
        self.intake = Intake(folder)
        self.hosts: list[str] = []
        self.most: dict[str, int] = {}
        self._build = build
        self._running: list[str] = []
        self._lock = threading.Lock()
        self.cluster = SimpleNamespace(
            scheduler=self,
            offer=Offer(),
            numbers=itertools.count(1),
            agents={one.name: SimpleNamespace(host=one, child=SimpleNamespace(poll=lambda: None)) for one in hosts},
            checks=HostChecks(),
            building=set(),
            abort=lambda numbers: None,
        )
        for one in hosts:
            for slot in range(one.slots):
                self.events.put(WorkerJoined(f"{one.name}/{slot}", f"tls://{one.name}:{slot}"))

    def submit_build(self, address: str, number: int, request: bytes) -> None:
        """Build on a thread of its own, as a worker does."""
        threading.Thread(target=self._run, args=(address, number, request)).start()

    def forget(self, number: int) -> None:
        """See :class:`harness.hosts.scheduler.SchedulerProcess`."""

    def _run(self, address: str, number: int, data: bytes) -> None:
        request = from_table(BuildRequest, parse_json(data.decode(), "x"), name="x", source="x")
        job = load_job(self.cluster.offer.read(request.job, 0).decode())
        host = self.events.workers[address].rpartition("/")[0]
        with self._lock:
            self.hosts.append(host)
            self._running.append(host)
            self.most[host] = max(self.most.get(host, 0), self._running.count(host))
        result = self._build(self, host, job)
        with self._lock:
            self._running.remove(host)
        if result is None:
            self.events.put(WorkerLeft(address))
            return
        detail = dump_value(result, indent=None)
        self.events.put(Received(dump_message(Message(MessageKind.BUILD_ENDED, number, detail=detail))))


@pytest.fixture
def tree(tmp_path: Path) -> FakeRepository:
    """Return a tree with five commits."""
    tree = make_repository(tmp_path / "linux")
    for number in range(4):
        tree.commit({"lib/string.c": f"int length_{number};\n"})
    return tree


def order(tree: FakeRepository, commit: str) -> BuildOrder:
    """Return a kernel to build."""
    source = Source(Repository(tree.path / ".git"), commit, Origin(OriginKind.TREE, str(tree.path), commit[:12]))
    patched: PatchedTree = unpatched(source)
    return BuildOrder(patched, ConfigInputs((), None, (), (), (), "key"), is_trusted=False, seconds=60)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the commits whose kernels are in the store; nothing is unpacked into it."""
    found: set[str] = set()
    monkeypatch.setattr(builder, "is_in_store", lambda context, one: one.tree.commit in found)
    monkeypatch.setattr(
        builder, "take_product", lambda context, one, result, files, *, host: found.add(one.tree.commit)
    )
    return found


def start(workers: PretendedWorkers, folder: Path, seen: list[StageEvent] | None = None) -> HostBuilder:
    """Return a builder on pretended workers, which keeps its notes."""
    return HostBuilder(cast(Cluster, workers.cluster), folder, (seen if seen is not None else []).append)


def context_of(folder: Path) -> Context:
    """Return a context with a store of its own, which drops the events, as a bisection does."""
    return Context(Store(folder / "store"), Deadline.after(60))


def succeed(workers: PretendedWorkers, host: str, job: BuildJob) -> BuildResult:
    """Build a kernel."""
    return BuildResult()


def test_a_kernel_is_built_once(tree: FakeRepository, built: set[str], tmp_path: Path) -> None:
    """Of several that want it at the same time, one has it built; later ones find it in the store."""
    workers = PretendedWorkers(tmp_path, [Host("a", "a", 1), Host("b", "b", 1)], succeed)
    build, context = start(workers, tmp_path), context_of(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: build.build(context, order(tree, tree.commits[0])), range(4)))
    build.build(context, order(tree, tree.commits[0]))

    assert len(workers.hosts) == 1
    assert workers.cluster.building == set()


def test_hosts_build_side_by_side_and_each_one_kernel(tree: FakeRepository, built: set[str], tmp_path: Path) -> None:
    """Two kernels at the same time on two hosts, whatever the number of their workers."""
    both, free = threading.Barrier(2, timeout=30), []

    def together(workers: PretendedWorkers, host: str, job: BuildJob) -> BuildResult:
        both.wait()
        free.append(build._free_slot("", []))
        both.wait()
        return BuildResult()

    workers = PretendedWorkers(tmp_path, [Host("a", "a", 4), Host("b", "b", 4)], together)
    build, context = start(workers, tmp_path), context_of(tmp_path)
    assert build.count == 2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda commit: build.build(context, order(tree, commit)), tree.commits[:4]))

    assert free == [None] * 4, "while both build, no other worker of theirs is free for a build"
    assert workers.most == {"a": 1, "b": 1}
    assert sorted(workers.hosts) == ["a", "a", "b", "b"]


def test_workers_of_this_host_wait_for_the_first_objects(tree: FakeRepository, tmp_path: Path) -> None:
    """They share a store: the first build is alone, and the others start from what it leaves."""
    first: list[object] = []
    others = threading.Barrier(2, timeout=30)

    def build_one(workers: PretendedWorkers, host: str, job: BuildJob) -> BuildResult:
        if first:
            others.wait()
        assert job.git_dir == str(tree.path / ".git"), "the files are not sent"
        first.append(build._free_slot("", []))
        return BuildResult()

    workers = PretendedWorkers(tmp_path, [Host("local", slots=4)], build_one)
    build, context = start(workers, tmp_path), context_of(tmp_path)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda commit: build.build(context, order(tree, commit)), tree.commits[:3]))

    assert first[0] is None, "the other worker waits"
    assert workers.most == {"local": 2}


def test_a_host_that_does_not_build_gets_no_build(tree: FakeRepository, built: set[str], tmp_path: Path) -> None:
    """As its table in the hosts file says."""
    workers = PretendedWorkers(tmp_path, [Host("a", "a", 1, builds=False), Host("b", "b", 1)], succeed)
    build = start(workers, tmp_path)
    for commit in tree.commits:
        build.build(context_of(tmp_path), order(tree, commit))

    assert build.count == 1
    assert set(workers.hosts) == {"b"}


def test_another_run_asks_the_same_host(tree: FakeRepository, tmp_path: Path) -> None:
    """Its store may have the kernel; different kernels go to different hosts."""
    asked: set[tuple[str, ...]] = set()
    for commit in (*tree.commits, *tree.commits):
        # Another store, as of another submitting host.
        (folder := tmp_path / str(len(asked))).mkdir(exist_ok=True)
        workers = PretendedWorkers(folder, [Host("a", "a", 1), Host("b", "b", 1), Host("c", "c", 1)], succeed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(builder, "take_product", lambda *_, **__: None)
            start(workers, folder).build(context_of(folder), order(tree, commit))
        asked.add((commit, *workers.hosts))

    assert len(asked) == len(tree.commits), "one host for each kernel"
    assert len({host for _, host in asked}) > 1


def test_a_lost_worker_loses_no_kernel(tree: FakeRepository, built: set[str], tmp_path: Path) -> None:
    """It is built on the other host, and a note says so."""
    seen: list[StageEvent] = []
    workers = PretendedWorkers(
        tmp_path, [Host("a", "a", 2), Host("b", "b", 1)], lambda one, *_: None if len(one.hosts) == 1 else BuildResult()
    )
    start(workers, tmp_path, seen).build(context_of(tmp_path), order(tree, tree.commits[0]))

    first, second = workers.hosts
    assert {first, second} == {"a", "b"}
    assert built == {tree.commits[0]}
    assert any(f"host {first}: a worker was lost while it built a kernel" in getattr(one, "text", "") for one in seen)


def test_two_lost_workers_are_an_error(tree: FakeRepository, built: set[str], tmp_path: Path) -> None:
    """The kernel may be what costs them."""
    workers = PretendedWorkers(tmp_path, [Host("a", "a", 1), Host("b", "b", 1)], lambda *_: None)
    with pytest.raises(HostError, match="two workers were lost") as raised:
        start(workers, tmp_path).build(context_of(tmp_path), order(tree, tree.commits[0]))

    assert f"hosts: {', '.join(workers.hosts)}" in raised.value.evidence
    assert sorted(workers.hosts) == ["a", "b"]


def test_a_host_with_another_compiler_builds_nothing(tree: FakeRepository, built: set[str], tmp_path: Path) -> None:
    """Not in this run: the other one builds all; without another one, the error has the reason of each host."""
    refusal = BuildResult(
        error=record_error(HostError("another compiler", evidence="here: gcc 9")), is_other_compiler=True
    )

    def build_one(workers: PretendedWorkers, host: str, job: BuildJob) -> BuildResult:
        assert job.toolchain
        return refusal if host == "a" else BuildResult()

    workers = PretendedWorkers(tmp_path, [Host("a", "a", 1), Host("b", "b", 1)], build_one)
    build, context = start(workers, tmp_path), context_of(tmp_path)
    for commit in tree.commits[:3]:
        build.build(context, order(tree, commit))
    alone = PretendedWorkers(tmp_path, [Host("a", "a", 1)], build_one)
    with pytest.raises(HostError, match="another compiler"):
        start(alone, tmp_path).build(context, order(tree, tree.commits[3]))

    assert workers.hosts.count("a") <= 1
    assert workers.hosts.count("b") == 3


def test_a_kernel_that_does_not_build_is_not_tried_elsewhere(
    tree: FakeRepository, built: set[str], tmp_path: Path
) -> None:
    """It is the kernel that is at fault; the log is in a file of this host."""
    log = tmp_path / "make.log"
    log.write_text("kernel/fork.c:3: error\n")
    failed = BuildResult(error=record_error(SeriesError("it does not build", log=log)))
    workers = PretendedWorkers(tmp_path, [Host("a", "a", 1), Host("b", "b", 1)], lambda *_: failed)
    with pytest.raises(SeriesError, match="it does not build") as raised:
        start(workers, tmp_path).build(context_of(tmp_path), order(tree, tree.commits[0]))

    assert len(workers.hosts) == 1
    assert raised.value.log is not None
    assert raised.value.log.is_relative_to(tmp_path / "store")
    assert raised.value.log.read_text() == "kernel/fork.c:3: error\n"


@pytest.mark.parametrize("how", ["stopped", "scheduler"])
def test_a_build_ends_with_the_command(tree: FakeRepository, built: set[str], tmp_path: Path, how: str) -> None:
    """When the command gives up its builds, and when the scheduler is lost."""
    over = threading.Event()

    def never(workers: PretendedWorkers, host: str, job: BuildJob) -> BuildResult | None:
        end: Callable[[], Any] = build.stop if how == "stopped" else lambda: workers.events.put(SchedulerLost("killed"))
        end()
        over.wait(30)
        return None

    workers = PretendedWorkers(tmp_path, [Host("a", "a", 1)], never)
    build = start(workers, tmp_path)
    try:
        with pytest.raises(HostError, match="stopped" if how == "stopped" else "scheduler of the hosts has ended"):
            build.build(context_of(tmp_path), order(tree, tree.commits[0]))
    finally:
        over.set()

    assert workers.cluster.building == set()
