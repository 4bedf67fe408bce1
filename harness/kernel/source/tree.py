# SPDX-License-Identifier: GPL-2.0-only
"""Where a kernel's source comes from: a commit in a repository of ours, made from a package or from a user's tree."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.kernel.git.repository import Repository as Repository
from harness.kernel.git.repository import borrow, open_repository
from harness.kernel.git.snapshot import snapshot_changes, snapshot_files
from harness.kernel.git.user_repository import (
    UserRepository,
    describe,
    find_user_repository,
    is_git_dir,
    require_complete,
    resolve,
    unknown_revision,
)
from harness.kernel.source.apt import Apt
from harness.kernel.source.source_package import import_source_package
from harness.model.origin import Origin, OriginKind

_HOST_APT = Apt()
_VERSION_LINE = re.compile(rb"^(VERSION|PATCHLEVEL)\s*=\s*\d+\s*$", re.MULTILINE)
_BLOB = re.compile(rb"[0-9a-f]+ blob (\d+)")
_SHOWN_NAMES = 6


@dataclass(frozen=True, slots=True)
class Source:
    """A kernel tree at one commit.

    :param commit: its full hash.
    :param origin: what it was taken from; printed, the source for people.
    :param uncommitted: how many files were taken as they are and differ from the user's commit.
    :param notes: what the user should know, one line each.
    """

    repository: Repository
    commit: str
    origin: Origin
    uncommitted: int = 0
    notes: tuple[str, ...] = ()


def source_package(context: Context, version: str, *, suite: str = "", apt: Apt = _HOST_APT) -> Source:
    """Return the distribution's source package for a kernel version, e.g. ``6.1``; fetch and import it if needed.

    :param suite: the suite of Debian's archive; empty for the suites of the host.
    :raises UsageError: there is none for that version, or the store cannot be written.
    :raises HostError: no apt, no package lists, no network, and nothing in the store.
    """
    package = import_source_package(context, version, suite=suite, apt=apt)
    origin = Origin(OriginKind.SOURCE_PACKAGE, package.package, package.version, suite=suite)
    return Source(package.repository, package.commit, origin, notes=(package.note,) if package.note else ())


def is_tree(path: Path) -> bool:
    """Return whether a folder is usable as a kernel tree: it has a kernel's files, or is a git repository."""
    return _why_no_kernel(path) == "" or (path / ".git").exists() or is_git_dir(path)


def source_tree(
    context: Context, path: Path, *, revision: str = "", on_repository: Callable[[Repository], None] | None = None
) -> Source:
    """Return a user's tree: at a revision, or with the files as they are. Nothing is written to the tree.

    :param path: a kernel tree, in git or not, or a bare repository.
    :param revision: whatever git takes for a commit; empty for the files as they are (of a bare repository: HEAD).
    :param on_repository: called with the repository in the store before the current files of a git tree are read.
    :raises UsageError: no such folder or revision, no kernel tree, or files that cannot be read.
    :raises HostError: git is missing or failed, the disk is full, or the deadline came.
    """
    try:
        if not path.is_dir():
            raise _no_tree(path, "it is a file" if path.exists() else "no such folder")
        next(path.iterdir(), None)
    except OSError as error:
        raise _no_tree(path, f"it cannot be read ({error.strerror})") from None
    theirs = find_user_repository(path, deadline=context.deadline)
    if theirs is None or (theirs.has_files and not revision):
        why_not = _why_no_kernel(path)
        if why_not:
            raise _no_tree(path, why_not)
    if theirs is None:
        if revision:
            raise UsageError(
                f"{path} is not the top of a git repository, so it has no revision {revision}",
                remedy=f"give {path} alone to test its files as they are",
            )
        return _plain(context, path)
    commit = resolve(theirs, revision or "HEAD", deadline=context.deadline)
    if not commit:
        if not revision and theirs.has_files:
            return _plain(context, path)
        is_empty = not (revision and resolve(theirs, "HEAD", deadline=context.deadline))
        raise unknown_revision(path, theirs, revision or "HEAD", is_empty=is_empty, deadline=context.deadline)
    of = os.fspath(theirs.common.resolve())
    repository = open_repository(context, of, object_format=theirs.object_format)
    with context.store.complaints():
        borrow(repository, objects=theirs.objects.resolve(), shallow=theirs.common / "shallow")
    called = describe(theirs, commit, deadline=context.deadline)
    source = Source(repository, commit, Origin(OriginKind.TREE, str(path.absolute()), called))
    if revision or not theirs.has_files:
        require_complete(path, theirs, repository, commit, deadline=context.deadline)
        why_not = _why_no_kernel_in(repository, commit, deadline=context.deadline)
        if why_not:
            raise _no_tree(path, f"in commit {commit[:12]}: {why_not}")
        return source
    if on_repository is not None:
        on_repository(repository)
    return _with_changes(context, path, theirs, repository, source)


