# SPDX-License-Identifier: GPL-2.0-only
"""Read the output of a program until it ends, and watch its use of resources."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from harness.base.deadline import Deadline
from harness.kernel.sandbox.starvation import Starvation
from harness.kernel.sandbox.usage import Watch

OUTPUT_MEBIBYTES = 64
"""The limit of the output of a build; its log is kept on disk."""
_LINES = 500_000
_LINE_BYTES = 16 * 1024
_READ_BYTES = 64 * 1024
_LONGEST_TICK_SECONDS = 1.0
_GONE_SECONDS = 10.0


@dataclass(slots=True)
class Reading:
    """The output of a program, split into lines as it arrives.

    :param pipe: the end of the pipe to read from; reads do not block.
    :param on_line: called with each line; None for no callback.
    :param lines: the lines so far.
    :param size: bytes read so far.
    :param most_mebibytes: the limit of the output.
    """

    pipe: IO[bytes]
    on_line: Callable[[str], None] | None
    lines: list[str] = field(default_factory=list)
    size: int = 0
    most_mebibytes: int = OUTPUT_MEBIBYTES
    _rest: bytes = b""

    @property
    def is_too_much(self) -> bool:
        """Return whether the output exceeds its limit."""
        return self.size > self.most_mebibytes << 20 or len(self.lines) > _LINES

    def take(self) -> bool:
        """Read the available output; return False at the end of the output."""
        try:
            data = os.read(self.pipe.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        self.size += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) > _LINE_BYTES):
            whole, self._rest = [*whole, self._rest], b""
        for line in whole:
            self._add(line)
        return bool(data)

    def take_rest(self) -> None:
        """Read the rest of the pipe without waiting: processes that outlive the program may hold its other end."""
        while not self.is_too_much and self.take():
            pass
        if self._rest:
            self._add(self._rest)
            self._rest = b""

    def _add(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self.lines.append(text)
        if self.on_line is not None:
            self.on_line(text)


def follow(reading: Reading, watch: Watch, starvation: Starvation, *, deadline: Deadline) -> str:
    """Read until the watched program ends or exceeds a limit; the program is not reaped.

    :param starvation: looks at what runs now and then.
    :return: the limit that it exceeded, as a predicate; empty when it ended.
    :raises HostError: the host itself runs out of disk space or memory.
    """
    began = looked = time.monotonic()
    seconds = deadline.seconds_left
    with selectors.DefaultSelector() as selector, pidfd(watch.pid) as ended:
        selector.register(reading.pipe, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            now = time.monotonic()
            # Early failures are noticed early; watching a long build takes at most 1% of the time.
            tick = min(_LONGEST_TICK_SECONDS, 0.05 + (now - began) / 20)
            ready = [key.fd for key, _ in selector.select(min(tick, deadline.seconds_left))]
            if ended in ready:
                reading.take_rest()
                return ""
            if reading.pipe.fileno() in ready and not reading.take():
                selector.unregister(reading.pipe)
            if reading.is_too_much:
                return f"printed more than {_LINES} lines or {reading.most_mebibytes} MiB"
            if deadline.is_past:
                starvation.look(watch.pids, now_and_then=False)  # the clock may have left out less than it can
            if deadline.is_past:
                return f"ran longer than {seconds:.1f} s"
            if now - looked >= tick:
                looked = now
                if excess := watch.excess():
                    return excess
                starvation.look(watch.pids)


def wait_readable(descriptor: int) -> None:
    """Wait until a descriptor is readable (a pid file descriptor: until its process ended), at most ten seconds."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        selector.select(_GONE_SECONDS)


@contextlib.contextmanager
def pidfd(pid: int) -> Iterator[int]:
    """Open a descriptor of a process, which stays valid when its pid is reused; see pidfd_open(2).

    :raises ProcessLookupError: no such process.
    """
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
