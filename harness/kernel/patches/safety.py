# SPDX-License-Identifier: GPL-2.0-only
"""What no series may do: read from its text, before anything is run or written. Pure.

git-apply(1) refuses some of this by itself; what is refused here does not depend on git's version or settings, and says
which patch and file. Refused are paths that leave the tree, also through a symbolic link, git's own files, changes that
nobody can read (binary parts, NUL bytes), commits of other repositories (gitlinks), and sheer size.

``.gitattributes`` is refused although a few honest patches change it: it decides what git writes into files
(``eol``, ``ident``, ``working-tree-encoding`` of gitattributes(5)), so what is built would not be what the diff shows.
``.gitignore`` and ``.mailmap`` decide nothing of a build and are allowed.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable

from harness.base.errors import SeriesError
from harness.kernel.mail.diff import FileChange, Region, read_changes, read_lines

PATCHES_LIMIT = 2000
SERIES_LIMIT_BYTES = 64 * 1024 * 1024

_FILE_MODES = ("100644", "100755", "120000")
_LINK = "120000"
_GITLINK = "160000"
_GIT_FOLDER = (".git", "git~1")  # the second is how FAT and NTFS know the first (path.c, is_ntfs_dotgit)
_GIT_FILES = (".gitmodules", ".gitattributes")
# HFS+ passes over these within a name (utf8.c of git, next_hfs_char).
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_size(texts: Collection[bytes], *, name: str) -> None:
    """Refuse a series of absurd size.

    :raises SeriesError: it has too many patches or bytes.
    """
    size = sum(map(len, texts))
    if len(texts) > PATCHES_LIMIT or size > SERIES_LIMIT_BYTES:
        raise SeriesError(
            f"{name} is too large: {len(texts)} patches, {size} bytes",
            evidence=f"the limits are {PATCHES_LIMIT} patches and {SERIES_LIMIT_BYTES} bytes",
            remedy="apply it to a tree yourself, and give that tree",
        )


def check_patch(text: bytes, links: Collection[str], *, called: str) -> tuple[str, ...]:
    """Refuse a patch that reaches where no patch may, or that is damaged.

    :param links: the symbolic links of the tree, and those that earlier patches of the series made.
    :param called: the patch and its file, for errors: ``patch 2/3 of topic.mbox``.
    :returns: the symbolic links that this patch makes.
    :raises SeriesError: it is refused; the sentence names the patch, the evidence the line.
    """
    if b"\0" in text:
        raise _refused(called, "holds NUL bytes: it is not text", "", "send it as text")
    for line in read_lines(text):
        if line.region is Region.DAMAGE:
            shown = line.content.decode(errors="replace")
            raise SeriesError(
                f"{called} is damaged: a hunk ends before its @@ line says",
                evidence=f"line {line.number}: {shown}" if shown else "the text ends within a hunk",
                remedy="a mail program may have folded or cut lines; get the patch as it was sent (git send-email)",
            )
    made: list[str] = []
    for change in read_changes(text):
        _check_change(change, called)
        for file in change.files:
            check_file(file, [*links, *made], called=called)
        if _LINK in change.modes and change.added:
            target = change.added[0].decode(errors="surrogateescape")
            check_link(change.files[0], target, called=called)
        if _LINK in change.modes:
            made += change.files
    return tuple(made)


def check_file(file: str, links: Iterable[str], *, called: str) -> None:
    """Refuse a path of the tree, ``links`` being the symbolic links there.

    :raises SeriesError: it leaves the tree, leads through a link or is git's own.
    """
    parts = file.split("/")
    if _CONTROL.search(file):
        raise _refused(called, "has a path with control characters", repr(file), "rename the file")
    if file.startswith("/") or ".." in parts:
        raise _refused(called, f"reaches outside the tree: {file}", "", "make it change files of the tree only")
    for part in parts:
        plain = _IGNORED.sub("", part).casefold().rstrip(". ").partition(":")[0]
        if plain in _GIT_FOLDER:
            raise _refused(called, f"changes git's own files: {file}", "", "remove that part of the patch")
    if _IGNORED.sub("", parts[-1]).casefold() in _GIT_FILES:
        reason = "it decides what git writes into files, so what is built would not be what the diff shows"
        raise _refused(called, f"changes git's own files: {file}", reason, "remove that part to test the series")
    through = next((link for link in links if file.startswith(f"{link}/")), None)
    if through is not None:
        raise _refused(called, f"reaches through a symbolic link: {file}", f"{through} is one", "name the file itself")


def check_link(file: str, target: str, *, called: str) -> None:
    """Refuse a symbolic link that points outside the tree or at git's files.

    :raises SeriesError: it does.
    """
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
    if target.startswith("/") or reached.split("/")[0] in ("..", *_GIT_FOLDER):
        raise _refused(called, f"makes a symbolic link that leaves the tree: {file} -> {target}", "", "link within it")


def _check_change(change: FileChange, called: str) -> None:
    where = f"line {change.line} of its text"
    names = ", ".join(change.files) or "a file without a name"
    for path in change.paths:
        stripped = path.partition("/")[2]
        if path.startswith("/") or stripped.startswith("/") or ".." in path.split("/"):
            raise _refused(called, f"reaches outside the tree: {path}", where, "make it change files of the tree only")
    if change.binary:
        raise _refused(
            called, f"changes a file that is not text: {names}", where, "remove that part to test the series"
        )
    for mode in change.modes:
        if mode == _GITLINK:
            raise _refused(called, f"adds a submodule commit at {names}", where, "add the files themselves")
        if mode not in _FILE_MODES:
            raise _refused(called, f"gives {names} the mode {mode}, which no file of a tree has", where, "use 100644")


def _refused(called: str, what: str, evidence: str, remedy: str) -> SeriesError:
    return SeriesError(f"{called} {what}", evidence=evidence, remedy=remedy)
