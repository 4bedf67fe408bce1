# SPDX-License-Identifier: GPL-2.0-only
"""Receive the changes of a folder from the kernel, inotify(7), in groups; wraps watchfiles."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import watchfiles

from harness.base.errors import HostError

QUIET_MILLISECONDS = 150
"""A group of changes ends when nothing has changed for this long: an editor writes a file in several steps."""
_LONGEST_MILLISECONDS = 3000


class Changes:
    """Changes of a folder and the folders below it, received in a thread.

    :param folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._groups: queue.SimpleQueue[frozenset[str] | Exception] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._read, self._write = os.pipe()
        self._thread = threading.Thread(target=self._receive, name="changes", daemon=True)

    def fileno(self) -> int:
        """Return a descriptor that is readable when changes have arrived."""
        return self._read

    def take(self) -> frozenset[str]:
        """Return the paths in the folder that have changed since the last call.

        :raises HostError: the kernel no longer reports changes.
        """
        changed: set[str] = set()
        os.read(self._read, 4096)
        with contextlib.suppress(queue.Empty):
            while True:
                group = self._groups.get_nowait()
                if isinstance(group, Exception):
                    raise _no_watch(self._folder, group) from None
                changed |= group
        return frozenset(changed)

    def _start(self) -> None:
        self._thread.start()

    def _stop(self) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._read)
        os.close(self._write)

    def _receive(self) -> None:
        try:
            for group in watchfiles.watch(
                self._folder,
                watch_filter=None,
                debounce=_LONGEST_MILLISECONDS,
                step=QUIET_MILLISECONDS,
                rust_timeout=1000,
                stop_event=self._ended,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                self._groups.put(frozenset(self._inside(path) for _, path in group))
                os.write(self._write, b".")
        except (OSError, RuntimeError) as error:
            self._groups.put(error)
            os.write(self._write, b".")

    def _inside(self, path: str) -> str:
        return os.path.relpath(path, self._folder)


@contextlib.contextmanager
def received_changes(folder: Path) -> Iterator[Changes]:
    """Receive the changes of a folder for the length of a ``with`` block.

    :param folder: the folder, without symbolic links in its path.
    """
    changes = Changes(folder)
    changes._start()
    try:
        yield changes
    finally:
        changes._stop()


def _no_watch(folder: Path, error: Exception) -> HostError:
    """Return the error for a folder whose changes the kernel does not report."""
    return HostError(
        f"changes of {folder} cannot be watched",
        evidence=str(error),
        remedy="with 'OS file watch limit reached': sudo sysctl fs.inotify.max_user_watches=524288",
    )
