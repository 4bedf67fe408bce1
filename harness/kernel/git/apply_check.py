# SPDX-License-Identifier: GPL-2.0-only
"""Check whether a patch applies to a commit, in a temporary index with the touched files alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import Completed
from harness.base.scratch import scratch_folder
from harness.kernel.git.command import GitFiles, git
from harness.kernel.git.repository import Repository
from harness.kernel.git.revisions import find_commit, near_tags, newest_tags

_SEARCH_SECONDS = 5.0
_MOST_NAMES = 1000
_LINK = b"120000"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a commit: its mode and the hash of its content."""

    mode: bytes
    blob: bytes


def read_entries(
    repository: Repository, commit: str, names: Sequence[str], *, deadline: Deadline
) -> Mapping[str, Entry]:
    """Return the files and links of a commit by name; names that the commit does not have are left out.

    :raises HostError: no such commit, git is missing, or the deadline has passed.
    """
    found: dict[str, Entry] = {}
    for start in range(0, len(names), _MOST_NAMES):
        arguments = ("ls-tree", "-z", "--full-tree", commit, "--", *names[start : start + _MOST_NAMES])
        # A file may be called ":(top)x" (gitglossary(7), pathspec).
        for line in repository.git("--literal-pathspecs", *arguments, deadline=deadline).stdout.split(b"\0")[:-1]:
            head, _, name = line.partition(b"\t")
            mode, kind, blob = head.split()
            if kind == b"blob":
                found[name.decode(errors="surrogateescape")] = Entry(mode, blob)
    return found


def read_files(repository: Repository, entries: Mapping[str, Entry], *, deadline: Deadline) -> Mapping[str, bytes]:
    """Return the content of each entry, by name.

    :raises HostError: an object is missing.
    """
    return {
        name: repository.git("cat-file", "blob", entry.blob.decode(), deadline=deadline).stdout
        for name, entry in entries.items()
    }


def links_above(repository: Repository, commit: str, files: Sequence[str], *, deadline: Deadline) -> tuple[str, ...]:
    """Return the symbolic links of a commit that are on the path of one of the files.

    :raises HostError: as :func:`read_entries`.
    """
    above = {parent.as_posix() for file in files for parent in Path(file).parents} - {".", "/"}
    entries = read_entries(repository, commit, sorted(above), deadline=deadline)
    return tuple(name for name, entry in entries.items() if entry.mode == _LINK)


def try_patch(
    repository: Repository, commit: str, text: bytes, files: Sequence[str], *, reverse: bool = False, deadline: Deadline
) -> Completed:
    """Run git-apply(1) --check with a text of one patch, or of several on each other, on a commit.

    :param files: the files that the text touches.
    :param reverse: check whether the patch can be reverted.
    :return: the exit status and output of git.
    :raises HostError: no such commit, or the deadline has passed.
    """
    with _index(repository, commit, files, deadline=deadline) as index:
        arguments = ("apply", "--check", "--cached", *(("--reverse",) if reverse else ()), "-")
        files_of_git = GitFiles(index=index)
        return git(repository.git_dir, *arguments, stdin=text, files=files_of_git, check=False, deadline=deadline)


def find_tag(repository: Repository, base: str, text: bytes, files: Sequence[str], *, deadline: Deadline) -> str:
    """Find the newest tag of the tree that the text applies to; empty if none is found within five seconds.

    Tags near ``base`` are tried first, being the most likely, then those that are newer than the one found.

    :param files: the files that the text touches.
    :raises HostError: the deadline has passed.
    """
    soon = deadline.sooner(_SEARCH_SECONDS)

    def applies(tag: str) -> bool:
        commit = find_commit(repository, f"refs/tags/{tag}", deadline=soon)
        return commit not in ("", base) and try_patch(repository, commit, text, files, deadline=soon).status == 0

    found = ""
    try:
        found = next(filter(applies, near_tags(repository, base, deadline=soon)), "")
        for tag in newest_tags(repository, deadline=soon) if found else ():
            if tag == found or applies(tag):
                return tag
    except HostError:
        if deadline.is_past:
            raise
    return found


@contextmanager
def _index(repository: Repository, commit: str, files: Sequence[str], *, deadline: Deadline) -> Iterator[Path]:
    """Make an index with some files of a commit; an index of all files of a kernel takes ten times as long."""
    entries = read_entries(repository, commit, files, deadline=deadline)
    listed = b"".join(
        b"%b %b\t%b\0" % (entry.mode, entry.blob, name.encode(errors="surrogateescape"))
        for name, entry in entries.items()
    )
    with scratch_folder("index") as folder:
        index = folder / "index"
        arguments = ("update-index", "-z", "--index-info")
        git(repository.git_dir, *arguments, stdin=listed, files=GitFiles(index=index), deadline=deadline)
        yield index
