# SPDX-License-Identifier: GPL-2.0-only
"""Be the process of one round: wait for its request, and send its events to the process that watches."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from types import TracebackType
from typing import Self, TextIO

from harness.report.display.events import RunEvent
from harness.watch.wire import Request, dump_event, load_request

_IMPORTED_AHEAD = (
    "harness.run.several_kernels",
    "harness.guest.emulator",
    "harness.guest.image",
    "harness.kernel.from_source",
    "harness.kernel.build.build",
    "psutil",
    "filelock",
)
"""What a round of a kernel tree imports while it runs; imported before its request comes, as nobody waits then."""


def await_request() -> Request | None:
    """Wait for the request on standard input; None if the process that watches has ended."""
    for name in _IMPORTED_AHEAD:
        importlib.import_module(name)
    line = sys.stdin.readline()
    return load_request(line) if line else None


class EventWriter:
    """A :class:`~harness.report.display.plain.RunDisplay` that sends each event to another process.

    :param stream: the pipe.
    :param width: columns of the other process's terminal.
    """

    def __init__(self, stream: TextIO, *, width: int) -> None:
        self._stream = stream
        self._width = width
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, event: RunEvent) -> None:
        """Send one event.

        :param event: the event.
        """
        text = dump_event(event, width=self._width)
        # The receiver of a canceled round no longer reads.
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._stream.write(text)
            self._stream.flush()
