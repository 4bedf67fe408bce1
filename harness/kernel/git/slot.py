# SPDX-License-Identifier: GPL-2.0-only
"""Hold the folders of work trees, and look at one while the commit to check out is still being made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.store import Store
from harness.kernel.git.command import GitFiles, git
from harness.kernel.git.meanwhile import Meanwhile
from harness.kernel.git.repository import Repository

if TYPE_CHECKING:
    from filelock import FileLock

KIND = "kernel-worktree"
"""The kind of these folders in the store; each has the folder ``tree`` with the files, and ``git``."""
TIMES = "harness-times"
"""The file in the git folder with what is known about the times of the files, see ``worktree.WorkTree.refresh``."""

_MOST_SLOTS = 64


def is_untouched(slot: Path, *, deadline: Deadline) -> bool:
    """Return whether a work tree has the files of its git index and nothing else.

    An index of another commit than the known one differs from the files, too: a killed run may leave one.

    :raises HostError: git failed.
    """
    arguments = ("ls-files", "-z", "--modified", "--deleted", "--others", "--directory")
    files = GitFiles(slot / "tree", cwd=slot / "tree")
    return git(slot / "git", *arguments, deadline=deadline, files=files).stdout == b""


@contextlib.contextmanager
def held_slot(store: Store, repository: Repository, commit: str) -> Iterator[Path]:
    """Hold the folder of a free work tree: one that is at the commit already, else the first free one."""
    kind = f"{KIND}/{repository.key}"
    slots = sorted(range(_MOST_SLOTS), key=lambda number: not _is_at(store.place(kind, str(number)), commit))
    for number in slots:
        lock = store.lock(kind, str(number))
        if not _is_acquired(lock):
            continue
        try:
            yield store.place(kind, str(number))
        finally:
            lock.release()
        return
    raise HostError(
        f"{_MOST_SLOTS} builds of one tree are running already",
        evidence=f"locks in {store.place(kind, '0').parent}",
        remedy="wait for them or stop them, then retry",
    )


def _is_acquired(lock: FileLock) -> bool:
    """Acquire a lock if it is free."""
    from filelock import Timeout

    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _is_at(slot: Path, commit: str) -> bool:
    try:
        return (slot / "git/HEAD").read_text().strip() == commit
    except OSError:
        return False


class EarlyLook:
    """A work tree that is held, and compared with its commit, while the commit to check out is still being made.

    :ivar slot: its folder, once :meth:`begin` found one that is worth it; held until the stack ends.
    """

    def __init__(self, context: Context, stack: contextlib.ExitStack) -> None:
        """Prepare for :meth:`begin`.

        :param stack: lets go of the work tree at its end.
        """
        self.slot: Path | None = None
        self._context = context
        self._stack = stack
        self._look: Meanwhile[bool] | None = None

    def begin(self, repository: Repository) -> None:
        """Hold the work tree that was used last, if it is free and its files are known, and compare it in a thread."""
        if self.slot is not None:
            return
        kind = f"{KIND}/{repository.key}"
        marks = sorted(self._context.store.place(kind, "x").parent.glob(f"*/git/{TIMES}"), key=_time_of)
        if not marks:
            return
        slot = marks[-1].parent.parent
        lock = self._context.store.lock(kind, slot.name)
        if _is_acquired(lock):
            self._stack.callback(lock.release)
            self.slot = slot
            self._look = Meanwhile(lambda: is_untouched(slot, deadline=self._context.deadline))

    def is_untouched(self) -> bool:
        """Return whether the folder has exactly the files of its commit."""
        if self._look is None:
            return False
        try:
            return self._look.result()
        except HostError:
            return False


def _time_of(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime_ns
    return 0
