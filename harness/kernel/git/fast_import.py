"""Many files into one commit of a repository of ours, quickly: git-fast-import(1)."""

from __future__ import annotations

from collections.abc import Iterable
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
    """What a file of a git tree can be."""

    PLAIN = "100644"
    EXECUTABLE = "100755"
    LINK = "120000"


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file to import.

    :param name: its path from the top of the tree. :param content: of a link: where it points to.
    """

    name: str
    mode: FileMode
    content: bytes


def import_files(repository: Repository, files: Iterable[TreeFile], *, message: str, deadline: Deadline) -> str:
    """Make one commit without parents of these files; the same files and message give the same hash.

    :return: the commit's full hash. :raises HostError: git is missing or failed, or the deadline came.
    """
    words = [
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
    with start(words, stdin=PIPE, stdout=PIPE, stderr=PIPE, within=Surroundings(env=env)) as child:
        assert child.stdin
        assert child.stdout
        assert child.stderr
        try:
            _tell(child.stdin, files, message, deadline)
            child.stdin.close()
        except BrokenPipeError:
            pass  # what it says, and its status, tell why
        commit = child.stdout.read().decode().strip()
        complaint = child.stderr.read().decode(errors="replace")
        if child.wait() != 0 or not commit:
            raise HostError(
                "the files of a kernel tree cannot be imported into the store",
                evidence="\n".join(complaint.splitlines()[-20:]),
                remedy="see whether the disk is full ('harness clean' shows what the store holds), then run it again",
            )
    return commit


def _tell(stream: IO[bytes], files: Iterable[TreeFile], message: str, deadline: Deadline) -> None:
    """Write the commands; the stream is left open."""
    name, mail = IDENTITY
    text = message.encode()
    head = f"commit {_REF}\nmark :1\ncommitter {name} <{mail}> {int(FIXED_TIME.timestamp())} +0000\n"
    stream.write(head.encode() + b"data %d\n%s\n" % (len(text), text))
    for file in files:
        if deadline.is_past:
            raise HostError("importing a kernel tree did not end in time", remedy="run it again")
        words = b"M %s inline %s\n" % (file.mode.value.encode(), _quoted(file.name))
        stream.write(b"%sdata %d\n%s\n" % (words, len(file.content), file.content))
    stream.write(b"\nget-mark :1\ndone\n")


def _quoted(name: str) -> bytes:
    """A path as fast-import takes it: in quotes, with the bytes that would end it escaped."""
    whole = name.encode(errors="surrogateescape")
    return b'"' + whole.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
