# SPDX-License-Identifier: GPL-2.0-only
"""Run one round in a process of its own, which can be ended at any moment.

The process is started ahead of its request, so that its imports are done when an edit comes.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from harness.base import process
from harness.base.deadline import Deadline
from harness.report.display.events import RunEvent
from harness.watch.wire import Request, dump_request, load_event

_CANCEL_SECONDS = 10.0
_CHUNK = 1 << 16


class Round:
    """A process that runs one round.

    :param child: the process; its standard input takes the request, its output are events, its errors are text.
    """

    def __init__(self, child: process.Child) -> None:
        self._child = child
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        self._stdin: IO[bytes] = child.stdin
        self.output: IO[bytes] = child.stdout
        self.errors: IO[bytes] = child.stderr
        self._rest = b""
        self._complaint = bytearray()
        self._open = {self.output, self.errors}
        for pipe in self._open:
            os.set_blocking(pipe.fileno(), False)

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._child.pid

    @property
    def complaint(self) -> str:
        """Return the text that the process wrote to standard error."""
        return self._complaint.decode(errors="replace").strip()

    def begin(self, request: Request) -> None:
        """Send the request, once."""
        with contextlib.suppress(BrokenPipeError):  # it has ended; its status says why
            self._stdin.write(dump_request(request).encode())
            self._stdin.flush()

    def read(self) -> Iterator[RunEvent]:
        """Yield the events that have arrived, without waiting."""
        for pipe in tuple(self._open):
            if (data := _read(pipe)) is None:
                continue
            if not data:
                self._open.discard(pipe)
            elif pipe is self.errors:
                self._complaint += data
            else:
                *lines, self._rest = (self._rest + data).split(b"\n")
                yield from (load_event(line.decode()) for line in lines)

    @property
    def pipes(self) -> frozenset[IO[bytes]]:
        """Return the pipes that may have more to read; none when the round is over."""
        return frozenset(self._open)

    def status(self) -> int:
        """Wait for the end of the process, which has closed its pipes, and return its exit status."""
        return self._child.wait()

    def cancel(self) -> None:
        """End the process and all that it started, and wait for that; what it still writes is dropped."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
        deadline = Deadline.after(_CANCEL_SECONDS)
        with selectors.DefaultSelector() as selector:
            for pipe in self._open:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map() and not deadline.is_past:
                for key, _ in selector.select(deadline.seconds_left):
                    if _read(key.fileobj) == b"":  # type: ignore[arg-type]  # registered above
                        selector.unregister(key.fileobj)
        process.end(self._child)


def _read(pipe: IO[bytes]) -> bytes | None:
    """Return bytes of a pipe; empty at its end, None when there are none yet."""
    try:
        return os.read(pipe.fileno(), _CHUNK)
    except BlockingIOError:
        return None


@contextlib.contextmanager
def started_round(arguments: Sequence[str], *, width: int, folder: Path) -> Iterator[Round]:
    """Start the process of a round; it ends with the block at the latest.

    :param arguments: the arguments of ``harness run``.
    :param width: columns of the terminal.
    :param folder: the folder to start it in.
    """
    words = [*process.python("harness"), "run", "--watched", *arguments]
    within = process.Surroundings(cwd=folder, env={**os.environ, "COLUMNS": str(width)})
    pipe = process.PIPE
    with process.start(words, stdin=pipe, stdout=pipe, stderr=pipe, within=within) as child:
        yield Round(child)
