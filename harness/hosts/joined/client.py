# SPDX-License-Identifier: GPL-2.0-only
"""The process of a client of a Dask cluster that others have started, in place of a scheduler's: see ``hub.py``.

    python -m harness.hosts.joined.client

It speaks the same frames with the harness, over pipes, and runs in bubblewrap as well: who controls the scheduler can
run code in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from typing import Any

import dask
from distributed import Client, Future
from distributed.security import Security

from harness.base.json_records import from_table, parse_json
from harness.hosts.frames import FrameKind, HubFrame, HubSettings, frames, write_frame
from harness.hosts.hub import SETTINGS
from harness.hosts.joined.relay import ANSWER, RELAY, REQUESTS, WORKERS, Relay, RunOnWorker, own_version
from harness.hosts.task import run_batch
from harness.hosts.wire import TOPIC

_CONNECT_SECONDS = 20
_LOOK_SECONDS = 2.0
_END_SECONDS = 3.0


class _Client:
    """The client, and the pipes to the harness."""

    def __init__(self, settings: HubSettings) -> None:
        self._settings = settings
        self._output = os.fdopen(os.dup(1), "wb")
        self._futures: dict[int, Future[None]] = {}
        self._sent: set[asyncio.Future[None]] = set()
        self._workers: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._lock = threading.Lock()

    def send(self, frame: HubFrame, content: bytes = b"") -> None:
        """Send a frame to the harness."""
        with self._lock:
            write_frame(self._output, frame, content)

    async def serve(self) -> None:
        """Serve until standard input ends, or the scheduler is gone."""
        one = self._settings
        client = Client(  # type: ignore[no-untyped-call]  # distributed is typed in parts
            one.scheduler,
            asynchronous=True,
            set_as_default=False,
            timeout=_CONNECT_SECONDS,
            security=_security(one),
        )
        async with client:
            self._client, loop = client, asyncio.get_running_loop()
            self._scheduler: Any = client.scheduler
            for topic, take in ((TOPIC, self._pass_on), (REQUESTS, self._ask), (WORKERS, self._look)):
                client.subscribe_topic(topic, take)  # type: ignore[no-untyped-call]  # typed in parts
            await client.register_plugin(Relay(own_version()), name=RELAY)
            plugin = RunOnWorker(own_version(), trusts=one.trusts)
            name = f"harness-run-{client.id}"
            await client.register_plugin(plugin, name=name)
            self.send(HubFrame(FrameKind.READY, number=1))
            over = asyncio.Event()
            threading.Thread(target=self._obey, args=(loop, over), daemon=True).start()
            watch = asyncio.create_task(self._watch())
            await asyncio.wait((watch, asyncio.create_task(over.wait())), return_when=asyncio.FIRST_COMPLETED)
            with contextlib.suppress(OSError, TimeoutError):
                ended = client.unregister_worker_plugin(name)  # type: ignore[no-untyped-call]  # typed in parts
                await asyncio.wait_for(ended, _END_SECONDS)
            if watch.done():
                watch.result()
            os._exit(0)

    async def _watch(self) -> None:
        """Tell the harness of workers that come and go; end with the scheduler."""
        while self._client.status == "running":
            self._changed.clear()
            found = (await self._scheduler.identity())["workers"]
            names = {str(address): _name(one) for address, one in found.items()}
            for address in self._workers.keys() - names.keys():
                self.send(HubFrame(FrameKind.LEFT, address=address))
            for address in names.keys() - self._workers.keys():
                self.send(HubFrame(FrameKind.JOINED, name=names[address], address=address))
            self._workers = names
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LOOK_SECONDS)
        raise ConnectionError("the connection to the scheduler has ended")

    def _pass_on(self, event: tuple[float, object]) -> None:
        # Messages of the batches of other runs are dropped by the harness: their numbers are others.
        message = event[1]
        self.send(HubFrame(FrameKind.RECEIVED), message if isinstance(message, bytes) else b"")

    def _look(self, event: tuple[float, object]) -> None:
        self._changed.set()

    def _ask(self, event: tuple[float, Any]) -> None:
        number, digest, offset = event[1]
        self.send(HubFrame(FrameKind.FETCH, name=str(digest), number=int(number), offset=int(offset)))

    def _obey(self, loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
        for frame, content in frames(sys.stdin.buffer):
            loop.call_soon_threadsafe(self._take, frame, content)
        loop.call_soon_threadsafe(over.set)

    def _take(self, frame: HubFrame, content: bytes) -> None:
        if frame.kind is FrameKind.SUBMIT:
            self._futures[frame.number] = self._client.submit(
                run_batch,
                content,
                key=f"batch-{frame.number}",
                workers=[frame.address],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
        elif frame.kind is FrameKind.FORGET:
            if (future := self._futures.pop(frame.number, None)) is not None:
                future.release()  # type: ignore[no-untyped-call]  # distributed is typed in parts
        elif frame.kind is FrameKind.BLOCK:
            answer = getattr(self._scheduler, ANSWER)
            sent = asyncio.ensure_future(answer(number=frame.number, client=self._client.id, content=content))
            self._sent.add(sent)
            sent.add_done_callback(self._sent.discard)


def _security(settings: HubSettings) -> Security | None:
    """Return the settings for TLS; None without."""
    if not settings.scheduler.startswith("tls://"):
        return None
    return Security(  # type: ignore[no-untyped-call]  # distributed is typed in parts
        require_encryption=True,
        tls_ca_file=settings.authority,
        tls_client_cert=settings.certificate,
        tls_client_key=settings.key,
    )


def _name(worker: dict[str, Any]) -> str:
    """Return the name of a worker: ``HOST/NUMBER``."""
    name = str(worker.get("name", "")).replace("/", "-")
    return f"{worker.get('host', '')}/{name}"


def main() -> None:
    """Run the client."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    text = sys.stdin.buffer.readline().decode()
    if not text:
        return
    settings = from_table(HubSettings, parse_json(text, "the settings"), name="settings", source="the settings")
    dask.config.set({**SETTINGS, "temporary-directory": settings.scratch})
    own = _Client(settings)
    # Whatever is printed must not get between the frames.
    os.dup2(2, 1)
    asyncio.run(own.serve())


if __name__ == "__main__":
    main()
