"""Work trees of ours: the files of one commit in the store, held by a lock, quick to switch to a commit nearby.

The folder holds the kernel's files and no ``.git``: what a build does in it must not depend on a repository around it.

make compares times. The time of every file is therefore the harness's to say: ``EPOCH`` for what has not changed since
the build that is continued, now for what has; see :meth:`WorkTree.refresh`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import Completed
from harness.base.store import Store
from harness.kernel.git.command import FIXED_TIME, GitFiles, git
from harness.kernel.git.repository import Repository

KIND = "kernel-worktree"
"""The kind of these folders in the store."""
EPOCH = int(FIXED_TIME.timestamp())
"""The time of every file that a build may take as unchanged, in seconds."""

_EPOCH_NANOSECONDS = EPOCH * 1_000_000_000
_MOST_SLOTS = 64
# What a command that was killed leaves in a git folder and 'git reset --hard' does not clear.
_LEFT_OVERS = ("index.lock", "HEAD.lock", "rebase-apply", "rebase-merge", "sequencer")


@dataclass(frozen=True, slots=True)
class WorkTree:
    """The files of a commit, ours to work in while :func:`checked_out` holds them.

    :param path: the folder with the files. :param git_dir: its git folder; index and HEAD are of this work tree alone,
        objects are the repository's.
    :param commit: what was checked out, by its full hash.
    """

    path: Path
    git_dir: Path
    commit: str

    def git(self, *words: str, deadline: Deadline, check: bool = True, stdin: bytes = b"") -> Completed:
        """Run git in the top folder; see :func:`harness.kernel.git.command.git`.

        :raises HostError: as there.
        """
        return git(
            self.git_dir, *words, deadline=deadline, check=check, stdin=stdin, files=GitFiles(self.path, cwd=self.path)
        )

    def refresh(self, built: str | None, *, deadline: Deadline) -> tuple[str, ...]:
        """Set the times of all files for a build that continues one of commit ``built``; None: for one from nothing.

        A file that is the same in ``built`` and in the commit that the work tree is at now (``git am`` moves on) gets
        the time ``EPOCH``, one that differs the time it is now.

        :return: the names that differ, also of files that are gone; none for None.
        :raises HostError: there is no such commit, or git failed.
        """
        changed: tuple[str, ...] = ()
        if built is not None:
            words = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", built, "HEAD")
            names = self.git(*words, deadline=deadline).stdout.split(b"\0")
            changed = tuple(os.fsdecode(name) for name in names if name)
        young = frozenset(changed)
        for name in young:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.utime(self.path / name, follow_symlinks=False)
        if _make_old(self.path, young) or young:
            # git knows a file by its time, too: without this it would read all that were touched the next time.
            self.git("update-index", "-q", "--refresh", deadline=deadline, check=False)
        return changed


@contextlib.contextmanager
def checked_out(context: Context, repository: Repository, commit: str) -> Iterator[WorkTree]:
    """A work tree of ours with the files of that commit, and no others, held for the length of the block.

    Its files are as old as ``refresh(None)`` makes them. Two blocks at once get two folders; a folder is used again and
    only what differs is written. What a killed run left in it is mended.

    :param commit: by its full hash.
    :raises UsageError: the store cannot be written.
    :raises HostError: the repository has no such commit, or not all of its files; the disk is full; the deadline came.
    """
    with _held_slot(context.store, repository, commit) as slot:
        tree = WorkTree(slot / "tree", slot / "git", commit)
        with context.store.complaints():
            try:
                _check_out(tree, repository, deadline=context.deadline)
            except HostError:
                if context.deadline.is_past or not repository.has_commit(commit, deadline=context.deadline):
                    raise
                # Damaged, say by a full disk or a hand: once more, from nothing.
                shutil.rmtree(slot)
                _check_out(tree, repository, deadline=context.deadline)
        yield tree


@contextlib.contextmanager
def _held_slot(store: Store, repository: Repository, commit: str) -> Iterator[Path]:
    """The folder of a work tree that nobody else holds: one that is at the commit already, else the first free."""
    from filelock import Timeout

    kind = f"{KIND}/{repository.key}"
    slots = sorted(range(_MOST_SLOTS), key=lambda number: not _is_at(store.place(kind, str(number)), commit))
    for number in slots:
        lock = store.lock(kind, str(number))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield store.place(kind, str(number))
        finally:
            lock.release()
        return
    raise HostError(
        f"{_MOST_SLOTS} builds of one tree are running already",
        evidence=f"locks in {store.place(kind, '0').parent}",
        remedy="wait for them, or end them",
    )


def _is_at(slot: Path, commit: str) -> bool:
    try:
        return (slot / "git/HEAD").read_text().strip() == commit
    except OSError:
        return False


def _check_out(tree: WorkTree, repository: Repository, *, deadline: Deadline) -> None:
    tree.path.mkdir(parents=True, exist_ok=True)
    tree.git_dir.mkdir(exist_ok=True)
    for name in _LEFT_OVERS:
        _remove(tree.git_dir / name)
    # gitrepository-layout(5): a folder with 'commondir' is that of a work tree. The store may have been moved.
    (tree.git_dir / "commondir").write_text(f"{repository.git_dir.absolute()}\n")
    if not (tree.git_dir / "HEAD").exists():
        (tree.git_dir / "HEAD").write_text(f"{tree.commit}\n")
    tree.git("reset", "--quiet", "--hard", tree.commit, deadline=deadline)
    tree.git("clean", "--quiet", "-ffdx", deadline=deadline)
    tree.refresh(None, deadline=deadline)


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _make_old(top: Path, young: frozenset[str]) -> bool:
    """Set the time of all files below a folder to ``EPOCH``, but for those; whether one was not so before.

    80,000 files are looked at in half a second.
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
    """A work tree in an empty folder, whose index is the whole commit and whose files are those named.

    The others are marked as left out (``--skip-worktree`` of git-update-index(1)), so git takes none for deleted.

    :param files: by their paths in the tree; those that the commit does not have are passed over.
    :raises HostError: there is no such commit, git is missing or failed, or the deadline came.
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
