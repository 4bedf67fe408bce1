# SPDX-License-Identifier: GPL-2.0-only
"""The process of Dask's scheduler: it knows which workers live, and carries messages both ways.

    python -m harness.hosts.hub

Dask unpickles the messages of its peers, so a worker can run code in this process. It is therefore not the process of
the harness, which speaks with it in frames of JSON and bytes, over pipes, and runs in bubblewrap: see ``scheduler.py``.

Every connection is made by a worker, so a host needs to reach one address of the submitting host, which ssh(1)
forwards. Nothing connects to a worker: results are messages of the worker's own stream to the scheduler, and no result
of a task is gathered.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import ssl
import sys
import threading
from typing import Any

import dask
from distributed import Client, Future, Scheduler, SchedulerPlugin
from distributed.security import Security

from harness.base.json_records import from_table, parse_json
from harness.hosts.frames import FrameKind, HubFrame, HubSettings, frames, write_frame
from harness.hosts.task import run_batch, run_build
from harness.hosts.wire import FETCH, SEND, TOPIC

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python's ssl does not name."""
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


class _RunSecurity(Security):
    """Settings for TLS without a look at the clock: the clocks of hosts differ, and the authority is for one run."""

    def get_connection_args(self, role: str) -> dict[str, Any]:
        """Return the arguments of a connection."""
        return _timeless(super().get_connection_args(role))  # type: ignore[no-untyped-call]  # typed in parts

    def get_listen_args(self, role: str) -> dict[str, Any]:
        """Return the arguments of a listener."""
        return _timeless(super().get_listen_args(role))  # type: ignore[no-untyped-call]  # typed in parts


def _timeless(arguments: dict[str, Any]) -> dict[str, Any]:
    arguments["ssl_context"].verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    return arguments


def security_of(authority: str, certificate: str, key: str) -> Security:
    """Return Dask's settings for TLS: both ends need a certificate of the run.

    :param authority: path of the authority's certificate.
    :param certificate: path of the certificate of this process.
    :param key: path of its key.
    """
    roles = {f"tls_{role}_cert": certificate for role in ("scheduler", "worker", "client")}
    roles |= {f"tls_{role}_key": key for role in ("scheduler", "worker", "client")}
    return _RunSecurity(  # type: ignore[no-untyped-call]  # distributed is typed in parts
        require_encryption=True, tls_ca_file=authority, **roles
    )


class _Watch(SchedulerPlugin):
    """Plug-in of the scheduler that sends its events to the harness."""

    def __init__(self, hub: _Hub) -> None:
        self._hub = hub

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        self._hub.send(HubFrame(FrameKind.JOINED, name=str(scheduler.workers[worker].name), address=worker))

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        self._hub.send(HubFrame(FrameKind.LEFT, address=worker))

    def log_event(self, topic: str, msg: object) -> None:
        if topic == TOPIC:
            self._hub.send(HubFrame(FrameKind.RECEIVED), msg if isinstance(msg, bytes) else b"")


class _Hub:
    """The scheduler, its client, and the pipes to the harness."""

    def __init__(self, settings: HubSettings) -> None:
        self._settings = settings
        self._output = os.fdopen(os.dup(1), "wb")
        self._numbers = itertools.count(1)
        self._blocks: dict[int, asyncio.Future[bytes]] = {}
        self._parts: dict[int, asyncio.Future[str]] = {}
        self._futures: dict[int, Future[None]] = {}
        self._lock = threading.Lock()

    def send(self, frame: HubFrame, content: bytes = b"") -> None:
        """Send a frame to the harness."""
        with self._lock:
            write_frame(self._output, frame, content)

    async def serve(self) -> None:
        """Serve until standard input ends."""
        one = self._settings
        security = security_of(one.authority, one.certificate, one.key)
        async with (
            Scheduler(
                host=one.listen,
                port=0,
                protocol="tls",
                dashboard=False,
                dashboard_address=None,
                plugins=[_Watch(self)],
                security=security,
            ) as scheduler,
            Client(  # type: ignore[no-untyped-call]  # distributed is typed in parts
                scheduler.address, asynchronous=True, set_as_default=False, security=security
            ) as client,
        ):
            scheduler.handlers[FETCH] = self._fetch
            scheduler.handlers[SEND] = self._take_part
            self._client, loop = client, asyncio.get_running_loop()
            self.send(HubFrame(FrameKind.READY, number=scheduler.port))
            over = asyncio.Event()
            threading.Thread(target=self._obey, args=(loop, over), daemon=True).start()
            await over.wait()
            # Nothing is to be tidied up: the harness waits for the end of this process only.
            os._exit(0)

    def _obey(self, loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
        """Read the frames of the harness, always: it must never wait for this process."""
        for frame, content in frames(sys.stdin.buffer):
            loop.call_soon_threadsafe(self._take, frame, content)
        loop.call_soon_threadsafe(over.set)

    def _take(self, frame: HubFrame, content: bytes) -> None:
        if frame.kind in (FrameKind.SUBMIT, FrameKind.BUILD):
            self._futures[frame.number] = self._client.submit(
                run_batch if frame.kind is FrameKind.SUBMIT else run_build,
                content,
                key=f"batch-{frame.number}",
                workers=[frame.address],
                allow_other_workers=False,
                pure=False,
            )
        elif frame.kind is FrameKind.FORGET:
            if (future := self._futures.pop(frame.number, None)) is not None:
                future.release()  # type: ignore[no-untyped-call]  # distributed is typed in parts
        elif frame.kind is FrameKind.BLOCK and (block := self._blocks.pop(frame.number, None)) is not None:
            block.set_result(content)
        elif frame.kind is FrameKind.TAKEN and (part := self._parts.pop(frame.number, None)) is not None:
            part.set_result(frame.name)

    async def _fetch(self, digest: str, offset: int) -> bytes:
        """Ask the harness for a part of an artifact."""
        number = next(self._numbers)
        self._blocks[number] = asyncio.get_running_loop().create_future()
        self.send(HubFrame(FrameKind.FETCH, name=str(digest), number=number, offset=int(offset)))
        return await self._blocks[number]

    async def _take_part(self, name: str, offset: int, content: bytes) -> str:
        """Send the harness a part of a file that a host has made; return why it was refused, or nothing."""
        number = next(self._numbers)
        self._parts[number] = asyncio.get_running_loop().create_future()
        self.send(HubFrame(FrameKind.PART, name=str(name), number=number, offset=int(offset)), bytes(content))
        return await self._parts[number]


def main() -> None:
    """Run the scheduler."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    text = sys.stdin.buffer.readline().decode()
    if not text:
        return
    settings = from_table(HubSettings, parse_json(text, "the settings"), name="settings", source="the settings")
    dask.config.set({**SETTINGS, "temporary-directory": settings.scratch})
    hub = _Hub(settings)
    # Whatever is printed must not get between the frames.
    os.dup2(2, 1)
    asyncio.run(hub.serve())


if __name__ == "__main__":
    main()
