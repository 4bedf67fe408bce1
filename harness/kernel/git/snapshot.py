"""The files of a folder as they are, as a commit in a repository of ours; the folder and its repository are only read.

git's index tells which files have changed since the last time without reading them, so ours is kept in the store.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import Completed
from harness.base.store import digest_of
from harness.kernel.git.command import GitFiles, git
from harness.kernel.git.repository import KIND, Repository

_INDEX = "index"
_ORIGIN = "origin"
_STANDARD = ("--exclude-standard",)
# Debian's source package has a .gitignore that ends in "/*": by it the whole kernel is ignored. For such a tree the top
# folder's rules are these, which outrank the file (gitignore(5), PATTERN FORMAT); those below stand.
_OWN_TOP = (
    *("!/*", "/.*.cmd", "/.*.d", "/.config", "/.config.old", "/.tmp*", "/.version", "/.vmlinux*"),
    *("/vmlinux*", "/System.map", "/Module.symvers", "/modules*"),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A folder's files at one moment.

    :param commit: its full hash.
    :param changes: the names that differ from the commit that it stands on; none when it stands on no commit.
    """

    commit: str
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """Git with the files of one folder, an index of ours and a repository of ours."""

    repository: Repository
    tree: Path
    index: Path
    excludes: Path | None
    deadline: Deadline

    def git(self, *words: str, check: bool = True, stdin: bytes = b"") -> Completed:
        settings = ("-c", f"core.excludesFile={self.excludes}") if self.excludes else ()
        return git(
            self.repository.git_dir,
            *settings,
            *words,
            deadline=self.deadline,
            check=check,
            stdin=stdin,
            files=GitFiles(self.tree, self.index, cwd=self.tree),
        )


def snapshot_changes(
    context: Context, repository: Repository, tree: Path, *, git_dir: Path, head: str, excludes: Path | None = None
) -> Snapshot:
    """The files of a work tree of git: the commit ``head`` itself when none differs, else one on top of it.

    Files that git ignores and does not track are left out.

    :param tree: its top folder. :param git_dir: its own git folder (of a linked work tree: that one).
    :param excludes: the repository's own list of what to ignore, ``info/exclude``.
    :raises UsageError: a file cannot be read. :raises HostError: git failed, or the deadline came.
    """
    with _held(context, repository, tree=tree, excludes=excludes) as look:
        _take_over_index(look, git_dir, head)
        _add_files(look, _STANDARD)
        files = look.git("write-tree").text.strip()
        words = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", head, files)
        changes = tuple(os.fsdecode(name) for name in look.git(*words).stdout.split(b"\0") if name)
        if not changes:
            return Snapshot(head)
        commit = look.git("commit-tree", files, "-p", head, stdin=b"Uncommitted changes\n").text.strip()
        return Snapshot(commit, changes)


def snapshot_files(context: Context, repository: Repository, tree: Path) -> Snapshot:
    """The files of a folder that is no work tree of git, as a commit without parents; equal files give an equal hash.

    What a build left in the tree is left out, as far as the tree's own ignore files tell.

    :raises UsageError: a file cannot be read. :raises HostError: git failed, or the deadline came.
    """
    with _held(context, repository, tree=tree, excludes=None) as look:
        ignored = look.git("check-ignore", "--quiet", "--no-index", "Makefile", check=False).status == 0
        own = ("--exclude-per-directory=.gitignore", *(f"--exclude={pattern}" for pattern in _OWN_TOP))
        _add_files(look, own if ignored else _STANDARD)
        files = look.git("write-tree").text.strip()
        return Snapshot(look.git("commit-tree", files, stdin=b"The files of a kernel tree\n").text.strip())


@contextlib.contextmanager
def _held(context: Context, repository: Repository, *, tree: Path, excludes: Path | None) -> Iterator[_Look]:
    """What it takes to look at a folder; nobody else looks at it with our index for the length of the block."""
    from filelock import Timeout

    # Within the repository, so that they go together: the index takes for known what only the repository has.
    kind, key = f"{KIND}/{repository.key}/indexes", digest_of(os.fspath(tree))
    seconds = context.deadline.seconds_left
    try:
        with context.store.lock(kind, key).acquire(timeout=-1 if seconds == float("inf") else seconds):
            folder = context.store.place(kind, key)
            folder.mkdir(exist_ok=True)
            (folder / f"{_INDEX}.lock").unlink(missing_ok=True)  # of a killed run: the lock is ours
            yield _Look(repository, tree, folder / _INDEX, excludes, context.deadline)
    except Timeout:
        raise HostError(
            f"another run has been reading {tree} for {seconds:.0f} s",
            remedy="wait for the other run, or end it, and run again",
        ) from None


def _take_over_index(look: _Look, git_dir: Path, head: str) -> None:
    """Start from a copy of the user's index: it knows the files' times, what is tracked, and what sparse trees lack.

    While that is unchanged our own is better: it knows the new files, too.
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
            return
    origin.unlink(missing_ok=True)
    if mark and not any(git_dir.glob("sharedindex.*")):
        # With its time: an entry as young as its index may be stale, and git looks at the file itself then.
        shutil.copy2(theirs, look.index)
    else:
        look.index.unlink(missing_ok=True)
        look.git("read-tree", head)
    # What the user told git to take for unchanged (lower case in git-ls-files(1)) is taken as it is.
    entries = look.git("ls-files", "-v", "-z").stdout.split(b"\0")
    assumed = [entry[2:] for entry in entries if entry[:1].islower()]
    if assumed:
        look.git("update-index", "--no-assume-unchanged", "-z", "--stdin", stdin=b"\0".join(assumed) + b"\0")
    origin.write_text(mark)


def _add_files(look: _Look, excludes: tuple[str, ...]) -> None:
    """Bring the index to what is in the folder."""
    look.git("update-index", "-q", "--refresh", check=False)
    # Each with a letter in front: R is gone (and is listed as changed, too), C is changed, ? is new.
    entries = look.git("ls-files", "-t", "-z", "--modified", "--deleted", "--others", *excludes).stdout.split(b"\0")
    gone = {entry[2:] for entry in entries if entry.startswith(b"R ")}
    # A name that ends in a slash is a repository within the tree: not the kernel's.
    there = {entry[2:] for entry in entries if entry and not entry.endswith(b"/")} - gone
    # First, as a folder may stand where a file was.
    if gone:
        look.git("update-index", "--force-remove", "-z", "--stdin", stdin=_lines(gone))
    if not there:
        return
    # Files larger than the threshold go into one pack file together; 80,000 small files would take twice the time.
    words = ("-c", "core.bigFileThreshold=1", "update-index", "--add", "--remove", "--replace")
    done = look.git(*words, "-z", "--stdin", stdin=_lines(there), check=False)
    if done.status != 0:
        raise UsageError(
            f"not all files of {look.tree} can be read",
            evidence=done.complaint,
            remedy="make them readable, or remove them",
        )


def _lines(names: set[bytes]) -> bytes:
    """Names as git reads them with ``-z --stdin``, sorted: an index grows at its end faster than in its midst."""
    return b"".join(name + b"\0" for name in sorted(names))
