# SPDX-License-Identifier: GPL-2.0-only
"""Switch a folder from the files of one commit to those of a similar one, without git's index of all files.

``git reset`` and ``git clean`` read an index of 80,000 files, compare it with the folder and write it: half a second.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from harness.base.deadline import Deadline
from harness.kernel.git.repository import Repository

_MOST_FILES = 200
_ADDED, _DELETED = "A", "D"
_LINK, _EXECUTABLE, _PLAIN = "120000", "100755", "100644"
_GONE = ""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file that differs between two commits.

    :param mode: its mode in the newer one, as git writes it; empty for a removed file.
    :param blob: the hash of its content; meaningless for a removed file.
    :param is_new: whether the older commit does not have it.
    """

    name: str
    mode: str
    blob: str
    is_new: bool


def read_changes(repository: Repository, old: str, new: str, *, deadline: Deadline) -> list[ChangedFile]:
    """Return the files that differ between two commits.

    :raises HostError: no such commit, or git failed.
    """
    listed = repository.git("diff-tree", "-r", "-z", "--no-renames", old, new, deadline=deadline).stdout
    fields = os.fsdecode(listed).split("\0")
    changes = []
    for facts, name in zip(fields[::2], fields[1::2], strict=False):
        _, mode, _, blob, status = facts.split(" ")
        changes.append(ChangedFile(name, _GONE if status == _DELETED else mode, blob, status == _ADDED))
    return changes


def switch_files(repository: Repository, changes: list[ChangedFile], top: Path, *, deadline: Deadline) -> bool:
    """Write the changed files into a folder that has exactly the files of the older commit.

    :return: whether it was done; not for many files, nor for a submodule.
    :raises HostError: git failed.
    """
    there = [one for one in changes if one.mode != _GONE]
    if len(changes) > _MOST_FILES or any(one.mode not in (_LINK, _EXECUTABLE, _PLAIN) for one in there):
        return False
    contents = _read_blobs(repository, [one.blob for one in there], deadline=deadline)
    # Removed first: a file may replace a folder, or a folder a file or a link, through which no name may be followed.
    for one in changes:
        if not one.is_new:
            (top / one.name).unlink()
        if one.mode == _GONE:
            _remove_empty((top / one.name).parent, top)
    for one, content in zip(there, contents, strict=True):
        _write(top / one.name, one.mode, content)
    return True


def _write(path: Path, mode: str, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == _LINK:
        path.symlink_to(os.fsdecode(content))
        return
    permissions = 0o777 if mode == _EXECUTABLE else 0o666
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, permissions), "wb") as file:
        file.write(content)


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder and those above it that are empty, below the top folder."""
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def _read_blobs(repository: Repository, blobs: list[str], *, deadline: Deadline) -> list[bytes]:
    """Return the contents of files; one git call reads all."""
    if not blobs:
        return []
    asked = "".join(f"{blob}\n" for blob in blobs).encode()
    rest = repository.git("cat-file", "--batch=%(objectsize)", stdin=asked, deadline=deadline).stdout
    contents = []
    for _ in blobs:
        size, _, rest = rest.partition(b"\n")
        contents.append(rest[: int(size)])
        rest = rest[int(size) + 1 :]
    return contents
