# SPDX-License-Identifier: GPL-2.0-only
"""Read the wires of a machine, one socket for each serial port, together.

A wait for one console reads all of them. So no port ever blocks the guest, every byte is written to its log file as it
comes, and a panic ends any wait at once. There is one thread and no polling.
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
"""Largest unread output of a console that is kept in memory; its log file has everything."""


class Wires:
    """The open ends of a machine's serial ports, by port name.

    :param sockets: connected sockets; closed with the wires.
    :param folder: receives ``<port>.log``, and ``wires.times`` at the end.
    """

    def __init__(self, sockets: Mapping[str, socket.socket], *, folder: Path) -> None:
        self.kernel_log = KernelLog()
        self.splats: list[Splat] = []
        """Complete splats of the kernel log, in the order of their arrival."""
        self.kernel_bytes = 0
        """Number of bytes of kernel log that were read."""
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
        """Return a file descriptor that is readable when any wire has something to read."""
        return self._selector.fileno()

    def is_open(self, name: str) -> bool:
        """Return whether the other end of a port is still open."""
        return name in self._sockets

    def pump(self, deadline: Deadline) -> bool:
        """Wait for output on any wire and read it; return False when the deadline passed or all wires are closed."""
        if not self._sockets:
            return False
        ready = self._select(deadline)
        for key, _ in ready:
            self._take_in(str(key.data))
        return bool(ready)

    def drain(self, deadline: Deadline) -> None:
        """Read the output that has already come, without waiting; a closed wire is read to its end."""
        while self.pump(Deadline.after(0)) and not deadline.is_past:
            pass

    def unread(self, name: str) -> int:
        """Return the number of bytes of a wire that :meth:`take` has not returned yet."""
        return len(self._pending[name])

    def take(self, name: str, size: int) -> bytes:
        """Return up to ``size`` bytes of a wire; empty when there are none."""
        pending = self._pending[name]
        data = bytes(pending[:size])
        del pending[:size]
        return data

    def send(self, name: str, data: bytes, *, deadline: Deadline) -> None:
        """Send all of ``data``; the input is written to the log of the port as well.

        :raises BrokenPipeError: the other end is closed.
        :raises TimeoutError: the guest did not read it before the deadline.
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
                # The guest reads slowly; its output must still be read meanwhile.
                self._await_room(name, deadline)

    def end_splats(self) -> None:
        """Read the output that has come, and end a splat of which no more comes."""
        self.drain(Deadline.after(1.0))
        self.splats += self.kernel_log.close()

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
            with contextlib.suppress(OSError):  # a full disk, as for the logs
                self._times.write_text(self._moments.render())
        self._logs.clear()

    def _await_room(self, name: str, deadline: Deadline) -> None:
        """Wait until a port accepts more bytes or is closed.

        :raises TimeoutError: neither before the deadline.
        """
        wire = self._sockets[name]
        self._selector.modify(wire, selectors.EVENT_READ | selectors.EVENT_WRITE, name)
        try:
            while self.is_open(name) and not self._has_room(name, deadline):
                if deadline.is_past:
                    raise TimeoutError(f"the guest reads no input from {name}")
        finally:
            if self.is_open(name):
                self._selector.modify(wire, selectors.EVENT_READ, name)

    def _has_room(self, name: str, deadline: Deadline) -> bool:
        """Wait for any wire until the deadline, read what came, and return whether the port accepts more bytes."""
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
        # A full disk must not end a case: the error is reported when the record is written to the run folder.
        with contextlib.suppress(OSError):
            os.write(self._logs[name], data)