def _with_changes(
    context: Context, path: Path, theirs: UserRepository, repository: Repository, source: Source
) -> Source:
    """Return the source with the tree's current files on top."""
    snapshot = snapshot_changes(
        context,
        repository,
        path.resolve(),
        git_dir=theirs.git_dir,
        head=source.commit,
        excludes=theirs.common / "info/exclude",
    )
    number = len(snapshot.changes)
    if not number:
        return source
    phrase = f"with {number} uncommitted change{'' if number == 1 else 's'}"
    shown = ", ".join(snapshot.changes[:_SHOWN_NAMES]) + (", ..." if number > _SHOWN_NAMES else "")
    origin = replace(source.origin, uncommitted=number)
    return Source(repository, snapshot.commit, origin, number, (f"{phrase}: {shown}",))


def _plain(context: Context, path: Path) -> Source:
    """Return the files of a folder that has no git history."""
    place = path.resolve()
    repository = open_repository(context, f"files of {place}")
    snapshot = snapshot_files(context, repository, place)
    return Source(repository, snapshot.commit, Origin(OriginKind.FILES, str(path.absolute())))


def _why_no_kernel(path: Path) -> str:
    """Return why a folder is not the top of a kernel tree; empty when it is."""
    try:
        makefile = (path / "Makefile").read_bytes()
    except OSError:
        return "it has no Makefile"
    return _why_not(makefile, has_kconfig=(path / "Kconfig").is_file())


def _why_no_kernel_in(repository: Repository, commit: str, *, deadline: Deadline) -> str:
    """Return why the files of a commit are not a kernel tree; empty when they are."""
    names = f"{commit}:Makefile\n{commit}:Kconfig\n".encode()
    found = repository.git("cat-file", "--batch", stdin=names, deadline=deadline).stdout
    # For each name "HASH blob SIZE", the content and a newline, or "NAME missing" (git-cat-file(1)).
    head, _, rest = found.partition(b"\n")
    if not (blob := _BLOB.fullmatch(head)):
        return "it has no Makefile"
    size = int(blob.group(1))
    kconfig = rest[size + 1 :].partition(b"\n")[0]
    return _why_not(rest[:size], has_kconfig=not kconfig.endswith(b" missing"))


def _why_not(makefile: bytes, *, has_kconfig: bool) -> str:
    if len(set(_VERSION_LINE.findall(makefile))) < 2:
        return "its Makefile has no VERSION and PATCHLEVEL"
    return "" if has_kconfig else "it has no Kconfig"


def _no_tree(path: Path, reason: str) -> UsageError:
    above = next((folder for folder in path.absolute().parents if not _why_no_kernel(folder)), None)
    return UsageError(
        f"{path} is not a kernel tree: {reason}",
        evidence="required: a Makefile with VERSION and PATCHLEVEL, and a Kconfig, in the top folder",
        remedy=f"give {above}, the top folder"
        if above
        else "give the top folder of a kernel tree, or a git repository of the kernel and a revision",
    )
