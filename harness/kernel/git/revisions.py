"""Names of commits for people: a tree's tags and branches, which are read where they are, in the user's repository."""

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
    """The git folder whose names tell of the repository's commits: the one it borrows objects from, else its own."""
    try:
        lent = (repository.git_dir / "objects/info/alternates").read_text().splitlines()
    except OSError:
        return repository.git_dir
    folder = Path(lent[0]).parent if lent else repository.git_dir
    return folder if (folder / "HEAD").exists() else repository.git_dir


def find_commit(repository: Repository, revision: str, *, deadline: Deadline) -> str:
    """The full hash of the commit that a revision names (gitrevisions(7)); empty when there is none.

    :raises HostError: git is missing, or the deadline came.
    """
    if revision.startswith("-"):
        return ""
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    for folder in dict.fromkeys((find_names(repository), repository.git_dir)):
        said = git(folder, *words, deadline=deadline, check=False)
        if said.status == 0:
            return said.text.split()[-1]
    return ""


def describe(repository: Repository, commit: str, *, deadline: Deadline) -> str:
    """A commit in a word for people: ``v6.6-12-gabcdef``, or the start of its hash."""
    words = ("describe", "--tags", "--always", f"--abbrev={_SHORT}", commit)
    try:
        said = git(find_names(repository), *words, deadline=deadline.sooner(_DESCRIBE_SECONDS), check=False)
    except HostError:  # a long history; the hash will do
        return commit[:_SHORT]
    return said.text.strip() if said.status == 0 else commit[:_SHORT]


def newest_tags(repository: Repository, *, deadline: Deadline) -> list[str]:
    """The tree's tags by the order of their versions, the newest first.

    :raises HostError: the deadline came.
    """
    words = ("-c", "versionsort.suffix=-rc", "tag", "--list", "--sort=-version:refname")
    return git(find_names(repository), *words, deadline=deadline, check=False).text.split()


def near_tags(repository: Repository, commit: str, *, deadline: Deadline) -> Iterator[str]:
    """The tree's tags by the order of their versions, from the last one before the commit outwards.

    :raises HostError: the deadline came.
    """
    folder = find_names(repository)
    tags = newest_tags(repository, deadline=deadline)[::-1]
    last = git(folder, "describe", "--tags", "--abbrev=0", commit, deadline=deadline, check=False).text.strip()
    here = tags.index(last) if last in tags else len(tags) - 1
    for distance in range(len(tags)):
        for place in dict.fromkeys((here + distance, here - distance)):
            if 0 <= place < len(tags):
                yield tags[place]
