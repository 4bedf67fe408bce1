# SPDX-License-Identifier: GPL-2.0-only
"""Send the files of a commit to a host as a git pack: only what the host does not have, checked by git's own hashes.

A host has one repository for all sources, without histories: the commits to build, and those below a series.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.base.atomic_write import write_whole
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.kernel.git.repository import Repository, open_repository

_ORIGIN = "sources that other hosts have sent"
_KIND = "received-sources"
_MOST_KNOWN = 24
"""The number of commits that a host names as known to it: the last ones that it has received."""


def object_format(repository: Repository, *, deadline: Deadline) -> str:
    """Return the kind of the hashes of a repository: ``sha1`` or ``sha256``.

    :param repository: the repository.
    :param deadline: the end of the wait for git.
    :raises HostError: git failed.
    """
    return repository.git("rev-parse", "--show-object-format", deadline=deadline).text.strip()


def pack_source(
    repository: Repository, commits: Sequence[str], known: Iterable[str], folder: Path, *, deadline: Deadline
) -> Path:
    """Write a pack with some commits and all of their files, without those of commits that the host has.

    :param repository: has the commits.
    :param commits: the full hashes.
    :param known: full hashes of commits that the host has; one that is not in the repository is ignored.
    :param folder: receives the pack.
    :param deadline: the end of the wait for git.
    :raises HostError: git failed, or the disk is full.
    """
    names = "".join(f"{one}^{{tree}}\n" for one in known if one.isalnum())
    asked = ("cat-file", "--batch-check=%(objectname) %(objecttype)")
    lines = repository.git(*asked, stdin=names.encode(), deadline=deadline).text.splitlines() if names else []
    left_out = [f"^{line.split()[0]}" for line in lines if line.endswith(" tree")]
    trees = [f"{commit}^{{tree}}" for commit in commits]
    revisions = "".join(f"{one}\n" for one in (*trees, *left_out))
    listed = repository.git("rev-list", "--objects", "--stdin", stdin=revisions.encode(), deadline=deadline).stdout
    wanted = listed + "".join(f"{one}\n" for one in commits).encode()
    words = ("pack-objects", "-q", "--threads=0", str(folder / "pack"))
    digest = repository.git(*words, stdin=wanted, deadline=deadline).text.strip()
    return folder / f"pack-{digest}.pack"


def received_repository(context: Context, kind: str) -> Repository:
    """Return the repository of this host for the sources that it receives.

    :param context: the store.
    :param kind: the kind of its hashes.
    :raises HostError: git is missing or failed.
    """
    return open_repository(context, _ORIGIN, object_format=kind)


def known_commits(context: Context, repository: Repository) -> list[str]:
    """Return the commits that this host has received last, newest first.

    :param context: the store.
    :param repository: the repository of :func:`received_repository`.
    """
    found = (context.store.recall(_KIND, repository.key) or {}).get("commits")
    return [one for one in found if isinstance(one, str)][:_MOST_KNOWN] if isinstance(found, list) else []


def has_commits(repository: Repository, commits: Iterable[str], *, deadline: Deadline) -> bool:
    """Return whether a repository has some commits.

    :param repository: the repository.
    :param commits: their full hashes.
    :param deadline: the end of the wait for git.
    :raises HostError: git failed.
    """
    return all(repository.has_commit(one, deadline=deadline) for one in commits)


def take_pack(context: Context, repository: Repository, pack: Path, commits: Sequence[str]) -> None:
    """Add a pack to the repository of this host; git computes the hash of each object again.

    :param context: the store and the deadline.
    :param repository: the repository of :func:`received_repository`.
    :param pack: the pack, which is moved.
    :param commits: the commits that it is for, the oldest first.
    :raises HostError: the pack is damaged, or does not have the commits.
    """
    folder = repository.git_dir / "objects" / "pack"
    with context.store.complaints():
        folder.mkdir(parents=True, exist_ok=True)
        making = folder / f"tmp_{commits[-1]}_{pack.parent.name}.pack"
        shutil.move(pack, making)
    try:
        arguments = ("index-pack", "-o", str(making.with_suffix(".idx")), str(making))
        digest = repository.git(*arguments, deadline=context.deadline).text.split()[-1]
        with context.store.complaints():
            making.rename(folder / f"pack-{digest}.pack")
            making.with_suffix(".idx").rename(folder / f"pack-{digest}.idx")
    finally:
        making.unlink(missing_ok=True)
        making.with_suffix(".idx").unlink(missing_ok=True)
    if not has_commits(repository, commits, deadline=context.deadline):
        raise HostError("the files of the kernel arrived damaged", remedy="check the disks of both hosts, then retry")
    with context.store.lock(_KIND, repository.key):
        _end_history(repository, commits[0])
        known = [commits[-1], *(one for one in known_commits(context, repository) if one != commits[-1])]
        context.store.remember(_KIND, repository.key, {"commits": known[:_MOST_KNOWN]})


def _end_history(repository: Repository, commit: str) -> None:
    """Note that the parents of a commit are missing, see gitrepository-layout(5); the caller holds the lock."""
    file = repository.git_dir / "shallow"
    ends = file.read_text().split() if file.exists() else []
    if commit not in ends:
        write_whole(file, "".join(f"{one}\n" for one in (*ends, commit)).encode())
