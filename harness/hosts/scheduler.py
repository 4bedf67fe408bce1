# SPDX-License-Identifier: GPL-2.0-only
"""Run Dask's scheduler in a thread of this process: it knows which workers live, and carries messages both ways.

Every connection is made by a worker, so a host needs to reach one address of the submitting host, which ssh(1)
forwards. Nothing connects to a worker: results are messages of the worker's own stream to the scheduler, and no result
of a task is gathered.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, Future, Scheduler, SchedulerPlugin
from distributed.security import Security

from harness.base.errors import HostError
from harness.hosts.artifacts import Offer
from harness.hosts.certificates import Authority, Certificate
from harness.hosts.task import run_batch
from harness.hosts.wire import FETCH, TOPIC

_START_SECONDS = 60.0
SETTINGS = {
    # A batch whose worker is lost is run again by harness/hosts/batches.py, which names it.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-ttl": "60s",
    # Every message is kept that often: it may hold the logs of a case.
    "distributed.admin.low-level-log-length": 4,
    "distributed.comm.timeouts.connect": "20s",
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
    "distributed.scheduler.active-memory-manager.start": False,
}


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker is ready.

    :param worker: its name, ``HOST/NUMBER``.
    :param address: its address, which is different after a restart.
    """

    worker: str
    address: str


@dataclass(frozen=True, slots=True)
class WorkerLeft:
    """A worker is lost.

    :param address: its address.
    """

    address: str


@dataclass(frozen=True, slots=True)
class Received:
    """A worker sent a message.

    :param data: the message, unchecked.
    """

    data: object


@dataclass(frozen=True, slots=True)
class HostLost:
    """The agent of a host has ended.

    :param host: the name of the host.
    :param why: the last lines of ssh(1) or of the agent.
    """

    host: str
    why: str


ClusterEvent = WorkerJoined | WorkerLeft | Received | HostLost


class _Watch(SchedulerPlugin):
    """Plug-in of the scheduler that passes its events on to another thread."""

    def __init__(self, events: queue.SimpleQueue[ClusterEvent]) -> None:
        self._events = events

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        self._events.put(WorkerJoined(str(scheduler.workers[worker].name), worker))

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        self._events.put(WorkerLeft(worker))

    def log_event(self, topic: str, msg: object) -> None:
        if topic == TOPIC:
            self._events.put(Received(msg))


def security_of(authority: str, own: Certificate) -> Security:
    """Return Dask's settings for TLS: both ends need a certificate of the run.

    :param authority: path of the authority's certificate.
    :param own: the certificate of this host.
    """
    roles = {f"tls_{role}_cert": str(own.certificate) for role in ("scheduler", "worker", "client")}
    roles |= {f"tls_{role}_key": str(own.key) for role in ("scheduler", "worker", "client")}
    return Security(  # type: ignore[no-untyped-call]  # distributed is typed in parts
        require_encryption=True, tls_ca_file=authority, **roles
    )


class SchedulerThread:
    """The scheduler, in a thread with an event loop of its own.

    :ivar events: what happened, in its order.
    """

    def __init__(self, authority: Authority, offer: Offer, *, listen: str) -> None:
        """Describe the scheduler.

        :param authority: the authority of the run.
        :param offer: the artifacts that workers may read.
        :param listen: the address to listen on, without a port.
        """
        self.events: queue.SimpleQueue[ClusterEvent] = queue.SimpleQueue()
        self.port = 0
        self._security = security_of(str(authority.certificate), authority.issue("scheduler"))
        self._folder = authority.folder
        self._offer = offer
        self._listen = listen
        self._started = threading.Event()
        self._failure = ""
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._client: Client
        self._futures: dict[int, Future[None]] = {}

    @contextmanager
    def running(self) -> Iterator[SchedulerThread]:
        """Run the scheduler for the duration of a ``with`` block.

        :raises HostError: it does not start.
        """
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        dask.config.set({**SETTINGS, "temporary-directory": str(self._folder)})
        thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="scheduler", daemon=True)
        thread.start()
        if not self._started.wait(_START_SECONDS) or self._failure:
            why = self._failure or f"not started within {_START_SECONDS:.0f} s"
            raise HostError("Dask's scheduler does not start", evidence=why, remedy="retry; see docs/how-to/hosts.md")
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(_START_SECONDS)

    def event(self, seconds: float) -> ClusterEvent | None:
        """Return the next event; None if there is none in time.

        :param seconds: how long to wait.
        """
        try:
            return self.events.get(timeout=seconds)
        except queue.Empty:
            return None

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with (
                Scheduler(
                    host=self._listen,
                    port=0,
                    protocol="tls",
                    dashboard=False,
                    dashboard_address=None,
                    plugins=[_Watch(self.events)],
                    security=self._security,
                ) as scheduler,
                Client(  # type: ignore[no-untyped-call]  # distributed is typed in parts
                    scheduler.address, asynchronous=True, set_as_default=False, security=self._security
                ) as client,
            ):
                scheduler.handlers[FETCH] = self._fetch
                self.port, self._client = scheduler.port, client
                self._started.set()
                await self._stop.wait()
        except (OSError, RuntimeError, ValueError) as error:
            self._failure = f"{type(error).__name__}: {error}"
            self._started.set()

    async def _fetch(self, digest: str, offset: int) -> bytes:
        return await asyncio.to_thread(self._offer.read, digest, offset)

    def submit(self, address: str, number: int, request: bytes) -> None:
        """Give a worker a batch; its messages follow as events.

        :param address: the address of the worker.
        :param number: the number of the batch, different for each one of the run.
        :param request: the batch as JSON.
        """

        def begin() -> None:
            self._futures[number] = self._client.submit(
                run_batch, request, key=f"batch-{number}", workers=[address], allow_other_workers=False, pure=False
            )

        self._loop.call_soon_threadsafe(begin)

    def forget(self, number: int) -> None:
        """Forget a batch that has ended, or whose worker is lost.

        :param number: its number.
        """

        def release() -> None:
            if (future := self._futures.pop(number, None)) is not None:
                future.release()  # type: ignore[no-untyped-call]  # distributed is typed in parts

        self._loop.call_soon_threadsafe(release)
