# SPDX-License-Identifier: GPL-2.0-only
"""Run a batch or a build in a worker: start a process for it, and pass its messages on to the submitting host.

pytest and make run in a process of their own: the worker stays able to answer, and a batch can be ended. The process
and its machines end with the worker, even under kill -9.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from distributed import Worker, get_worker

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError
from harness.base.json_records import dump_value, from_table, parse_json
from harness.base.store import Store
from harness.hosts.artifacts import ReadBlock, fetch, fetch_bytes, fetch_to
from harness.hosts.local_batch import LocalBatch, LocalBuild, frames
from harness.hosts.wire import (
    BLOCK_BYTES,
    FETCH,
    SEND,
    TOPIC,
    BatchRequest,
    BuildRequest,
    Job,
    Message,
    MessageKind,
    dump_message,
    load_message,
)

BUILD_MODULE = "harness.hosts.builds.build_process"
_FETCH_SECONDS = 600.0
_BLOCK_SECONDS = 120.0


@dataclass
class _Running:
    """The batch or build that this worker runs."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    number: int = 0
    child: process.Child | None = None
    aborted: set[int] = field(default_factory=set)
    jobs: dict[str, Job] = field(default_factory=dict)
    trusts: bool = False


_RUNNING = _Running()


def trust() -> None:
    """Let QEMU run without bubblewrap in this worker where bubblewrap does not work."""
    _RUNNING.trusts = True


def abort(number: int) -> None:
    """End a batch or a build, whether it runs or is still to come.

    :param number: its number.
    """
    with _RUNNING.lock:
        _RUNNING.aborted.add(number)
        if _RUNNING.number == number and _RUNNING.child is not None:
            _RUNNING.child.kill()


def run_batch(data: bytes) -> None:
    """Run a batch; Dask calls this in a thread of the worker.

    :param data: the :class:`BatchRequest` as JSON.
    """
    worker = get_worker()
    request = from_table(BatchRequest, parse_json(data.decode(), "the batch"), name="batch", source="the batch")

    def run() -> str:
        text = dump_value(_with_files(worker, request), indent=None)
        return _run_process(worker, request.number, "harness.hosts.batch", text, MessageKind.BATCH_ENDED)

    _run_reported(worker, request.number, run)


def run_build(data: bytes) -> None:
    """Build a kernel; Dask calls this in a thread of the worker.

    :param data: the :class:`BuildRequest` as JSON.
    """
    worker = get_worker()
    request = from_table(BuildRequest, parse_json(data.decode(), "the build"), name="build", source="the build")

    def run() -> str:
        job = fetch_bytes(request.job, _block_reader(worker)).decode()
        local = LocalBuild(request.number, job, trusts=_RUNNING.trusts)
        text = dump_value(local, indent=None)
        return _run_process(worker, request.number, BUILD_MODULE, text, MessageKind.BUILD_ENDED)

    _run_reported(worker, request.number, run)


def _run_reported(worker: Worker, number: int, run: Callable[[], str]) -> None:
    """Run a batch or a build, and send why it has ended without its last message."""
    try:
        problem = run()
    except HarnessError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        worker.log_event(TOPIC, dump_message(Message(MessageKind.BATCH_ENDED, number, problem=problem)))


