# SPDX-License-Identifier: GPL-2.0-only
"""Find commits by revision and name them for people, by the tags and branches of the user's repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.kernel.git.command import git
from harness.kernel.git.repository import Repository

_DESCRIBE_SECONDS = 3.0
_SHORT = 12


def find_names(repository: Repository) -> Path:
    """Return the git folder with the tags and branches: that of the repository it borrows from, else its own."""
    try:
        lent = (repository.git_dir / "objects/info/alternates").read_text().splitlines()
    except OSError:
        return repository.git_dir
    folder = Path(lent[0]).parent if lent else repository.git_dir
    return folder if (folder / "HEAD").exists() else repository.git_dir


def find_commit(repository: Repository, revision: str, *, deadline: Deadline) -> str:
    """Return the full hash of the commit that a revision names (gitrevisions(7)); empty for no such commit.

    :raises HostError: git is missing, or the deadline has passed.
    """
    if revision.startswith("-"):
        return ""
    arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    for folder in dict.fromkeys((find_names(repository), repository.git_dir)):
        result = git(folder, *arguments, deadline=deadline, check=False)
        if result.status == 0:
            return result.text.split()[-1]
    return ""


def describe(repository: Repository, commit: str, *, deadline: Deadline) -> str:
    """Return a short name of a commit: ``v6.6-12-gabcdef``, or the start of its hash."""
    arguments = ("describe", "--tags", "--always", f"--abbrev={_SHORT}", commit)
    try:
        result = git(find_names(repository), *arguments, deadline=deadline.sooner(_DESCRIBE_SECONDS), check=False)
    except HostError:  # git describe is slow in a long history
        return commit[:_SHORT]
    return result.text.strip() if result.status == 0 else commit[:_SHORT]


def newest_tags(repository: Repository, *, deadline: Deadline) -> list[str]:
    """Return the tree's tags sorted by version, the newest first.

    :raises HostError: the deadline has passed.
    """
    arguments = ("-c", "versionsort.suffix=-rc", "tag", "--list", "--sort=-version:refname")
    return git(find_names(repository), *arguments, deadline=deadline, check=False).text.split()


def near_tags(repository: Repository, commit: str, *, deadline: Deadline) -> Iterator[str]:
    """Yield the tree's tags sorted by distance in version order from the last tag before a commit.

    :raises HostError: the deadline has passed.
    """
    folder = find_names(repository)
    tags = newest_tags(repository, deadline=deadline)[::-1]
    last = git(folder, "describe", "--tags", "--abbrev=0", commit, deadline=deadline, check=False).text.strip()
    here = tags.index(last) if last in tags else len(tags) - 1
    for distance in range(len(tags)):
        for index in dict.fromkeys((here + distance, here - distance)):
            if 0 <= index < len(tags):
                yield tags[index]
