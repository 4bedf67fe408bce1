# SPDX-License-Identifier: GPL-2.0-only
"""Run Dask's scheduler in a process of its own, in bubblewrap, and speak with it.

Who controls a worker can run code in the scheduler: Dask unpickles the messages of its peers. So the scheduler sees
programs, libraries and its own certificate, and neither HOME nor the other keys of the run. What it sends is checked.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import harness
from harness.base import process
from harness.base.errors import HarnessError, HostError
from harness.base.json_records import dump_value
from harness.hosts.artifacts import Intake, Offer
from harness.hosts.certificates import Authority
from harness.hosts.frames import FrameKind, HubFrame, HubSettings, frames, write_frame
from harness.kernel.sandbox.enclosure import ENVIRONMENT, Seen, enclosing_arguments

_START_SECONDS = 300.0
"""On a host with forty runnable processes the imports of Dask alone took more than a minute."""
_END_SECONDS = 5.0
_SCRATCH = "/tmp"
_PACKAGE = Path(harness.__file__).parent


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


@dataclass(frozen=True, slots=True)
class SchedulerLost:
    """The scheduler has ended.

    :param why: the last lines that it printed.
    """

    why: str


ClusterEvent = WorkerJoined | WorkerLeft | Received | HostLost | SchedulerLost

_MOST_PACKERS = 2
"""The number of sources that are packed for hosts at the same time."""


class EventStream:
    """The events of a cluster, for each of its listeners: the round of cases that runs, and builds beside it.

    :ivar workers: the name of each live worker, by its address.
    """

    def __init__(self) -> None:
        self.workers: dict[str, str] = {}
        self._queues: list[queue.SimpleQueue[ClusterEvent]] = [queue.SimpleQueue()]
        self._lock = threading.Lock()
        self._end: SchedulerLost | None = None

    def put(self, event: ClusterEvent) -> None:
        """Give an event to each listener.

        :param event: the event.
        """
        with self._lock:
            match event:
                case WorkerJoined(worker, address):
                    self.workers = {**self.workers, address: worker}
                case WorkerLeft(address):
                    self.workers = {at: name for at, name in self.workers.items() if at != address}
                case SchedulerLost():
                    self._end = event
            for one in self._queues:
                one.put(event)

    def get(self, timeout: float) -> ClusterEvent:
        """Return the next event of the first listener, the round.

        :param timeout: how long to wait, in seconds.
        :raises queue.Empty: there is none in time.
        """
        return self._queues[0].get(timeout=timeout)

    @contextmanager
    def listening(self) -> Iterator[queue.SimpleQueue[ClusterEvent]]:
        """Return a queue that receives the events of a ``with`` block."""
        own: queue.SimpleQueue[ClusterEvent] = queue.SimpleQueue()
        with self._lock:
            self._queues.append(own)
            if self._end is not None:
                own.put(self._end)
        try:
            yield own
        finally:
            with self._lock:
                self._queues.remove(own)


class SchedulerProcess:
    """The scheduler, in a process of its own.

    :ivar events: what happened, in its order.
    :ivar intake: receives the files that hosts send.
    :ivar port: the port that it listens on.
    """

    module = "harness.hosts.hub"
    """The module of the process."""

    def __init__(self, authority: Authority, offer: Offer, *, listen: str, bubblewrap: Path | None) -> None:
        """Describe the scheduler.

        :param authority: the authority of the run.
        :param offer: the artifacts that workers may read.
        :param listen: the address to listen on, without a port.
        :param bubblewrap: bwrap(1), which it runs in; None to run it without.
        """
        self.events = EventStream()
        self.intake = Intake(authority.folder)
        self._packers = ThreadPoolExecutor(_MOST_PACKERS, thread_name_prefix="pack")
        self.port = 0
        self._authority = authority
        self._offer = offer
        self._listen = listen
        self._bubblewrap = bubblewrap
        self._child: process.Child
        self._log = authority.folder / "scheduler.log"
        self._started = threading.Event()
        self._lock = threading.Lock()
        self._is_over = False

    @property
    def pid(self) -> int:
        """Return the id of the process, or of the bubblewrap that it runs in."""
        return self._child.pid

    @contextmanager
    def running(self) -> Iterator[SchedulerProcess]:
        """Run the scheduler for the duration of a ``with`` block.

        :raises HostError: it does not start.
        """
        certificates = self.certificates()
        with ExitStack() as ends:
            log = ends.enter_context(self._log.open("wb")).fileno()
            words, within = self._command(certificates)
            self._child = ends.enter_context(
                process.start(words, stdin=process.PIPE, stdout=process.PIPE, stderr=log, within=within)
            )
            scratch = _SCRATCH if self._bubblewrap is not None else str(self._authority.folder)
            settings = self.settings(certificates, scratch)
            assert self._child.stdin is not None
            with contextlib.suppress(OSError):
                self._child.stdin.write(dump_value(settings, indent=None).encode())
                self._child.stdin.flush()
            threading.Thread(target=self._read, name="scheduler", daemon=True).start()
            if not self._started.wait(_START_SECONDS) or not self.port:
                why = self._last_words() or f"not started within {_START_SECONDS:.0f} s"
                raise self.start_error(why)
            try:
                yield self
            finally:
                self._is_over = True
                self._packers.shutdown(wait=False, cancel_futures=True)
                assert self._child.stdin is not None
                with self._lock, contextlib.suppress(OSError):
                    self._child.stdin.close()
                with contextlib.suppress(process.Expired):
                    self._child.wait(_END_SECONDS)

    def certificates(self) -> tuple[Path, ...]:
        """Return the files of the authority's certificate, the scheduler's own one, and its key."""
        own = self._authority.issue("scheduler")
        return self._authority.certificate, own.certificate, own.key

    def settings(self, certificates: Sequence[Path], scratch: str) -> HubSettings:
        """Return the settings of the process.

        :param certificates: the files of :meth:`certificates`.
        :param scratch: folder for temporary files.
        """
        authority, certificate, key = map(str, certificates)
        return HubSettings(self._listen, authority, certificate, key, scratch)

    def start_error(self, why: str) -> HostError:
        """Return the error of a process that does not start.

        :param why: the last lines that it printed.
        """
        return HostError("Dask's scheduler does not start", evidence=why, remedy="check the extra 'cluster'")

    def _command(self, certificates: Sequence[Path]) -> tuple[list[str], process.Surroundings]:
        """Return the command line of the process, and its surroundings."""
        words = process.python(self.module)
        if self._bubblewrap is None:
            return words, process.INHERITED
        packages = [Path(one) for one in sys.path if Path(one).name in ("site-packages", "dist-packages")]
        settings = Path(sys.prefix, "pyvenv.cfg")
        files = [*certificates, _PACKAGE, *packages, settings]
        seen = Seen(
            Path(sys.executable),
            readable=[one for one in files if one.exists()],
            has_network=True,
            has_proc=True,
        )
        variables = {"HOME": _SCRATCH, "PYTHONPATH": os.pathsep.join(map(str, (_PACKAGE.parent, *packages)))}
        within = process.Surroundings(env={**ENVIRONMENT, **variables})
        return [*enclosing_arguments(self._bubblewrap, seen), *words], within

    def event(self, seconds: float) -> ClusterEvent | None:
        """Return the next event; None if there is none in time.

        :param seconds: how long to wait.
        """
        try:
            return self.events.get(timeout=seconds)
        except queue.Empty:
            return None

    def submit(self, address: str, number: int, request: bytes) -> None:
        """Give a worker a batch; its messages follow as events.

        :param address: the address of the worker.
        :param number: the number of the batch, different for each one of the run.
        :param request: the batch as JSON.
        """
        self._send(HubFrame(FrameKind.SUBMIT, address=address, number=number), request)

    def submit_build(self, address: str, number: int, request: bytes) -> None:
        """Give a worker a build; its messages follow as events.

        :param address: the address of the worker.
        :param number: the number of the build, different for each batch and build of the run.
        :param request: the build as JSON.
        """
        self._send(HubFrame(FrameKind.BUILD, address=address, number=number), request)

    def forget(self, number: int) -> None:
        """Forget a batch or build that has ended, or whose worker is lost.

        :param number: its number.
        """
        self._send(HubFrame(FrameKind.FORGET, number=number))

    def _send(self, frame: HubFrame, content: bytes = b"") -> None:
        """Send a frame; a scheduler that has ended is passed over, since an event says so."""
        stream = self._child.stdin
        assert stream is not None
        with self._lock, contextlib.suppress(OSError, ValueError):
            write_frame(stream, frame, content)

    def _read(self) -> None:
        """Read the frames of the scheduler until it ends."""
        stream = self._child.stdout
        assert stream is not None
        why = ""
        try:
            for frame, content in frames(stream):
                self._take(frame, content)
        except HarnessError as error:
            why = error.what
        except (OSError, ValueError):
            pass  # closed at the end of the block
        if not self._is_over:
            self.events.put(SchedulerLost(why or self._last_words()))
        self._started.set()

    def _take(self, frame: HubFrame, content: bytes) -> None:
        if frame.kind is FrameKind.READY:
            self.port = frame.number
            self._started.set()
        elif frame.kind is FrameKind.JOINED:
            self.events.put(WorkerJoined(frame.name, frame.address))
        elif frame.kind is FrameKind.LEFT:
            self.events.put(WorkerLeft(frame.address))
        elif frame.kind is FrameKind.RECEIVED:
            self.events.put(Received(content))
        elif frame.kind is FrameKind.FETCH and self._offer.is_to_be_made(frame.name):
            # To pack a source takes a minute: the messages of all workers would wait.
            with contextlib.suppress(RuntimeError):
                self._packers.submit(self._send_block, frame)
        elif frame.kind is FrameKind.FETCH:
            self._send_block(frame)
        elif frame.kind is FrameKind.PART:
            refusal = self.intake.take(frame.name, frame.offset, content)
            self._send(HubFrame(FrameKind.TAKEN, name=refusal, number=frame.number))

    def _send_block(self, frame: HubFrame) -> None:
        block = self._offer.read(frame.name, frame.offset)
        self._send(HubFrame(FrameKind.BLOCK, number=frame.number), block)

    def _last_words(self) -> str:
        """Return the last lines that the scheduler printed."""
        with contextlib.suppress(OSError):
            return "\n".join(self._log.read_text(errors="replace").strip().splitlines()[-5:])
        return ""