def _run_process(worker: Worker, number: int, module: str, text: str, last: MessageKind) -> str:
    """Run the process of a batch or a build; return the reason if it did not send the last message.

    :param module: the module of the process; its argument is a folder of its own.
    :param text: its first line of standard input; the answers to its questions follow.
    :param last: the kind of its last message.
    """
    folder = Path(worker.local_directory)
    with tempfile.TemporaryDirectory(prefix="batch-", dir=folder) as own, (Path(own) / "errors").open("w+b") as errors:
        words = process.python(module, own)
        with process.start(words, stdin=process.PIPE, stdout=process.PIPE, stderr=errors.fileno()) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            with _RUNNING.lock:
                if number in _RUNNING.aborted:
                    return "the batch was ended"
                _RUNNING.number, _RUNNING.child = number, child
            has_ended = False
            try:
                child.stdin.write(text.encode())
                child.stdin.flush()
                for data in frames(child.stdout):
                    message, _ = load_message(data)
                    if message.kind in (MessageKind.NEED, MessageKind.GIVE):
                        child.stdin.write(f"{_answer(worker, message, Path(own))}\n".encode())
                        child.stdin.flush()
                        continue
                    has_ended = has_ended or message.kind is last
                    worker.log_event(TOPIC, data)
            except BrokenPipeError:
                pass
            finally:
                with _RUNNING.lock:
                    _RUNNING.child = None
            status = child.wait()
        if has_ended:
            return ""
        errors.seek(0)
        said = errors.read()[-2000:].decode(errors="replace")
        return f"the process of the batch ended with status {status}\n{said}".strip()


def _answer(worker: Worker, message: Message, own: Path) -> str:
    """Fetch the artifact that a build needs, and return its path; or send the file that it has made.

    :raises HarnessError: the submitting host refused it, or what arrived is damaged.
    """
    if message.kind is MessageKind.NEED:
        file = own / "fetched"
        fetch_to(file, message.case, _block_reader(worker))
        return str(file)
    loop: asyncio.AbstractEventLoop = worker.loop.asyncio_loop  # type: ignore[attr-defined]  # tornado's
    with Path(message.detail).open("rb") as file_to_send:
        while True:
            offset, block = file_to_send.tell(), file_to_send.read(BLOCK_BYTES)
            if not block and offset:
                return ""
            asked = getattr(worker.scheduler, SEND)(name=message.case, offset=offset, content=block)
            if refusal := asyncio.run_coroutine_threadsafe(asked, loop).result(_BLOCK_SECONDS):
                raise HostError("what was built here cannot be sent", evidence=str(refusal), remedy="run again")


def _block_reader(worker: Worker) -> ReadBlock:
    """Return a function that reads a part of an artifact from the submitting host."""
    loop: asyncio.AbstractEventLoop = worker.loop.asyncio_loop  # type: ignore[attr-defined]  # tornado's

    def read_block(digest: str, offset: int) -> bytes:
        asked = getattr(worker.scheduler, FETCH)(digest=digest, offset=offset)
        # The first part of a source is there when the source was packed.
        seconds = _BLOCK_SECONDS if offset else _FETCH_SECONDS
        block = asyncio.run_coroutine_threadsafe(asked, loop).result(seconds)
        if not isinstance(block, bytes):
            raise HostError("an artifact is not bytes", evidence=f"{block!r:.200}", remedy="update both hosts")
        return block

    return read_block


def _with_files(worker: Worker, request: BatchRequest) -> LocalBatch:
    """Fetch the files of a batch that are missing in the store of this host.

    :raises HarnessError: an artifact cannot be fetched.
    """
    read_block = _block_reader(worker)
    job = _RUNNING.jobs.get(request.job)
    if job is None:
        text = fetch_bytes(request.job, read_block).decode()
        job = _RUNNING.jobs[request.job] = from_table(Job, parse_json(text, "the job"), name="job", source="the job")
    batch = LocalBatch(request, job, trusts=_RUNNING.trusts)
    if job.shares_store:
        return batch
    store, deadline = Store.default(), Deadline.after(_FETCH_SECONDS)
    batch = replace(
        batch,
        image=fetch(store, job.image, read_block, deadline=deadline),
        initramfs=fetch(store, job.initramfs, read_block, deadline=deadline),
    )
    if job.disk:
        batch = replace(batch, disk=fetch(store, job.disk, read_block, deadline=deadline))
    if job.suite_archive:
        batch = replace(batch, suite=fetch(store, job.suite_archive, read_block, deadline=deadline))
    return batch
