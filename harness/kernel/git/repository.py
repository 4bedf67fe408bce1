# SPDX-License-Identifier: GPL-2.0-only
"""Open git repositories in the store; one may borrow objects from a user's repository, which is only read."""

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

# gitattributes(5): this file overrides those in a tree. Blobs and files are equal, byte by byte.
_ATTRIBUTES = "* -text -ident -filter -working-tree-encoding\n"


@dataclass(frozen=True, slots=True)
class Repository:
    """A bare repository in the store, without branches: commits are named by hash, and no object is ever collected.

    :param git_dir: its folder in the store.
    """

    git_dir: Path

    @property
    def key(self) -> str:
        """Return a name for it that is valid as a file name."""
        return self.git_dir.name

    def git(self, *arguments: str, deadline: Deadline, check: bool = True, stdin: bytes = b"") -> Completed:
        """Run git in the repository; see :func:`harness.kernel.git.command.git`.

        :raises HostError: as :func:`harness.kernel.git.command.git`.
        """
        return git(self.git_dir, *arguments, deadline=deadline, check=check, stdin=stdin)

    def has_commit(self, commit: str, *, deadline: Deadline) -> bool:
        """Return whether the repository has a commit.

        :param commit: its full hash.
        :raises HostError: git is missing, or the deadline has passed.
        """
        done = self.git("cat-file", "-e", f"{commit}^{{commit}}", deadline=deadline, check=False)
        return done.status == 0

    def makefile(self, commit: str, *, deadline: Deadline) -> bytes:
        """Return the Makefile in the top folder of a commit, which a build needs several times; empty without one.

        :param commit: its full hash.
        :raises HostError: git is missing, or the deadline has passed.
        """
        known = _MAKEFILES.get((self.git_dir, commit))
        if known is None:
            known = self.git("cat-file", "blob", f"{commit}:Makefile", deadline=deadline, check=False).stdout
            _MAKEFILES[self.git_dir, commit] = known
        return known


_MAKEFILES: dict[tuple[Path, str], bytes] = {}


def open_repository(context: Context, of: str, *, object_format: str = "sha1") -> Repository:
    """Return the repository for one origin; create an empty one if the store has none.

    :param of: the origin: a path or a package.
    :param object_format: ``sha1`` or ``sha256``.
    :raises UsageError: the store cannot be written.
    :raises HostError: git is missing or failed.
    """

    def fill(folder: Path) -> None:
        initialize(folder, object_format=object_format, deadline=context.deadline)

    return Repository(context.store.make(KIND, digest_of(of, object_format), fill, deadline=context.deadline))


def initialize(folder: Path, *, object_format: str = "sha1", deadline: Deadline) -> None:
    """Create a bare repository in an empty folder.

    :raises HostError: git is missing or failed.
    """
    arguments = ("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}", str(folder))
    git(None, *arguments, deadline=deadline)
    (folder / "info").mkdir(exist_ok=True)
    (folder / "info/attributes").write_text(_ATTRIBUTES)


def borrow(repository: Repository, *, objects: Path, shallow: Path) -> None:
    """Let a repository in the store read the objects of another one, and copy its shallow boundary.

    :param objects: the object folder of the other repository.
    :param shallow: its list of commits without parents (gitrepository-layout(5)); the file may be missing.
    """
    _keep(repository.git_dir / "objects/info/alternates", f"{_quoted(objects)}\n".encode())
    try:
        ends = shallow.read_bytes()
    except FileNotFoundError:
        (repository.git_dir / "shallow").unlink(missing_ok=True)
    else:
        _keep(repository.git_dir / "shallow", ends)


def _quoted(path: Path) -> str:
    """Return a line of the alternates file: git reads a leading quote as a C string, and a leading ``#`` as comment."""
    name = os.fspath(path)
    if name.isprintable() and not name.startswith(('"', "#")):
        return name
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(letter, letter) for letter in name) + '"'


def _keep(path: Path, content: bytes) -> None:
    """Write a file unless it has that content; a reader sees the old file or the new one, never a part."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
