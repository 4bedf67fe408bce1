# SPDX-License-Identifier: GPL-2.0-only
"""Check out commits into work trees in the store: each held by a lock, and quick to switch to a similar commit.

The folder holds the kernel's files and no ``.git``: a build must not depend on a repository around it.

make compares modification times, so the harness sets them: ``EPOCH`` for files unchanged since the build that is
continued, the current time for changed ones; see :meth:`WorkTree.refresh`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.base.atomic_write import write_whole
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import Completed
from harness.kernel.git.command import FIXED_TIME, GitFiles, git
from harness.kernel.git.repository import Repository
from harness.kernel.git.slot import KIND as KIND
from harness.kernel.git.slot import TIMES, EarlyLook, held_slot, is_untouched
from harness.kernel.git.switch import ChangedFile, read_changes, switch_files

EPOCH = int(FIXED_TIME.timestamp())
"""The modification time of files that a build may treat as unchanged, in seconds since the epoch."""

_EPOCH_NANOSECONDS = EPOCH * 1_000_000_000
# Left in a git folder by a killed command, and not removed by 'git reset --hard'.
_LEFT_OVERS = ("index.lock", "HEAD.lock", "rebase-apply", "rebase-merge", "sequencer")


@dataclass(frozen=True, slots=True)
class _Times:
    """The times of the files of a commit.

    :param commit: its full hash.
    :param young: names of the files whose time may be another one than ``EPOCH``.
    """

    commit: str
    young: frozenset[str]


@dataclass(frozen=True, slots=True)
class WorkTree:
    """The files of a commit, which :func:`checked_out` holds.

    :param path: the folder with the files.
    :param git_dir: its git folder, with its own index and HEAD; the objects are those of the repository.
    :param commit: full hash of the commit that was checked out.
    :param left_out: names of files of the commit that were removed from the folder for a build.
    :param came_from: the commit whose files the folder had before, if only what differs was written; else empty.
    :param written: the names of the files that were written then, without removed ones.
    """

    path: Path
    git_dir: Path
    commit: str
    left_out: tuple[str, ...] = ()
    came_from: str = ""
    written: tuple[str, ...] = ()
    _is_index_behind: list[bool] = field(default_factory=list, repr=False, compare=False)
    """Not empty while git's index is that of the commit before; see :meth:`write_index`."""

    def git(self, *arguments: str, deadline: Deadline, check: bool = True, stdin: bytes = b"") -> Completed:
        """Run git in the top folder; see :func:`harness.kernel.git.command.git`.

        :raises HostError: as :func:`harness.kernel.git.command.git`.
        """
        self.write_index(deadline=deadline)
        files = GitFiles(self.path, cwd=self.path)
        return git(self.git_dir, *arguments, deadline=deadline, check=check, stdin=stdin, files=files)

    def write_index(self, *, deadline: Deadline) -> None:
        """Let git's index follow files that were written without it. A build needs no index, so this may wait for make.

        :raises HostError: git failed.
        """
        if self._is_index_behind:
            self._is_index_behind.clear()
            self.git("read-tree", "--reset", self.commit, deadline=deadline)
            self.git("update-index", "-q", "--refresh", deadline=deadline, check=False)

    def refresh(self, built: str | None, *, deadline: Deadline) -> tuple[str, ...]:
        """Set the modification times of all files for the next build.

        A file that is equal in ``built`` and in the current HEAD (which ``git am`` moves) gets the time ``EPOCH``, one
        that differs gets the current time.

        :param built: the commit whose build is continued; None for a build from nothing.
        :return: the names that differ, removed files included; empty for None.
        :raises HostError: no such commit, or git failed.
        """
        changed: tuple[str, ...] = ()
        if built is not None:
            changed = self._changed_since(built, deadline=deadline)
        young = frozenset(changed)
        known = self._take_known_times()
        if known is not None and known.commit == self._head():
            self._make_old(known.young - young)
        elif _make_old(self.path, young):
            # git compares times, too: without this it would read all touched files the next time.
            self.git("update-index", "-q", "--refresh", deadline=deadline, check=False)
        for name in young:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.utime(self.path / name, follow_symlinks=False)
        self._know_times(young)
        return changed

    def _changed_since(self, old: str, *, deadline: Deadline) -> tuple[str, ...]:
        """Return the names of the files that differ between a commit and the current HEAD; no index is read."""
        arguments = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, "HEAD")
        names = git(self.git_dir, *arguments, deadline=deadline).stdout.split(b"\0")
        return tuple(os.fsdecode(name) for name in names if name)

    def _make_old(self, names: Iterable[str]) -> None:
        """Set the time of some files to ``EPOCH``."""
        for name in names:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.utime(self.path / name, ns=(_EPOCH_NANOSECONDS, _EPOCH_NANOSECONDS), follow_symlinks=False)

    def _head(self) -> str:
        """Return the commit of the git folder; a patch that is applied moves it."""
        try:
            return (self.git_dir / "HEAD").read_text().strip()
        except OSError:
            return ""

    def _known_times(self) -> _Times | None:
        """Return which files are young; None if it is not known."""
        try:
            commit, *names = (self.git_dir / TIMES).read_text(errors="surrogateescape").split("\0")
        except OSError:
            return None
        return _Times(commit, frozenset(names))

    def _take_known_times(self) -> _Times | None:
        """Return which files are young, and forget it until :meth:`_know_times`; None if it is not known."""
        known = self._known_times()
        (self.git_dir / TIMES).unlink(missing_ok=True)
        return known

    def _know_times(self, young: Iterable[str]) -> None:
        """Remember that all files have the time ``EPOCH`` but for some; a pass over 80,000 files is saved next time.

        The file is there only while that is so: a process that is killed between leaves none.
        """
        (self.git_dir / TIMES).write_text("\0".join((self._head(), *young)), errors="surrogateescape")


