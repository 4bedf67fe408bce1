# SPDX-License-Identifier: GPL-2.0-only
"""Read the branches of a git tree of the user, which is only read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.json_records import read_facts
from harness.follow.sources.batch import Batch, BranchTip
from harness.kernel.git.command import git
from harness.kernel.git.user_repository import UserRepository, find_user_repository, resolve

_MOST_FILES = 2000


@dataclass(frozen=True, slots=True)
class Branches:
    """The branches of a tree that match patterns.

    :param folder: the tree.
    :param patterns: of the names of branches.
    :param onto: the revision that they leave.
    :param most_commits: a branch with more commits is left out: it is not a series.
    :param deadline: the deadline of all programs.
    """

    folder: Path
    patterns: tuple[str, ...]
    onto: str
    most_commits: int
    deadline: Deadline

    def read(self, cursor: str) -> Iterator[Batch]:
        """Yield the branches that moved since a cursor: the tip of each.

        :raises UsageError: the folder is not a git tree, or has no such revision.
        """
        known = read_facts(dict[str, str], cursor) or {}
        theirs = find_user_repository(self.folder, deadline=self.deadline)
        base = resolve(theirs, self.onto, deadline=self.deadline) if theirs else ""
        if theirs is None or not base:
            what = f"{self.folder} has no revision {self.onto}" if theirs else f"{self.folder} is not a git tree"
            raise UsageError(what, remedy="name the folder of a tree, and in onto an existing branch or tag")
        listed = git(
            theirs.git_dir,
            *("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads", "refs/remotes"),
            deadline=self.deadline,
        )
        pairs = [line.partition(" ") for line in listed.text.splitlines()]
        heads = {name: tip for tip, _, name in pairs if name}
        wanted = {name: tip for name, tip in heads.items() if any(fnmatchcase(name, one) for one in self.patterns)}
        moved = [name for name, tip in wanted.items() if known.get(name) != tip]
        tips = tuple(tip for name in moved if (tip := self._tip(theirs, name, wanted[name], base)) is not None)
        if moved or known.keys() != wanted.keys():
            yield Batch(json.dumps(wanted), tips=tips)

    def _tip(self, theirs: UserRepository, name: str, tip: str, base: str) -> BranchTip | None:
        start = git(theirs.git_dir, "merge-base", base, tip, check=False, deadline=self.deadline).text.strip()
        if not start or start == tip:
            return None
        form = ("log", "--reverse", "--no-merges", f"--max-count={self.most_commits + 1}", "--format=%ae%x00%s")
        lines = git(theirs.git_dir, *form, f"{start}..{tip}", deadline=self.deadline).text.splitlines()
        if not lines or len(lines) > self.most_commits:
            return None
        files = git(theirs.git_dir, "diff", "--name-only", start, tip, deadline=self.deadline).text.splitlines()
        pairs = [line.partition("\0") for line in lines]
        subjects = tuple(subject for _, _, subject in pairs)
        return BranchTip(name, start, tip, subjects, tuple(files[:_MOST_FILES]), pairs[-1][0].lower())
