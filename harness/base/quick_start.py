# SPDX-License-Identifier: GPL-2.0-only
"""Start short programs without copying this process, which costs 3 ms of processor time for each program.

A function that runs in the child between fork and exec makes Python copy the process with fork(2) in place of vfork(2).
Neither of the two things that a child needs has to be done there:

- setpriv(1) asks for SIGKILL at the parent's death, then executes the program. The request is relative to the thread
  that starts the child, so one thread starts all of them and lives as long as the process.
- That thread has the filter of ``harness/base/seccomp.py``, which its children inherit; a second thread has none.

Between vfork and setpriv's request, about 1 ms, a child outlives a parent that is killed. A program that ends by itself
may be started this way; QEMU and builds may not.
"""

from __future__ import annotations

import functools
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.base.seccomp import refuse_setting_times

_SETPRIV = "/usr/bin/setpriv"
_ELF_HEADER_BYTES = 20
_MACHINE = slice(18, 20)
"""e_machine in an ELF header, see elf(5)."""


class QuickStart:
    """A program that is being started by another thread, and that can be abandoned at any moment.

    :ivar child: the running program, after :meth:`wait`.
    """

    def __init__(self, argv: Sequence[str], options: Mapping[str, Any], end: Callable[[subprocess.Popen[bytes]], None]):
        """Describe a start.

        :param options: keyword arguments of :class:`subprocess.Popen`, without ``preexec_fn``.
        :param end: kills and reaps a child that was abandoned before it had started.
        """
        self.child: subprocess.Popen[bytes] | None = None
        self._argv = [_SETPRIV, "--pdeathsig", "KILL", "--", *argv]
        self._options = options
        self._end = end
        self._error: OSError | None = None
        self._lock = threading.Lock()
        self._abandoned = False
        self._started = threading.Event()

    def wait(self) -> subprocess.Popen[bytes]:
        """Wait until the program runs.

        :raises OSError: setpriv could not be started.
        """
        self._started.wait()
        if self._error is not None:
            raise self._error
        assert self.child is not None
        return self.child

    def abandon(self) -> None:
        """End the program: now, or as soon as it has started."""
        with self._lock:
            self._abandoned = True
            child = self.child
        if child is not None:
            self._end(child)

    def start(self) -> None:
        """Start the program, in the thread that calls this."""
        try:
            child = subprocess.Popen(self._argv, **self._options)
        except OSError as error:
            self._error = error
        else:
            with self._lock:
                self.child = child
                abandoned = self._abandoned
            if abandoned:
                self._end(child)
        finally:
            self._started.set()


def begin(start: QuickStart, *, may_set_times: bool) -> None:
    """Let the thread for such programs start one, without waiting for it.

    :param may_set_times: False: the program may not set times of files.
    """
    _requests(os.getpid(), may_set_times).put(start)


def can_start(program: str, *, cwd: Path | None, env: Mapping[str, str] | None) -> bool:
    """Return whether a program certainly can be executed here: an ELF file of this machine.

    setpriv reports a failed exec on standard error, where only a person can read it. Scripts are left out as well,
    because their interpreter may be missing.

    :param program: its path, or its name on PATH.
    :param cwd: the folder that it starts in.
    :param env: its environment; None for this process's own.
    """
    if "/" in program:
        path = str((cwd or Path.cwd()) / program)
    else:
        path = shutil.which(program, path=(os.environ if env is None else env).get("PATH", os.defpath)) or ""
    own = _elf_header("/proc/self/exe")
    header = _elf_header(path)
    return (
        os.access(_SETPRIV, os.X_OK)
        and os.access(path, os.X_OK)
        and header[:6] == own[:6] != b""
        and header[_MACHINE] == own[_MACHINE]
    )


def _elf_header(path: str) -> bytes:
    """Return the start of an ELF file; empty for a file of another format, or none."""
    try:
        with Path(path).open("rb", buffering=0) as file:
            header = file.read(_ELF_HEADER_BYTES)
    except OSError:
        return b""
    return header if header.startswith(b"\x7fELF") else b""


@functools.cache
def _requests(process: int, may_set_times: bool) -> queue.SimpleQueue[QuickStart]:
    """Return the queue of a thread that starts programs; a forked process has none of its parent's threads.

    :param process: the process that the thread is in.
    """
    requests: queue.SimpleQueue[QuickStart] = queue.SimpleQueue()
    confine = None if may_set_times else refuse_setting_times()

    def serve() -> None:
        # Programs inherit the signal mask of the thread that starts them.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if confine is not None:
            confine()
        while True:
            requests.get().start()

    threading.Thread(target=serve, name="starts programs", daemon=True).start()
    return requests
