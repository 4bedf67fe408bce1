# SPDX-License-Identifier: GPL-2.0-only
"""Import files into one commit of a repository in the store, by git-fast-import(1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import IO

from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import PIPE, Surroundings, start
from harness.kernel.git.command import FIXED_TIME, IDENTITY, environment
from harness.kernel.git.repository import Repository

_REF = "refs/harness/import"


class FileMode(Enum):
    """The type of a file in a git tree."""

    PLAIN = "100644"
    EXECUTABLE = "100755"
    LINK = "120000"


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file to import.

    :param name: its path from the top of the tree.
    :param mode: its type.
    :param content: its content; the target of a link.
    """

    name: str
    mode: FileMode
    content: bytes


@dataclass(frozen=True, slots=True)
class ImportBase:
    """The tree that imported files are added to.

    :param parent: full hash of the parent of the new commit.
    :param tree: full hash of the tree.
    :param removed: names in the tree that the new commit does not have.
    """

    parent: str
    tree: str
    removed: Sequence[str] = ()


def import_files(
    repository: Repository,
    files: Iterable[TreeFile],
    *,
    message: str,
    deadline: Deadline,
    base: ImportBase | None = None,
) -> str:
    """Make one commit from files; the same files, message and base give the same hash.

    :param base: the tree that the files are added to; None for a commit without parents and other files.
    :return: the full hash of the commit.
    :raises HostError: git is missing or failed, or the deadline has passed.
    """
    argv = [
        "git",
        "-c",
        "pack.compression=1",
        "fast-import",
        "--quiet",
        "--force",
        "--done",
        "--depth=0",
        "--date-format=raw",
    ]
    env = environment(repository.git_dir)
    with start(argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, within=Surroundings(env=env)) as child:
        assert child.stdin
        assert child.stdout
        assert child.stderr
        try:
            _write_commands(child.stdin, files, message, base, deadline)
            child.stdin.close()
        except BrokenPipeError:
            pass  # its output and exit status show the reason
        commit = child.stdout.read().decode().strip()
        complaint = child.stderr.read().decode(errors="replace")
        if child.wait() != 0 or not commit:
            raise HostError(
                "a kernel tree cannot be imported into the store",
                evidence="\n".join(complaint.splitlines()[-20:]),
                remedy="check for a full disk with df -h ('harness clean' shows what the store holds), then retry",
            )
    return commit


def _write_commands(
    stream: IO[bytes], files: Iterable[TreeFile], message: str, base: ImportBase | None, deadline: Deadline
) -> None:
    """Write the commands of git-fast-import(1); the stream stays open."""
    name, mail = IDENTITY
    text = message.encode()
    head = f"commit {_REF}\nmark :1\ncommitter {name} <{mail}> {int(FIXED_TIME.timestamp())} +0000\n"
    stream.write(head.encode() + b"data %d\n%s\n" % (len(text), text))
    if base is not None:
        stream.write(f'from {base.parent}\nM 040000 {base.tree} ""\n'.encode())
        stream.writelines(b"D %s\n" % _quoted(name) for name in base.removed)
    for file in files:
        if deadline.is_past:
            raise HostError("the import of a kernel tree timed out", remedy="retry with a longer time limit")
        command = b"M %s inline %s\n" % (file.mode.value.encode(), _quoted(file.name))
        stream.write(b"%sdata %d\n%s\n" % (command, len(file.content), file.content))
    # The branch is forgotten: a repository of the store has none, and two imports at once would wait for its lock.
    stream.write(b"\nget-mark :1\nreset %s\ndone\n" % _REF.encode())


def _quoted(name: str) -> bytes:
    """Quote a path for fast-import and escape the bytes that would end it."""
    whole = name.encode(errors="surrogateescape")
    return b'"' + whole.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
