# SPDX-License-Identifier: GPL-2.0-only
"""Have kernels built on the hosts of a run, each once: choose a worker, send the files, take what it has made.

A host builds one kernel at a time, with all its processors. The workers of this host share a store, so they build side
by side, but not before the first build has left objects to start from. A build whose worker is lost is built on another
host; so is one that a host cannot build, for example because its compiler is another one.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from harness.base.context import Context
from harness.base.errors import HarnessError, HostError
from harness.base.events import HostBusy, Note, Progress, Report
from harness.base.json_records import dump_value
from harness.base.store import digest_of
from harness.hosts.builds.job import (
    BUILD_FILE,
    CONFIG_FILE,
    BuildJob,
    BuildResult,
    ErrorRecord,
    error_of,
    load_event,
    load_result,
)
from harness.hosts.builds.product import error_here, is_in_store, take_product
from harness.hosts.builds.sources import object_format, pack_source
from harness.hosts.cluster import Cluster
from harness.hosts.remote.host_list import FILE_NAME
from harness.hosts.scheduler import ClusterEvent, Received, SchedulerLost, WorkerLeft
from harness.hosts.wire import BuildRequest, Message, MessageKind, load_message
from harness.kernel.build.elsewhere import BuildOrder
from harness.kernel.toolchain.toolchain import find_toolchain

_KIND = "host-build"
"""The kind of the locks of builds on hosts."""
_LOOK_SECONDS = 1.0
_JOIN_SECONDS = 60.0
"""How long to wait for a worker while none lives."""
_START_SECONDS = 300.0
"""How long to wait for the first worker: on a busy host it takes a minute to start."""
_MOST_LOSSES = 2
"""The number of lost workers after which a kernel is not built again."""


class _Slot(NamedTuple):
    """A worker that builds.

    :param address: its address.
    :param host: the name of its host.
    :param number: the number of the build.
    """

    address: str
    host: str
    number: int


class HostBuilder:
    """Builds kernels on the hosts of a cluster; called from several threads at the same time."""

    def __init__(self, cluster: Cluster, folder: Path, say: Report) -> None:
        """Build on the hosts of a cluster.

        :param cluster: the hosts.
        :param folder: an empty folder for packs of files.
        :param say: receives notes about the hosts; the receiver of a build's progress may drop them.
        """
        self._cluster = cluster
        self._folder = folder
        self._say = say
        self._slots: dict[str, _Slot] = {}
        self._has_objects: set[str] = set()
        unwilling = [name for name, agent in cluster.agents.items() if not agent.host.builds]
        self._refused = dict.fromkeys(unwilling, f"builds = false in {FILE_NAME}")
        self._changed = threading.Condition()
        self._stops = 0
        self._no_worker_since = time.monotonic()
        self._join_seconds = _START_SECONDS

    @property
    def count(self) -> int:
        """Return the number of kernels that are built at the same time."""
        hosts = [agent.host for agent in self._cluster.agents.values()]
        return sum(host.slots if host.is_local else 1 for host in hosts if host.builds)

    def stop(self) -> None:
        """End the builds that run, each with an error."""
        with self._changed:
            self._stops += 1
            self._changed.notify_all()

    def build(self, context: Context, order: BuildOrder) -> None:
        """Build a kernel; see :class:`harness.kernel.build.elsewhere.Elsewhere`.

        :param context: the store, the deadline, and the receiver of progress.
        :param order: the kernel.
        :raises HarnessError: as the build of a kernel on this host; or no host can build it.
        """
        stops = self._stops
        tree = order.tree.repository.git("rev-parse", f"{order.tree.commit}^{{tree}}", deadline=context.deadline).text
        key = digest_of(tree, order.config.key)
        with _alone(context, key):
            if is_in_store(context, order):
                return
            lost: list[str] = []
            while True:
                slot = self._take_slot(context, key, lost, stops)
                try:
                    result = self._run(context, order, slot, stops)
                finally:
                    self._release(slot)
                if result is None:
                    lost.append(slot.host)
                    self._note_loss(order, slot, lost)
                elif result.error is None:
                    return
                elif not self._can_go_elsewhere(slot, result.error, is_refused=result.is_other_compiler):
                    raise error_here(context, result.error)

    def _note_loss(self, order: BuildOrder, slot: _Slot, lost: list[str]) -> None:
        """Report a lost worker.

        :raises HostError: the build has cost too many workers.
        """
        if len(lost) >= _MOST_LOSSES:
            raise HostError(
                f"{order.tree.source.origin}: two workers were lost while they built it",
                evidence=f"hosts: {', '.join(lost)}",
                remedy="check the memory of these hosts (dmesg there), or build here: leave out --hosts",
            )
        self._say(Note(f"host {slot.host}: a worker was lost while it built a kernel, which is built again"))

    def _can_go_elsewhere(self, slot: _Slot, error: ErrorRecord, *, is_refused: bool) -> bool:
        """Return whether another host may build what this one could not: not if the kernel is at fault."""
        if not isinstance(error_of(error, None), HostError):
            return False
        with self._changed:
            self._refused[slot.host] = error.what if not is_refused else f"{error.what}\n{error.evidence}"
            left = [host for host in self._cluster.agents if host not in self._refused]
        self._say(Note(f"host {slot.host} builds no kernels in this run: {error.what}"))
        return bool(left)

    def _take_slot(self, context: Context, key: str, lost: list[str], stops: int) -> _Slot:
        """Wait for a free worker, and take it.

        :raises HostError: no host can build, or the deadline has passed.
        """
        is_told = False
        with self._changed:
            while True:
                self._check(context, stops)
                if (slot := self._free_slot(key, lost)) is not None:
                    self._slots[slot.address] = slot
                    self._cluster.building.add(slot.address)
                    return slot
                if not is_told and not self._slots:
                    # While others build, their progress tells more.
                    context.report(Progress("waiting for a worker of a host"))
                    is_told = True
                self._changed.wait(_LOOK_SECONDS)

    def _check(self, context: Context, stops: int) -> None:
        """Check whether to wait any longer.

        :raises HostError: no host can build, the builds were stopped, or the deadline has passed.
        """
        if self._stops != stops:
            raise HostError("the build was stopped", remedy="run again")
        if context.deadline.is_past:
            raise HostError("no host was free in time for a build", remedy="give a larger --build-timeout, then retry")
        hosts = self._cluster.agents
        if not hosts.keys() - self._refused.keys():
            evidence = "\n".join(f"{host}: {why}" for host, why in self._refused.items())
            raise HostError("no host can build kernels", evidence=evidence, remedy="build here: leave out --hosts")
        if self._cluster.scheduler.events.workers:
            self._no_worker_since, self._join_seconds = time.monotonic(), _JOIN_SECONDS
        waited = time.monotonic() - self._no_worker_since
        is_any_host_left = any(agent.child.poll() is None for agent in hosts.values())
        if waited > _LOOK_SECONDS and (waited > self._join_seconds or not is_any_host_left):
            raise HostError("no worker is left that could build", remedy="check the hosts: harness hosts check HOSTS")

    def _free_slot(self, key: str, lost: list[str]) -> _Slot | None:
        """Return a worker that may build; those of hosts with objects before others, those that lost a build last.

        Of equal hosts the key chooses, so that another run asks the host that has built the kernel before.
        """
        found = []
        for address, name in self._cluster.scheduler.events.workers.items():
            host = name.rpartition("/")[0]
            agent = self._cluster.agents.get(host)
            if agent is None or address in self._slots or host in self._refused or host in self._cluster.checks.out:
                continue
            running = sum(slot.host == host for slot in self._slots.values())
            if running and not (agent.host.is_local and host in self._has_objects):
                continue
            found.append((host in lost, host not in self._has_objects, running, digest_of(key, host), address, host))
        if not found:
            return None
        *_, address, host = min(found)
        return _Slot(address, host, next(self._cluster.numbers))

    def _release(self, slot: _Slot) -> None:
        with self._changed:
            del self._slots[slot.address]
            self._cluster.building.discard(slot.address)
            self._changed.notify_all()

    def _run(self, context: Context, order: BuildOrder, slot: _Slot, stops: int) -> BuildResult | None:
        """Build a kernel on a worker and take the product; return None if the worker was lost."""
        cluster = self._cluster
        is_local = cluster.agents[slot.host].host.is_local
        job = self._job(context, order, is_local=is_local)
        request = BuildRequest(slot.number, cluster.offer.add(dump_value(job).encode()))
        names = [f"{slot.number}-{end}" for end in (CONFIG_FILE, BUILD_FILE)]
        with cluster.scheduler.events.listening() as events, cluster.scheduler.intake.awaiting(*names) as files:
            cluster.scheduler.submit_build(slot.address, slot.number, dump_value(request, indent=None).encode())
            result = None
            try:
                result = self._await(context, events, slot, stops)
            finally:
                if result is None:
                    cluster.abort([slot.number])
                cluster.scheduler.forget(slot.number)
            if result is not None and result.error is None:
                if not is_local:
                    take_product(context, order, result, files, host=slot.host)
                with self._changed:
                    self._has_objects.add(slot.host)
                    self._changed.notify_all()
        return result

    def _job(self, context: Context, order: BuildOrder, *, is_local: bool) -> BuildJob:
        """Describe a build, and offer its files."""
        tree, deadline = order.tree, context.deadline
        if not is_local:
            commits = (tree.base, *tree.commits)
            make = partial(pack_source, tree.repository, commits, folder=self._folder, deadline=deadline)
            self._cluster.offer.add_source(tree.commit, make)
        return BuildJob(
            origin=tree.source.origin,
            base=tree.base,
            commits=tree.commits,
            series=tree.series,
            object_format=object_format(tree.repository, deadline=deadline),
            git_dir=str(tree.repository.git_dir) if is_local else "",
            config=order.config,
            toolchain=find_toolchain(order.config.assignments, deadline=deadline).render(),
            is_trusted=order.is_trusted,
            seconds=order.seconds,
        )

    def _await(
        self, context: Context, events: queue.SimpleQueue[ClusterEvent], slot: _Slot, stops: int
    ) -> BuildResult | None:
        """Wait for the end of a build, and report its progress; return None if the worker was lost.

        :raises HostError: the scheduler has ended, the build was stopped, or the deadline has passed.
        """
        while True:
            with self._changed:
                self._check(context, stops)
            try:
                event = events.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            match event:
                case WorkerLeft(address) if address == slot.address:
                    return None
                case SchedulerLost(why):
                    remedy = "run the same command again"
                    raise HostError("the scheduler of the hosts has ended", evidence=why, remedy=remedy)
                case Received(bytes() as data):
                    if (message := _own_message(data, slot.number)) is None:
                        continue
                    if message.kind is MessageKind.BUILD_EVENT:
                        self._report(context, message, slot)
                    elif message.kind is MessageKind.BUILD_ENDED:
                        return load_result(message.detail)
                    elif message.kind is MessageKind.BATCH_ENDED:
                        what, _, evidence = message.problem.partition("\n")
                        return BuildResult(error=ErrorRecord("HostError", f"host {slot.host}: {what}", evidence))

    def _report(self, context: Context, message: Message, slot: _Slot) -> None:
        """Show an event of a build with its host."""
        with contextlib.suppress(HarnessError):
            event = load_event(message.detail)
            if isinstance(event, HostBusy):
                # It is about the other host.
                return
            context.report(replace(event, text=f"host {slot.host}: {event.text}"))


def _own_message(data: bytes, number: int) -> Message | None:
    """Return a message if it is about a build; None for others, and damaged ones, which the round of cases reports."""
    try:
        message, _ = load_message(data)
    except HarnessError:
        return None
    return message if message.number == number else None


@contextlib.contextmanager
def _alone(context: Context, key: str) -> Iterator[None]:
    """Hold the lock of a kernel: of several that want it, one has it built, and the others find it in the store.

    :raises HostError: the deadline came while another run had it built.
    """
    from filelock import Timeout

    lock = context.store.lock(_KIND, key)
    seconds = context.deadline.seconds_left
    try:
        lock.acquire(timeout=-1 if seconds == float("inf") else seconds)
    except Timeout:
        raise HostError(
            f"another run has had this kernel built on hosts for {seconds:.0f} s",
            evidence=f"lock: {lock.lock_file}",
            remedy="wait for the other run or stop it, then retry",
        ) from None
    try:
        yield
    finally:
        lock.release()
