# SPDX-License-Identifier: GPL-2.0-only
"""Plug-ins that a run loads into the scheduler and the workers of a Dask cluster that others have started.

In a cluster of its own, a run reads events and answers requests for artifacts in the scheduler's process. Here it is a
client among others: the scheduler's plug-in passes both on to the client. They are pickled by reference, so the harness
must be installed wherever Dask runs; the versions are compared.
"""

from __future__ import annotations

import asyncio
import itertools
from importlib.metadata import version
from typing import Any

from distributed import Scheduler, SchedulerPlugin, Worker, WorkerPlugin

from harness.hosts import task
from harness.hosts.wire import FETCH

RELAY = "harness-relay"
"""The name of the scheduler's plug-in; the runs on a cluster share it."""
REQUESTS = "harness-requests"
"""The topic of the requests for artifacts: their number, digest and offset."""
WORKERS = "harness-workers"
"""The topic of the addresses of workers that have come or gone."""
ANSWER = "harness_answer"
"""The name of the scheduler's handler that takes a part of an artifact from a client."""
_PACKAGE = "kernel-patch-harness"
_BATCH = "batch-"
_FETCH_SECONDS = 100.0


def own_version() -> str:
    """Return the version of the harness."""
    return version(_PACKAGE)


def _check_version(wanted: str, where: str) -> None:
    """Check the version of the harness where this runs.

    :raises RuntimeError: it is another one.
    """
    if own_version() != wanted:
        raise RuntimeError(f"{where} has version {own_version()} of the harness, this run {wanted}")


class Relay(SchedulerPlugin):
    """Plug-in of the scheduler: passes requests of workers on to the clients, and the answer of one of them back."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._owners: dict[str, str] = {}
        self._asked: dict[int, tuple[str, int]] = {}

    async def start(self, scheduler: Scheduler) -> None:
        """Add the handlers."""
        _check_version(self._wanted, "the scheduler")
        self._scheduler = scheduler
        scheduler.handlers[FETCH] = self._fetch
        scheduler.handlers[ANSWER] = self._take

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Tell the clients of a worker that has come."""
        scheduler.log_event(WORKERS, worker)

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        """Tell the clients of a worker that is lost."""
        scheduler.log_event(WORKERS, worker)

    async def _fetch(self, digest: str, offset: int) -> bytes:
        """Ask the clients for a part of an artifact: the one that offers it has a first part that is not empty."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._asked[number] = (digest, offset)
        try:
            self._scheduler.log_event(REQUESTS, (number, digest, offset))
            return await asyncio.wait_for(self._waiting[number], _FETCH_SECONDS)
        finally:
            del self._waiting[number], self._asked[number]

    async def _take(self, number: int, client: str, content: bytes) -> None:
        waiting = self._waiting.get(number)
        if waiting is None or waiting.done():
            return
        digest, offset = self._asked[number]
        if offset == 0 and content:
            self._owners[digest] = client
        if self._owners.get(digest) == client and (content or offset):
            waiting.set_result(content)


class RunOnWorker(WorkerPlugin):
    """Plug-in of the workers, one for each run: ends a batch that nobody waits for any more.

    Dask cancels the tasks of a client that has gone, and those that it forgets; their threads run on.
    """

    def __init__(self, wanted: str, *, trusts: bool) -> None:
        self._wanted = wanted
        self._trusts = trusts

    def setup(self, worker: Worker) -> None:
        """Check the version; let QEMU run without bubblewrap if that is wanted."""
        _check_version(self._wanted, f"the worker {worker.name}")
        if self._trusts:
            task.trust()

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """End the process of a batch that was cancelled."""
        number = str(key).removeprefix(_BATCH)
        if finish == "cancelled" and str(key).startswith(_BATCH) and number.isdigit():
            task.abort(int(number))
