# SPDX-License-Identifier: GPL-2.0-only
"""Record the files of a folder as a commit in a repository of the store; the folder and its repository are only read.

The store keeps git's index of each folder: with it git finds changed files without reading the others. A few changed
files are added to the tree of that index by git-fast-import(1): writing an index of 80,000 files takes 0.1 s.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import Completed
from harness.base.store import digest_of
from harness.kernel.git.command import GitFiles, git
from harness.kernel.git.fast_import import FileMode, ImportBase, TreeFile, import_files
from harness.kernel.git.repository import KIND, Repository

_INDEX = "index"
_ORIGIN = "origin"
_TREE = "tree"
"""The file beside the index with the hash of its tree, for :func:`_commit_few`."""
_FEW = 64
_MESSAGE = "Uncommitted changes\n"
_STANDARD = ("--exclude-standard",)
# Debian's source package has a .gitignore that ends in "/*", which ignores the whole kernel. For such a tree these
# rules override those of the top folder (gitignore(5), PATTERN FORMAT); those of the folders below stay.
_OWN_TOP = (
    *("!/*", "/.*.cmd", "/.*.d", "/.config", "/.config.old", "/.tmp*", "/.version", "/.vmlinux*"),
    *("/vmlinux*", "/System.map", "/Module.symvers", "/modules*"),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a folder at one moment.

    :param commit: full hash of the commit with the files.
    :param changes: the names that differ from the parent commit; empty without a parent.
    """

    commit: str
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """Git with the files of one folder, and index and repository in the store."""

    repository: Repository
    tree: Path
    index: Path
    excludes: Path | None
    deadline: Deadline

    def git(self, *arguments: str, check: bool = True, stdin: bytes = b"") -> Completed:
        settings = ("-c", f"core.excludesFile={self.excludes}") if self.excludes else ()
        return git(
            self.repository.git_dir,
            *settings,
            *arguments,
            deadline=self.deadline,
            check=check,
            stdin=stdin,
            files=GitFiles(self.tree, self.index, cwd=self.tree),
        )


def snapshot_changes(
    context: Context, repository: Repository, tree: Path, *, git_dir: Path, head: str, excludes: Path | None = None
) -> Snapshot:
    """Record the files of a git work tree: return ``head`` itself when none differs, else a new commit on top of it.

    Ignored files that git does not track are left out.

    :param tree: its top folder.
    :param git_dir: its own git folder, also for a linked work tree.
    :param head: full hash of the commit that is checked out.
    :param excludes: the repository's own ignore list, ``info/exclude``.
    :raises UsageError: a file cannot be read.
    :raises HostError: git failed, or the deadline has passed.
    """
    with _held(context, repository, tree=tree, excludes=excludes) as look:
        is_new = _take_over_index(look, git_dir, head)
        found = _find_changed(look, _STANDARD, is_new=is_new)
        files = commit = _commit_few(look, found, head)
        if not commit:
            # First: a run that is killed between leaves no tree of another index.
            look.index.with_name(_TREE).unlink(missing_ok=True)
            _add_files(look, found)
            files = look.git("write-tree").text.strip()
            look.index.with_name(_TREE).write_text(files)
        arguments = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", head, files)
        changes = tuple(os.fsdecode(name) for name in look.git(*arguments).stdout.split(b"\0") if name)
        if not changes:
            return Snapshot(head)
        if not commit:
            commit = look.git("commit-tree", files, "-p", head, stdin=_MESSAGE.encode()).text.strip()
        return Snapshot(commit, changes)


def snapshot_files(context: Context, repository: Repository, tree: Path) -> Snapshot:
    """Record the files of a folder outside of git as a commit without parents; equal files give equal hashes.

    Build products are left out, as far as the tree's own ignore files list them.

    :raises UsageError: a file cannot be read.
    :raises HostError: git failed, or the deadline has passed.
    """
    with _held(context, repository, tree=tree, excludes=None) as look:
        ignored = look.git("check-ignore", "--quiet", "--no-index", "Makefile", check=False).status == 0
        own = ("--exclude-per-directory=.gitignore", *(f"--exclude={pattern}" for pattern in _OWN_TOP))
        _add_files(look, _find_changed(look, own if ignored else _STANDARD, is_new=True))
        files = look.git("write-tree").text.strip()
        return Snapshot(look.git("commit-tree", files, stdin=b"The files of a kernel tree\n").text.strip())


@contextlib.contextmanager
def _held(context: Context, repository: Repository, *, tree: Path, excludes: Path | None) -> Iterator[_Look]:
    """Hold the index of a folder for the length of the block; other runs that need it wait."""
    from filelock import Timeout

    # Inside the repository, so that both are removed together: the index refers to objects of the repository.
    kind, key = f"{KIND}/{repository.key}/indexes", digest_of(os.fspath(tree))
    seconds = context.deadline.seconds_left
    try:
        with context.store.lock(kind, key).acquire(timeout=-1 if seconds == float("inf") else seconds):
            folder = context.store.place(kind, key)
            folder.mkdir(exist_ok=True)
            (folder / f"{_INDEX}.lock").unlink(missing_ok=True)  # left by a killed run: this run holds the lock
            yield _Look(repository, tree, folder / _INDEX, excludes, context.deadline)
    except Timeout:
        raise HostError(
            f"another run has been reading {tree} for {seconds:.0f} s",
            remedy="wait for the other run or stop it, then retry",
        ) from None


