"""Whether a patch would apply to a commit, tried in an index of its own that holds the touched files alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import Completed
from harness.kernel.git.command import GitFiles, git
from harness.kernel.git.repository import Repository
from harness.kernel.git.revisions import find_commit, near_tags, newest_tags

_SEARCH_SECONDS = 5.0
_MOST_WORDS = 1000
_LINK = b"120000"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a commit: its mode and the hash of its content."""

    mode: bytes
    blob: bytes


def read_entries(
    repository: Repository, commit: str, names: Sequence[str], *, deadline: Deadline
) -> Mapping[str, Entry]:
    """The files and links of a commit by those names; a name that it does not have is left out.

    :raises HostError: there is no such commit, git is missing, or did not end before the deadline.
    """
    found: dict[str, Entry] = {}
    for start in range(0, len(names), _MOST_WORDS):
        words = ("ls-tree", "-z", "--full-tree", commit, "--", *names[start : start + _MOST_WORDS])
        # A file may be called ":(top)x" (gitglossary(7), pathspec).
        for line in repository.git("--literal-pathspecs", *words, deadline=deadline).stdout.split(b"\0")[:-1]:
            head, _, name = line.partition(b"\t")
            mode, kind, blob = head.split()
            if kind == b"blob":
                found[name.decode(errors="surrogateescape")] = Entry(mode, blob)
    return found


def read_files(repository: Repository, entries: Mapping[str, Entry], *, deadline: Deadline) -> Mapping[str, bytes]:
    """The content of each entry.

    :raises HostError: an object is not there.
    """
    return {
        name: repository.git("cat-file", "blob", entry.blob.decode(), deadline=deadline).stdout
        for name, entry in entries.items()
    }


def links_above(repository: Repository, commit: str, files: Sequence[str], *, deadline: Deadline) -> tuple[str, ...]:
    """The symbolic links of a commit that one of the files, by its path, would lead through.

    :raises HostError: as :func:`read_entries`.
    """
    above = {parent.as_posix() for file in files for parent in Path(file).parents} - {".", "/"}
    entries = read_entries(repository, commit, sorted(above), deadline=deadline)
    return tuple(name for name, entry in entries.items() if entry.mode == _LINK)


def try_patch(
    repository: Repository, commit: str, text: bytes, files: Sequence[str], *, reverse: bool = False, deadline: Deadline
) -> Completed:
    """What git-apply(1) --check says of applying the text (one patch, or several on each other) to a commit.

    :param files: the files that the text touches. :param reverse: whether to take the patch off instead.
    :raises HostError: there is no such commit, or git did not end before the deadline.
    """
    with _index(repository, commit, files, deadline=deadline) as index:
        words = ("apply", "--check", "--cached", *(("--reverse",) if reverse else ()), "-")
        return git(repository.git_dir, *words, stdin=text, files=GitFiles(index=index), check=False, deadline=deadline)


def find_tag(repository: Repository, base: str, text: bytes, files: Sequence[str], *, deadline: Deadline) -> str:
    """The newest tag of the tree that the text applies to; empty if none is found in some seconds.

    Those near ``base`` are tried first, as one of them is likely, then those that are newer than the one found.
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
    """An index with those files of a commit; reading the whole of a kernel's takes ten times as long."""
    entries = read_entries(repository, commit, files, deadline=deadline)
    listed = b"".join(
        b"%b %b\t%b\0" % (entry.mode, entry.blob, name.encode(errors="surrogateescape"))
        for name, entry in entries.items()
    )
    with tempfile.TemporaryDirectory(prefix="harness-index-") as folder:
        index = Path(folder) / "index"
        words = ("update-index", "-z", "--index-info")
        git(repository.git_dir, *words, stdin=listed, files=GitFiles(index=index), deadline=deadline)
        yield index
