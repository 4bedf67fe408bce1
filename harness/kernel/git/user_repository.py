"""A git repository of the user's, which is only read: where it is, and which commit a revision of it names."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.kernel.git.command import GitFiles, git
from harness.kernel.git.repository import Repository

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DESCRIBE_SECONDS = 5.0
_SHOWN_NAMES = 6


@dataclass(frozen=True, slots=True)
class UserRepository:
    """A repository of the user's, which is only read.

    :param git_dir: of the work tree. :param common: of all its work trees.
    :param has_files: whether the path that was given is the top of a work tree.
    """

    git_dir: Path
    common: Path
    objects: Path
    object_format: str
    has_files: bool


def find_user_repository(path: Path, *, deadline: Deadline) -> UserRepository | None:
    """The repository whose top folder, or whose own folder, that path is; None when it is neither.

    :raises HostError: git is missing, or the deadline came.
    """
    asked = git(
        None,
        "rev-parse",
        *("--path-format=absolute", "--git-dir", "--git-common-dir", "--git-path", "objects"),
        *("--show-object-format", "--is-inside-work-tree", "--show-prefix"),
        files=GitFiles(cwd=path),
        check=False,
        deadline=deadline,
    )
    if asked.status != 0:
        return None
    git_dir, common, objects, object_format, is_inside, prefix = os.fsdecode(asked.stdout).split("\n")[:6]
    has_files = is_inside == "true"
    if prefix or not (has_files or Path(git_dir).resolve() == path.resolve()):
        return None
    return UserRepository(Path(git_dir), Path(common), Path(objects), object_format, has_files)


def resolve(theirs: UserRepository, revision: str, *, deadline: Deadline) -> str:
    """The full hash of the commit that a revision names; empty when it names none.

    :raises HostError: git is missing, or the deadline came.
    """
    hashed = revision
    # Twice: ':/text' would take a '^{commit}' behind it for a part of the text.
    for suffix in ("", "^{commit}"):
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{hashed}{suffix}")
        asked = git(theirs.git_dir, *words, check=False, deadline=deadline)
        hashed = asked.text.strip()
        if asked.status != 0 or not _HASH.fullmatch(hashed):
            return ""
    return hashed


def unknown_revision(
    path: Path, theirs: UserRepository, revision: str, *, is_empty: bool, deadline: Deadline
) -> UsageError:
    """The error for a revision that names no commit: what is near. :param is_empty: there is no commit at all."""
    if is_empty:
        return UsageError(f"the git repository {path} has no commit {revision}", remedy=f"commit there, or give {path}")
    words = ("for-each-ref", "--format=%(refname:lstrip=2)", "refs/tags", "refs/heads", "refs/remotes")
    names = git(theirs.git_dir, *words, deadline=deadline).text.split()
    near = difflib.get_close_matches(revision, names, _SHOWN_NAMES, 0.5)
    asked = git(theirs.git_dir, "rev-parse", "--verify", "--end-of-options", revision, check=False, deadline=deadline)
    said = "\n".join(line for line in asked.complaint.splitlines() if line and "single revision" not in line)
    shown = ["near names:", *near] if near else [f"it has {len(names)} tags and branches, and none is near"]
    if theirs.common.joinpath("shallow").exists():
        shown.append("it is a shallow clone: older commits are not there")
    return UsageError(
        f"{path} has no revision {revision}",
        evidence="\n".join(filter(None, [said, *shown])),
        remedy="give a tag, a branch or a commit that is there; 'git fetch --tags' gets what others have published",
    )


def describe(theirs: UserRepository, commit: str, *, deadline: Deadline) -> str:
    """A commit by the nearest tag before it; by its short hash when there is none, or none is found quickly.

    :raises HostError: git is missing, or the deadline came.
    """
    words = ("describe", "--tags", "--always", "--abbrev=12", commit)
    try:
        asked = git(theirs.git_dir, *words, check=False, deadline=deadline.sooner(_DESCRIBE_SECONDS))
    except HostError:
        if deadline.is_past:
            raise
        return commit[:12]
    return asked.text.strip() or commit[:12]


def is_git_dir(path: Path) -> bool:
    """Whether git would take that folder for a repository (gitrepository-layout(5))."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def require_complete(
    path: Path, theirs: UserRepository, repository: Repository, commit: str, *, deadline: Deadline
) -> None:
    """Hold that all files of a commit are there: a partial clone fetches what it lacks, and ours must not.

    :param repository: ours, which borrows the objects.
    :raises UsageError: some are not. :raises HostError: git failed, or the deadline came.
    """
    words = ("config", "--get-regexp", r"^(extensions\.partialclone|remote\..*\.promisor)$")
    if git(theirs.git_dir, *words, check=False, deadline=deadline).status != 0:
        return
    walk = ("rev-list", "--objects", "--no-walk", "--missing=print", commit)
    missing = [line for line in repository.git(*walk, deadline=deadline).text.splitlines() if line.startswith("?")]
    if missing:
        raise UsageError(
            f"{path} is a partial clone without {len(missing)} of the files of commit {commit[:12]}",
            evidence="'git clone --filter=...' leaves files with the server until they are asked for",
            remedy=f"ask for them: git -C {path} archive {commit} >/dev/null",
        )
