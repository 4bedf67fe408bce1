# SPDX-License-Identifier: GPL-2.0-only
"""Control QEMU over QMP, on an open socket; the wrapper of qemu.qmp.

qemu.qmp is asynchronous and the harness is not: a :class:`Monitor` owns an event loop that runs only during a command.
It is created at first use; a case that matches needs it only for the clone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Coroutine
from typing import TypeVar

from qemu.qmp import ExecuteError, QMPClient, QMPError

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError
from harness.guest.qemu import RefusedError

_Answer = TypeVar("_Answer")

# Errors are raised to the caller; the library's own log would repeat them on standard error.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())
logging.getLogger("qemu.qmp").propagate = False


class Monitor:
    """A QMP session.

    :param channel: a connected socket whose other end QEMU holds; closed with the session.
    :param deadline: end of the wait for QEMU's greeting.
    :raises HostError: no greeting in time, or QEMU ended.
    """

    def __init__(self, channel: socket.socket, *, deadline: Deadline) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = QMPClient("harness")
        self._turn(self._client.connect(channel), deadline, "greet")

    def execute(self, command: str, *, deadline: Deadline, **arguments: object) -> object:
        """Execute a command and return its result.

        :param arguments: arguments of the command; ``_`` in a name becomes QMP's ``-``.
        :raises RefusedError: QEMU answered with an error.
        :raises HostError: no answer in time, or QEMU ended.
        """
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        return self._turn(self._client.execute(command, named), deadline, command)

    def pass_file(self, name: str, descriptor: int, *, deadline: Deadline) -> None:
        """Pass an open file to QEMU under a name.

        :raises RefusedError: QEMU answered with an error.
        :raises HostError: no answer in time, or QEMU ended.
        """
        self._client.send_fd_scm(descriptor)
        self.execute("getfd", deadline=deadline, fdname=name)

    def wait_for_migration(self, *, deadline: Deadline) -> None:
        """Wait until the current migration has completed; the migration capability ``events`` must be on.

        :raises RefusedError: the migration failed.
        :raises HostError: the migration did not end in time.
        """
        self._turn(self._migrated(), deadline, "migrate")

    def close(self) -> None:
        """Close the session; QEMU itself keeps running."""
        with contextlib.suppress(QMPError, EOFError, OSError, asyncio.TimeoutError, HarnessError):
            self._turn(self._client.disconnect(), Deadline.after(1.0), "disconnect")
        self._loop.close()

    async def _migrated(self) -> None:
        with self._client.listener("MIGRATION") as listener:
            # The event may have come before the listener was added, so query once and then listen.
            if (status := await self._migration_status()) is None:
                async for event in listener:
                    data = event.get("data")
                    status = str(data["status"]) if isinstance(data, dict) else ""
                    if status in ("completed", "failed"):
                        break
        if status != "completed":
            raise RefusedError("the migration failed")

    async def _migration_status(self) -> str | None:
        answer = await self._client.execute("query-migrate")
        if not isinstance(answer, dict):
            return None
        status = str(answer.get("status", ""))
        if status == "failed":
            raise RefusedError(str(answer.get("error-desc", "the migration failed")))
        return status if status == "completed" else None

    def _turn(self, work: Coroutine[object, object, _Answer], deadline: Deadline, doing: str) -> _Answer:
        seconds = deadline.seconds_left
        limited = asyncio.wait_for(work, None if seconds == float("inf") else seconds)
        try:
            return self._loop.run_until_complete(limited)
        except ExecuteError as error:
            raise RefusedError(str(error), evidence=f"QMP command: {doing}") from None
        except TimeoutError:
            raise HostError(f"QEMU did not answer the QMP command {doing} within {seconds:.1f} s") from None
        except (QMPError, EOFError, OSError) as error:
            raise HostError(f"QEMU closed its QMP channel at the command {doing}", evidence=str(error)) from None
