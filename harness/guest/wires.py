"""The wires of a machine: one socket a serial port, read together.

Whoever waits for one console drains them all, so that no port ever blocks the guest, every byte is in its log file as
it comes, and a panic ends any wait at once. One thread, no polling.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from harness.base.deadline import Deadline
from harness.guest.qemu import KERNEL_LOG
from harness.guest.timestamps import TIMES_NAME, Moments
from harness.kernellog.reader import KernelLog, Splat

_CHUNK_BYTES = 64 * 1024
_KEPT_BYTES = 8 * 1024 * 1024
"""Of a console that nobody reads no more is kept in memory; its log file has everything."""


class Wires:
    """The open ends of a machine's serial ports, by port name.

    :param sockets: connected sockets; closed with the wires.
    :param folder: where ``<port>.log`` is written, and ``wires.times`` at the end.
    """

    def __init__(self, sockets: Mapping[str, socket.socket], *, folder: Path) -> None:
        self.kernel_log = KernelLog()
        self.splats: list[Splat] = []
        """Splats of the kernel log that are complete, in the order in which they came."""
        self.kernel_bytes = 0
        """Bytes of kernel log taken in."""
        self._sockets = dict(sockets)
        self._pending: dict[str, bytearray] = {name: bytearray() for name in sockets}
        self._logs = {
            name: os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            for name in sockets
        }
        self._times = folder / TIMES_NAME
        self._moments = Moments(time.time())
        self._began = time.monotonic()
        self._selector = selectors.EpollSelector()
        for name, wire in self._sockets.items():
            wire.setblocking(False)
            self._selector.register(wire, selectors.EVENT_READ, name)

    def fileno(self) -> int:
        """A descriptor that can be read when something has come on any wire."""
        return self._selector.fileno()

    def is_open(self, name: str) -> bool:
        """Whether the other end of that port is still there."""
        return name in self._sockets

    def pump(self, deadline: Deadline) -> bool:
        """Wait for something on any wire and take it in; False when the deadline came first or all are closed."""
        if not self._sockets:
            return False
        ready = self._select(deadline)
        for key, _ in ready:
            self._take_in(str(key.data))
        return bool(ready)

    def drain(self, deadline: Deadline) -> None:
        """Take in what has come already, without waiting; to the very end where the other end is closed."""
        while self.pump(Deadline.after(0)) and not deadline.is_past:
            pass

    def unread(self, name: str) -> int:
        """How many bytes came on a wire that nobody took yet."""
        return len(self._pending[name])

    def take(self, name: str, size: int) -> bytes:
        """Up to ``size`` bytes of what came on a wire; empty when there is nothing."""
        pending = self._pending[name]
        data = bytes(pending[:size])
        del pending[:size]
        return data

    def send(self, name: str, data: bytes, *, deadline: Deadline) -> None:
        """Send all of ``data``; what was typed stands in the log too, as on a terminal.

        :raises BrokenPipeError: the other end is gone.
        :raises TimeoutError: it took nothing before the deadline.
        """
        if self.is_open(name):
            self._log(name, data, is_typed=True)
        left = memoryview(data)
        while left:
            if not self.is_open(name):
                raise BrokenPipeError(f"the port {name} is closed")
            try:
                left = left[self._sockets[name].send(left) :]
            except BlockingIOError:
                # The guest reads slowly; while it does, what it says must go on flowing.
                self._await_room(name, deadline)

    def close(self) -> None:
        """Close all ends and log files."""
        self.splats += self.kernel_log.close()
        self._selector.close()
        for wire in self._sockets.values():
            wire.close()
        self._sockets.clear()
        for log in self._logs.values():
            os.close(log)
        if self._logs:
            with contextlib.suppress(OSError):  # as for the logs
                self._times.write_text(self._moments.render())
        self._logs.clear()

    def _await_room(self, name: str, deadline: Deadline) -> None:
        """Wait until a port takes more or is closed. :raises TimeoutError: neither before the deadline."""
        wire = self._sockets[name]
        self._selector.modify(wire, selectors.EVENT_READ | selectors.EVENT_WRITE, name)
        try:
            while self.is_open(name) and not self._has_room(name, deadline):
                if deadline.is_past:
                    raise TimeoutError(f"the guest takes no input on {name}")
        finally:
            if self.is_open(name):
                self._selector.modify(wire, selectors.EVENT_READ, name)

    def _has_room(self, name: str, deadline: Deadline) -> bool:
        """Take in what comes until the deadline or until something did; whether that port takes more."""
        has_room = False
        for key, events in self._select(deadline):
            if events & selectors.EVENT_READ:
                self._take_in(str(key.data))
            has_room = has_room or bool(key.data == name and events & selectors.EVENT_WRITE)
        return has_room

    def _select(self, deadline: Deadline) -> list[tuple[selectors.SelectorKey, int]]:
        seconds = deadline.seconds_left
        return self._selector.select(None if seconds == float("inf") else seconds)

    def _take_in(self, name: str) -> None:
        try:
            data = self._sockets[name].recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            wire = self._sockets.pop(name)
            self._selector.unregister(wire)
            wire.close()
            return
        self._log(name, data)
        if name == KERNEL_LOG:
            self.kernel_bytes += len(data)
            self.splats += self.kernel_log.feed(data)
            return
        pending = self._pending[name]
        pending += data
        if len(pending) > _KEPT_BYTES:
            del pending[: len(pending) - _KEPT_BYTES]

    def _log(self, name: str, data: bytes, *, is_typed: bool = False) -> None:
        milliseconds = int((time.monotonic() - self._began) * 1000)
        self._moments.add(name, len(data), milliseconds=milliseconds, is_typed=is_typed)
        # A full disk must not end a case that goes well: the run folder complains when the record is written.
        with contextlib.suppress(OSError):
            os.write(self._logs[name], data)