def _take_over_index(look: _Look, git_dir: Path, head: str) -> bool:
    """Start from a copy of the user's index, which has the files' times, the tracked files and the sparse entries.

    While the user's index is unchanged, the kept index is used: it also has the new files.

    :return: whether the index was taken over now.
    """
    theirs = git_dir / "index"
    origin = look.index.with_name(_ORIGIN)
    try:
        status = theirs.stat()
        mark = f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
    except FileNotFoundError:
        mark = ""
    with contextlib.suppress(FileNotFoundError):
        if origin.read_text() == mark and look.index.exists():
            return False
    origin.unlink(missing_ok=True)
    look.index.with_name(_TREE).unlink(missing_ok=True)
    if mark and not any(git_dir.glob("sharedindex.*")):
        # Keep its time: git reads a file itself when its entry is as new as the index (racy git).
        shutil.copy2(theirs, look.index)
    else:
        look.index.unlink(missing_ok=True)
        look.git("read-tree", head)
    # Files marked as assume-unchanged (lower case in git-ls-files(1)) are recorded as they are.
    entries = look.git("ls-files", "-v", "-z").stdout.split(b"\0")
    assumed = [entry[2:] for entry in entries if entry[:1].islower()]
    if assumed:
        look.git("update-index", "--no-assume-unchanged", "-z", "--stdin", stdin=b"\0".join(assumed) + b"\0")
    origin.write_text(mark)
    return True


@dataclass(frozen=True, slots=True)
class _Changed:
    """The names that differ between the index and the folder.

    :param there: of new and changed files.
    :param gone: of removed files.
    """

    there: frozenset[bytes]
    gone: frozenset[bytes]


def _find_changed(look: _Look, excludes: tuple[str, ...], *, is_new: bool) -> _Changed:
    """Find the files of the folder that differ from the index.

    :param is_new: whether the times in the index may be others than those of many files; git then reads these once.
        Without it, git-ls-files(1) reads the few files whose times differ, and a pass over 80,000 files is saved.
    """
    if is_new:
        look.git("update-index", "-q", "--refresh", check=False)
    # Each line begins with a letter: R is removed (and is also listed as changed), C is changed, ? is new.
    entries = look.git("ls-files", "-t", "-z", "--modified", "--deleted", "--others", *excludes).stdout.split(b"\0")
    gone = frozenset(entry[2:] for entry in entries if entry.startswith(b"R "))
    # A name that ends in a slash is a repository within the tree, not a part of the kernel.
    return _Changed(frozenset(entry[2:] for entry in entries if entry and not entry.endswith(b"/")) - gone, gone)


def _commit_few(look: _Look, found: _Changed, head: str) -> str:
    """Make a commit of the index and a few changed files, without writing the index; empty where it cannot be done."""
    try:
        tree = look.index.with_name(_TREE).read_text()
    except FileNotFoundError:
        return ""
    if len(found.there) + len(found.gone) > _FEW:
        return ""
    files = [_read_file(look.tree, os.fsdecode(name)) for name in sorted(found.there)]
    if None in files:
        return ""
    base = ImportBase(head, tree, [os.fsdecode(name) for name in sorted(found.gone)])
    known = [file for file in files if file is not None]
    return import_files(look.repository, known, message=_MESSAGE, deadline=look.deadline, base=base)


def _read_file(tree: Path, name: str) -> TreeFile | None:
    """Read a file as git would; None for anything but a link or a readable file."""
    path = tree / name
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return TreeFile(name, FileMode.LINK, os.fsencode(path.readlink()))
        if stat.S_ISREG(mode):
            return TreeFile(name, FileMode.EXECUTABLE if mode & 0o100 else FileMode.PLAIN, path.read_bytes())
    except OSError:
        pass
    return None


def _add_files(look: _Look, found: _Changed) -> None:
    """Update the index to the files of the folder."""
    there, gone = found.there, found.gone
    # First, since a folder may have replaced a file.
    if gone:
        look.git("update-index", "--force-remove", "-z", "--stdin", stdin=_lines(gone))
    if not there:
        return
    # Files larger than the threshold go into one pack file together; 80,000 small files would take twice the time.
    arguments = ("-c", "core.bigFileThreshold=1", "update-index", "--add", "--remove", "--replace")
    done = look.git(*arguments, "-z", "--stdin", stdin=_lines(there), check=False)
    if done.status != 0:
        raise UsageError(
            f"not all files of {look.tree} can be read",
            evidence=done.complaint,
            remedy="make them readable, or remove them",
        )


def _lines(names: frozenset[bytes]) -> bytes:
    """Join names for ``-z --stdin`` of git, sorted: git adds faster to the end of an index than to its middle."""
    return b"".join(name + b"\0" for name in sorted(names))
