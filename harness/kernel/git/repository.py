"""Repositories of ours in the store. One may borrow the objects of a user's repository, which is only ever read."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from harness.base.atomic_write import write_whole
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.process import Completed
from harness.base.store import digest_of
from harness.kernel.git.command import git

KIND = "kernel-repository"
"""The kind of these products in the store."""

# gitattributes(5): this file outranks those in a tree. What is in a blob is in the file, byte by byte, both ways.
_ATTRIBUTES = "* -text -ident -filter -working-tree-encoding\n"


@dataclass(frozen=True, slots=True)
class Repository:
    """A bare repository of ours. It has no branches: commits are named by their hashes, and nothing is ever collected.

    :param git_dir: its folder in the store.
    """

    git_dir: Path

    @property
    def key(self) -> str:
        """A name for what belongs to it, good as a file name."""
        return self.git_dir.name

    def git(self, *words: str, deadline: Deadline, check: bool = True, stdin: bytes = b"") -> Completed:
        """Run git in it; see :func:`harness.kernel.git.command.git`.

        :raises HostError: as there.
        """
        return git(self.git_dir, *words, deadline=deadline, check=check, stdin=stdin)

    def has_commit(self, commit: str, *, deadline: Deadline) -> bool:
        """Whether that commit, by its full hash, is here.

        :raises HostError: git is missing, or the deadline came.
        """
        done = self.git("cat-file", "-e", f"{commit}^{{commit}}", deadline=deadline, check=False)
        return done.status == 0


def open_repository(context: Context, of: str, *, object_format: str = "sha1") -> Repository:
    """The repository for one origin, made empty if it is not there yet.

    :param of: the origin: a path, a package. :param object_format: ``sha1`` or ``sha256``.
    :raises UsageError: the store cannot be written. :raises HostError: git is missing, or failed.
    """

    def fill(folder: Path) -> None:
        initialise(folder, object_format=object_format, deadline=context.deadline)

    return Repository(context.store.make(KIND, digest_of(of, object_format), fill, deadline=context.deadline))


def initialise(folder: Path, *, object_format: str = "sha1", deadline: Deadline) -> None:
    """Make an empty folder a repository.

    :raises HostError: git is missing, or failed.
    """
    words = ("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}", str(folder))
    git(None, *words, deadline=deadline)
    (folder / "info").mkdir(exist_ok=True)
    (folder / "info/attributes").write_text(_ATTRIBUTES)


def borrow(repository: Repository, *, objects: Path, shallow: Path) -> None:
    """Let a repository of ours read the objects of another one, and take over where its history ends.

    :param objects: the other's object folder. :param shallow: the other's list of commits whose parents are not there
        (gitrepository-layout(5)); it need not exist.
    """
    _keep(repository.git_dir / "objects/info/alternates", f"{_quoted(objects)}\n".encode())
    try:
        ends = shallow.read_bytes()
    except FileNotFoundError:
        (repository.git_dir / "shallow").unlink(missing_ok=True)
    else:
        _keep(repository.git_dir / "shallow", ends)


def _quoted(path: Path) -> str:
    """A line of the alternates file; one that begins with a quote is read as a C string, with ``#`` as a comment."""
    name = os.fspath(path)
    if name.isprintable() and not name.startswith(('"', "#")):
        return name
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(letter, letter) for letter in name) + '"'


def _keep(place: Path, content: bytes) -> None:
    """Write a file unless it is so already; whoever reads it meanwhile sees the old one or the new one."""
    with contextlib.suppress(FileNotFoundError):
        if place.read_bytes() == content:
            return
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, content)