@contextlib.contextmanager
def checked_out(
    context: Context, repository: Repository, commit: str, *, early: EarlyLook | None = None
) -> Iterator[WorkTree]:
    """Hold a work tree with exactly the files of a commit for the length of the block.

    Its files have the times that ``refresh(None)`` sets. Two blocks at once get two folders. A folder is reused, and
    only what differs is written. Leftovers of a killed run are removed.

    :param commit: its full hash.
    :param early: a work tree of the repository that is held and looked at already, to be used.
    :raises UsageError: the store cannot be written.
    :raises HostError: no such commit, missing objects, the disk is full, or the deadline has passed.
    """
    with contextlib.ExitStack() as stack:
        slot = early.slot if early else None
        if slot is None:
            slot = stack.enter_context(held_slot(context.store, repository, commit))
        tree = WorkTree(slot / "tree", slot / "git", commit)
        with context.store.complaints():
            try:
                is_looked_at = bool(early and early.is_untouched())
                tree = _check_out(tree, repository, is_looked_at=is_looked_at, deadline=context.deadline)
            except HostError:
                if context.deadline.is_past or not repository.has_commit(commit, deadline=context.deadline):
                    raise
                # Damaged, for example by a full disk: check out again, from nothing.
                shutil.rmtree(slot)
                tree = _check_out(tree, repository, deadline=context.deadline)
        yield tree
        tree.write_index(deadline=context.deadline)


def _check_out(tree: WorkTree, repository: Repository, *, is_looked_at: bool = False, deadline: Deadline) -> WorkTree:
    """Bring the folder to the files of the commit.

    :param is_looked_at: whether it is known to have exactly the files of its commit.
    :return: the work tree, with how it was done.
    """
    tree.path.mkdir(parents=True, exist_ok=True)
    tree.git_dir.mkdir(exist_ok=True)
    for name in _LEFT_OVERS:
        _remove(tree.git_dir / name)
    # gitrepository-layout(5): a folder with 'commondir' is that of a work tree. The store may have been moved.
    (tree.git_dir / "commondir").write_text(f"{repository.git_dir.absolute()}\n")
    if not (tree.git_dir / "HEAD").exists():
        (tree.git_dir / "HEAD").write_text(f"{tree.commit}\n")
    known = tree._known_times()
    if known is not None and (
        known.commit != tree._head() or not repository.has_commit(known.commit, deadline=deadline)
    ):
        known = None
    if known is not None and (is_looked_at or is_untouched(tree.path.parent, deadline=deadline)):
        changes = read_changes(repository, known.commit, tree.commit, deadline=deadline)
        tree._take_known_times()
        if switch_files(repository, changes, tree.path, deadline=deadline):
            return _switched(tree, known, changes, deadline=deadline)
    tree._take_known_times()
    tree.git("reset", "--quiet", "--hard", tree.commit, deadline=deadline)
    tree.git("clean", "--quiet", "-ffdx", deadline=deadline)
    tree.refresh(None, deadline=deadline)
    return tree


def _switched(tree: WorkTree, known: _Times, changes: Sequence[ChangedFile], *, deadline: Deadline) -> WorkTree:
    """Let git's folder follow the files that were written, and set their times."""
    write_whole(tree.git_dir / "HEAD", f"{tree.commit}\n".encode())
    written = tuple(one.name for one in changes if one.mode)
    tree._know_times(known.young.union(written))
    tree.refresh(None, deadline=deadline)
    return replace(tree, came_from=known.commit, written=written, _is_index_behind=[True] if changes else [])


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _make_old(top: Path, young: frozenset[str]) -> bool:
    """Set the time of all files below a folder to ``EPOCH``, except for ``young``; 80,000 files take half a second.

    :return: whether the time of a file changed.
    """
    is_touched = False
    times = (_EPOCH_NANOSECONDS, _EPOCH_NANOSECONDS)
    skip = len(os.fspath(top)) + 1
    folders = [os.fspath(top)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                    continue
                is_old = entry.stat(follow_symlinks=False).st_mtime_ns == _EPOCH_NANOSECONDS
                if not is_old and entry.path[skip:] not in young:
                    os.utime(entry.path, ns=times, follow_symlinks=False)
                    is_touched = True
    return is_touched


def check_out_sparsely(
    repository: Repository, commit: str, files: Sequence[str], *, folder: Path, deadline: Deadline
) -> WorkTree:
    """Make a work tree in an empty folder with the index of the whole commit and only the named files.

    The others are marked as left out (``--skip-worktree`` of git-update-index(1)), so that git does not see them as
    deleted.

    :param files: paths in the tree; those that the commit does not have are ignored.
    :raises HostError: no such commit, git is missing or failed, or the deadline has passed.
    """
    tree = WorkTree(folder / "tree", folder / "git", commit)
    tree.path.mkdir()
    tree.git_dir.mkdir()
    (tree.git_dir / "commondir").write_text(f"{repository.git_dir.absolute()}\n")
    (tree.git_dir / "HEAD").write_text(f"{commit}\n")
    tree.git("read-tree", commit, deadline=deadline)
    wanted = {file.encode(errors="surrogateescape") for file in files}
    names = [name for name in tree.git("ls-files", "-z", deadline=deadline).stdout.split(b"\0") if name]
    left_out = b"".join(name + b"\0" for name in names if name not in wanted)
    tree.git("update-index", "-z", "--skip-worktree", "--stdin", stdin=left_out, deadline=deadline)
    present = b"".join(name + b"\0" for name in names if name in wanted)
    tree.git("checkout-index", "-z", "--stdin", "--index", stdin=present, deadline=deadline)
    return tree
