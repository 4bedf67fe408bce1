# SPDX-License-Identifier: GPL-2.0-only
"""Find a git repository of the user and resolve its revisions; it is only read."""

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
    """A git repository of the user, which is only read.

    :param git_dir: the git folder of the work tree.
    :param common: the git folder of all its work trees.
    :param objects: the object folder.
    :param object_format: ``sha1`` or ``sha256``.
    :param has_files: whether the given path is the top of a work tree.
    """

    git_dir: Path
    common: Path
    objects: Path
    object_format: str
    has_files: bool


def find_user_repository(path: Path, *, deadline: Deadline) -> UserRepository | None:
    """Find the repository with this top folder or git folder; None when the path is neither.

    :raises HostError: git is missing, or the deadline has passed.
    """
    result = git(
        None,
        "rev-parse",
        *("--path-format=absolute", "--git-dir", "--git-common-dir", "--git-path", "objects"),
        *("--show-object-format", "--is-inside-work-tree", "--show-prefix"),
        files=GitFiles(cwd=path),
        check=False,
        deadline=deadline,
    )
    if result.status != 0:
        return None
    git_dir, common, objects, object_format, is_inside, prefix = os.fsdecode(result.stdout).split("\n")[:6]
    has_files = is_inside == "true"
    if prefix or not (has_files or Path(git_dir).resolve() == path.resolve()):
        return None
    return UserRepository(Path(git_dir), Path(common), Path(objects), object_format, has_files)


def resolve(theirs: UserRepository, revision: str, *, deadline: Deadline) -> str:
    """Return the full hash of the commit that a revision names; empty for no such commit.

    :raises HostError: git is missing, or the deadline has passed.
    """
    hashed = revision
    # In two steps: ':/text' would treat a '^{commit}' behind it as a part of the text.
    for suffix in ("", "^{commit}") if ":" in revision else ("^{commit}",):
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{hashed}{suffix}")
        result = git(theirs.git_dir, *arguments, check=False, deadline=deadline)
        hashed = result.text.strip()
        if result.status != 0 or not _HASH.fullmatch(hashed):
            return ""
    return hashed


def unknown_revision(
    path: Path, theirs: UserRepository, revision: str, *, is_empty: bool, deadline: Deadline
) -> UsageError:
    """Return the error for a revision that names no commit, with similar names.

    :param is_empty: whether the repository has no commit at all.
    :raises HostError: git is missing, or the deadline has passed.
    """
    if is_empty:
        return UsageError(
            f"the git repository {path} has no commit {revision}",
            remedy=f"make a first commit, or give {path} for its files as they are",
        )
    arguments = ("for-each-ref", "--format=%(refname:lstrip=2)", "refs/tags", "refs/heads", "refs/remotes")
    names = git(theirs.git_dir, *arguments, deadline=deadline).text.split()
    near = difflib.get_close_matches(revision, names, _SHOWN_NAMES, 0.5)
    result = git(theirs.git_dir, "rev-parse", "--verify", "--end-of-options", revision, check=False, deadline=deadline)
    reason = "\n".join(line for line in result.complaint.splitlines() if line and "single revision" not in line)
    shown = ["similar names:", *near] if near else [f"none of its {len(names)} tags and branches has a similar name"]
    if theirs.common.joinpath("shallow").exists():
        shown.append("it is a shallow clone without older commits")
    return UsageError(
        f"{path} has no revision {revision}",
        evidence="\n".join(filter(None, [reason, *shown])),
        remedy=f"give an existing tag, branch or commit; fetch new ones with: git -C {path} fetch --tags",
    )


def describe(theirs: UserRepository, commit: str, *, deadline: Deadline) -> str:
    """Name a commit by the nearest tag before it; by its short hash when none is found within five seconds.

    :raises HostError: git is missing, or the deadline has passed.
    """
    arguments = ("describe", "--tags", "--always", "--abbrev=12", commit)
    try:
        result = git(theirs.git_dir, *arguments, check=False, deadline=deadline.sooner(_DESCRIBE_SECONDS))
    except HostError:
        if deadline.is_past:
            raise
        return commit[:12]
    return result.text.strip() or commit[:12]


def is_git_dir(path: Path) -> bool:
    """Return whether git treats a folder as a repository (gitrepository-layout(5))."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def require_complete(
    path: Path, theirs: UserRepository, repository: Repository, commit: str, *, deadline: Deadline
) -> None:
    """Require that all files of a commit are present: a partial clone fetches missing ones, and the harness must not.

    :param repository: the repository in the store that borrows the objects.
    :raises UsageError: files are missing.
    :raises HostError: git failed, or the deadline has passed.
    """
    arguments = ("config", "--get-regexp", r"^(extensions\.partialclone|remote\..*\.promisor)$")
    if git(theirs.git_dir, *arguments, check=False, deadline=deadline).status != 0:
        return
    walk = ("rev-list", "--objects", "--no-walk", "--missing=print", commit)
    missing = [line for line in repository.git(*walk, deadline=deadline).text.splitlines() if line.startswith("?")]
    if missing:
        raise UsageError(
            f"{path} is a partial clone without {len(missing)} of the files of commit {commit[:12]}",
            evidence="'git clone --filter=...' leaves files on the server until they are needed",
            remedy=f"fetch them: git -C {path} archive {commit} >/dev/null",
        )
