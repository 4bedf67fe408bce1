# SPDX-License-Identifier: GPL-2.0-only
"""Make folders for files that a process needs while it runs; remove those that killed processes left.

Each folder is locked (flock(2)) until its process ends, however it ends. The next process that makes a folder of the
same purpose removes those of this user without a lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_RANDOM_CHARACTERS = 8
"""At the end of the names that the module tempfile makes."""
_FRESH_SECONDS = 60.0
"""A folder without a lock that is younger may belong to a process that is about to lock it."""


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that this user may remove of it."""
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def scratch_folder(purpose: str, *, remove: Callable[[Path], None] = remove_tree) -> Iterator[Path]:
    """Make a folder that is removed at the end of the block, or, if this process is killed, by a later one.

    :param purpose: a word for its name.
    :param remove: what removes it, and those that killed processes left: some programs make files of other users in it.
    """
    # A dot: the folders of versions that lock none end with "-" and some characters.
    prefix = f"harness-{purpose}."
    _remove_left(Path(tempfile.gettempdir()), prefix, remove)
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Where the file system has no locks, nothing is removed: to try fails then as well.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Path(name)
        finally:
            remove(Path(name))
            os.close(descriptor)


def _remove_left(root: Path, prefix: str, remove: Callable[[Path], None]) -> None:
    """Remove the folders that killed processes of this user left."""
    old = time.time() - _FRESH_SECONDS
    with os.scandir(root) as entries:
        for entry in entries:
            if not entry.name.startswith(prefix) or len(entry.name) != len(prefix) + _RANDOM_CHARACTERS:
                continue
            with contextlib.suppress(OSError):
                state = entry.stat(follow_symlinks=False)
                if state.st_uid == os.geteuid() and state.st_mtime < old:
                    _remove_unlocked(Path(entry.path), remove)


def _remove_unlocked(path: Path, remove: Callable[[Path], None]) -> None:
    """Remove a folder, unless a process has locked it.

    :raises OSError: it is locked, a link, or gone.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove(path)
    finally:
        os.close(descriptor)
