# SPDX-License-Identifier: GPL-2.0-only
"""Read the history to bisect from git: the commits between two revisions of a tree, or the patches of a series.

The user's repository is only read, through a repository of the harness that borrows its objects. Revisions are resolved
once; later only hashes are used, so a branch that moves does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.bisect.commit_graph import Commit, Lineage, is_built
from harness.kernel.git.repository import Repository
from harness.kernel.source.locate import find_named
from harness.kernel.source.tree import is_tree, source_tree
from harness.model.kernel_spec import PathReading, SpecKind, parse_spec

_STRUCTURE = "--format=%H%x00%T%x00%P%x00%s"


@dataclass(frozen=True, slots=True)
class CommitRange:
    """A history between two ends.

    :param repository: a repository with all of the commits.
    :param lineage: the graph of the commits.
    :param good: the full hash of the older end.
    :param bad: the full hash of the newer end.
    :param roots: the start of the history: the good end, or the merge bases of the ends.
    :param commits: the number of commits after the roots, the bad end included.
    :param kernel: returns the KERNEL argument of a commit.
    :param numbers: the number of each patch of a series, by hash; empty for a tree.
    :param fragments: the configuration fragments that a shipped series needs.
    """

    repository: Repository
    lineage: Lineage
    good: str
    bad: str
    roots: tuple[str, ...]
    commits: int
    kernel: Callable[[str], str]
    numbers: Mapping[str, int]
    fragments: tuple[str, ...] = ()

    def called(self, commit: str) -> str:
        """Return the short name of a commit: its hash, ``patch 3`` or ``base``."""
        number = self.numbers.get(commit)
        return commit[:12] if number is None else f"patch {number}" if number else "base"

    @property
    def inert(self) -> int:
        """Return the number of commits that change no file that is built."""
        return self.commits - (len(self.lineage) - len(self.roots))


@dataclass(frozen=True, slots=True)
class Message:
    """Author, date and message of a commit."""

    hash: str
    author: str
    date: str
    subject: str
    body: str


def walk_tree(context: Context, word: str, *, good: str, bad: str) -> CommitRange:
    """Read the commits of a kernel tree between two revisions.

    :param word: the tree as a KERNEL argument.
    :param good: a revision.
    :param bad: a revision; empty for that of the argument, or HEAD.
    :raises UsageError: no such tree or revision, or the ends are the same, in the wrong order or unrelated.
    :raises HostError: git is missing or failed, or the deadline came.
    """
    tree = _find_tree(word)
    path = tree.path
    if not good:
        raise UsageError("--good is missing", remedy="name a revision that works: --good v6.1")
    older = source_tree(context, Path(path), revision=good)
    newer = source_tree(context, Path(path), revision=bad or tree.revision or "HEAD")
    repository, ends = older.repository, (older.commit, newer.commit)
    roots = _find_roots(repository, *ends, names=(good, bad or tree.revision or "HEAD"), deadline=context.deadline)
    between = f"{ends[0]}..{ends[1]}" if roots == ends[:1] else f"{ends[0]}...{ends[1]}"
    commits = [
        *_read_roots(repository, roots, deadline=context.deadline),
        *_read(repository, between, deadline=context.deadline),
    ]
    lineage = Lineage(commits, roots)
    return CommitRange(
        repository, lineage, *ends, roots, len(commits) - len(roots), lambda commit: f"{path}@{commit}", numbers={}
    )


def read_message(repository: Repository, commit: str, *, deadline: Deadline) -> Message:
    """Read author, date and message of a commit.

    :raises HostError: the commit is missing, or git failed.
    """
    arguments = ("show", "--no-patch", "--format=%H%x00%an <%ae>%x00%ad%x00%s%x00%b", "--date=format:%Y-%m-%d", commit)
    name, author, date, subject, body = repository.git(*arguments, deadline=deadline).text.rstrip("\n").split("\0")
    return Message(name, author, date, subject, body.strip("\n"))


def read_commits(repository: Repository, commits: Sequence[str], *, deadline: Deadline) -> list[Commit]:
    """Read consecutive commits, oldest first.

    :param commits: their hashes, oldest first.
    :raises HostError: a commit is missing, or git failed.
    """
    between = f"{commits[0]}..{commits[-1]}"
    return [*_read_roots(repository, commits[:1], deadline=deadline), *_read(repository, between, deadline=deadline)]


def _find_tree(word: str) -> PathReading:
    spec = parse_spec(word)
    if spec.kind is not SpecKind.PATH:
        raise UsageError(
            f"{word} has no history to bisect",
            remedy="give a kernel tree in git, or a source with a series on it: SOURCE+PATCHES",
        )
    named = find_named(spec)
    if not isinstance(named, PathReading) or not is_tree(Path(named.path)):
        raise UsageError(f"{word} is not a kernel tree", remedy="give the top folder of a kernel tree in git")
    return named


def _find_roots(
    repository: Repository, good: str, bad: str, *, names: tuple[str, str], deadline: Deadline
) -> tuple[str, ...]:
    """Return the start of the history between two commits: the good end, or the merge bases of both.

    :raises UsageError: the ends are one commit, in the wrong order, or have nothing in common.
    """
    shown = f"good: {names[0]} is {good}\nbad:  {names[1]} is {bad}"
    if good == bad:
        raise UsageError(
            "both ends are the same commit", evidence=shown, remedy="name two revisions that behave differently"
        )
    bases = repository.git("merge-base", "--all", good, bad, deadline=deadline, check=False).text.split()
    if not bases:
        raise UsageError(
            f"{names[0]} and {names[1]} have no history in common",
            evidence=shown,
            remedy="name two revisions of one history; complete a shallow clone: git fetch --unshallow",
        )
    if bases == [bad]:
        raise UsageError(
            f"--good {names[0]} is newer than --bad {names[1]}: the good end must be the older one",
            evidence=shown,
            remedy=f"swap them to find the commit with the fix: --good {names[1]} --bad {names[0]}",
        )
    return (good,) if bases == [good] else tuple(bases)


def _read_roots(repository: Repository, roots: Sequence[str], *, deadline: Deadline) -> list[Commit]:
    lines = repository.git("rev-list", "--no-walk", _STRUCTURE, *roots, deadline=deadline).text.splitlines()
    return [_commit(line, frozenset()) for line in lines if not line.startswith("commit ")]


def _read(repository: Repository, between: str, *, deadline: Deadline) -> list[Commit]:
    """Read the commits of a range, parents before children."""
    inert = _find_inert(repository, between, deadline=deadline)
    arguments = ("rev-list", "--topo-order", "--reverse", _STRUCTURE, between)
    lines = repository.git(*arguments, deadline=deadline).text.splitlines()
    return [_commit(line, inert) for line in lines if not line.startswith("commit ")]


def _commit(line: str, inert: frozenset[str]) -> Commit:
    name, tree, parents, subject = line.split("\0", 3)
    return Commit(name, tree, tuple(parents.split()), subject, name in inert)


def _find_inert(repository: Repository, between: str, *, deadline: Deadline) -> frozenset[str]:
    """Return the hashes of the commits that change only files that are not built."""
    arguments = ("log", "--no-merges", "--no-renames", "--name-only", "--format=%x01%H", between)
    found: dict[str, bool] = {}
    name = ""
    for line in repository.git(*arguments, deadline=deadline).text.splitlines():
        if line.startswith("\x01"):
            name = line[1:]
        elif line:
            found[name] = found.get(name, True) and not is_built(line)
    return frozenset(name for name, is_inert in found.items() if is_inert)
