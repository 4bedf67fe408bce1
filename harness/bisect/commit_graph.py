# SPDX-License-Identifier: GPL-2.0-only
"""Represent the commits between the ends of a bisection as a graph: ancestors, and commits that cannot differ. Pure.

A node is a commit that may have another kernel image than its parent. A commit that changes no file that is built
(documentation, another architecture, nothing at all) shares the node of its parent: it needs no build and is never the
answer. Sets of nodes are integers with a bit for each node, so that a history of twenty thousand commits is processed
in a tenth of a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# Files that no build for x86 reads. Build descriptions are never among them, wherever they are.
_UNBUILT = re.compile(
    r"(Documentation|LICENSES|samples|tools/testing|arch/(?!x86/)[^/]+)/.*"
    r"|MAINTAINERS|CREDITS|COPYING|README|\.mailmap|\.clang-format|\.cocciconfig|\.editorconfig"
    r"|(.*/)?\.git(ignore|attributes)"
)
_UNMARKED = ord("0")
_BUILD_DESCRIPTION = re.compile(r"(.*/)?(Kconfig|Makefile|Kbuild)[^/]*")


def is_built(path: str) -> bool:
    """Return whether a file of a kernel tree may influence the image for x86; true if in doubt.

    False for documentation, user-space tests, samples, other architectures (``arch/$(SRCARCH)`` is the only one that
    the top Makefile and Kconfig read) and lists of people.
    """
    if _BUILD_DESCRIPTION.fullmatch(path):
        return not re.match(r"arch/(?!x86/)[^/]+/", path)
    return not _UNBUILT.fullmatch(path)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the history.

    :param hash: the full hash.
    :param tree: git's hash of its files.
    :param parents: the hashes of its parents.
    :param subject: the first line of its message.
    :param is_inert: whether it changes no file that is built (:func:`is_built`); always false for a merge.
    """

    hash: str
    tree: str
    parents: tuple[str, ...]
    subject: str = ""
    is_inert: bool = False


class Lineage:
    """The graph of a history.

    :param commits: all commits including the roots, parents before children.
    :param roots: the start of the history: the older end, or the merge bases of the ends. A parent that is not among
        the commits is an ancestor of a root and treated as that root, as git-bisect(1) treats ancestors of a good
        commit.
    :raises ValueError: a commit is listed before its parent, or twice.
    """

    def __init__(self, commits: Sequence[Commit], roots: Sequence[str]) -> None:
        self.commits: list[Commit] = []
        """The commit of each node, parents before children."""
        self.parents: list[tuple[int, ...]] = []
        self._nodes: dict[str, int] = {}
        self._ancestors: dict[int, int] = {}
        self._twins: dict[str, int] = {}
        known = {commit.hash: commit for commit in commits}
        for commit in commits:
            if commit.hash in self._nodes:
                raise ValueError(f"{commit.hash} is listed twice")
            listed = [parent for parent in commit.parents if parent in known]
            if early := [parent for parent in listed if parent not in self._nodes]:
                raise ValueError(f"{commit.hash} is listed before its parent {early[0]}")
            is_root = commit.hash in roots
            if not is_root and len(commit.parents) == len(listed) == 1 and _is_same(commit, known[listed[0]]):
                self._nodes[commit.hash] = self._nodes[listed[0]]
                continue
            above = [self._nodes[parent] for parent in listed]
            if not is_root and len(listed) < max(1, len(commit.parents)):
                above += [self._nodes[root] for root in roots if root in self._nodes]
            node = len(self.commits)
            self._nodes[commit.hash] = node
            self.commits.append(commit)
            self.parents.append(() if is_root else tuple(dict.fromkeys(above)))
            self._twins[commit.tree] = self._twins.get(commit.tree, 0) | 1 << node

    def __len__(self) -> int:
        return len(self.commits)

    def node(self, commit: str) -> int:
        """Return the node of a commit.

        :raises KeyError: the commit is not in this history.
        """
        return self._nodes[commit]

    def knows(self, commit: str) -> bool:
        """Return whether a commit is in this history."""
        return commit in self._nodes

    def twins(self, node: int) -> int:
        """Return the set of nodes with the same files, the node included; results of one hold for all."""
        return self._twins[self.commits[node].tree]

    def ancestors(self, node: int) -> int:
        """Return the set of a node and its ancestors."""
        found = self._ancestors.get(node)
        if found is None:
            # Marked in bytes, which are made a number at the end: to set a bit of a number copies all of it.
            marks, left = bytearray(b"0" * (node + 1)), [node]
            while left:
                one = left.pop()
                if marks[one] == _UNMARKED:
                    marks[one] += 1
                    left += self.parents[one]
            found = int(marks[::-1], 2)
            self._ancestors[node] = found
        return found

    def weights(self, members: int) -> Mapping[int, int]:
        """Return for each node of a set the number of its ancestors in the set, itself included.

        :param members: the set of an interval: with a node it leaves out all ancestors of the node, so no path from one
            member to another leaves the set.
        """
        order = list(nodes(members))
        place = {node: at for at, node in enumerate(order)}
        children = dict.fromkeys(order, 0)
        for node in order:
            for parent in self.parents[node]:
                if parent in place:
                    children[parent] += 1
        masks: dict[int, int] = {}
        found: dict[int, int] = {}
        for at, node in enumerate(order):
            mask = 1 << at
            for parent in self.parents[node]:
                if parent in place:
                    mask |= masks[parent]
                    children[parent] -= 1
                    if not children[parent]:
                        del masks[parent]
            found[node] = mask.bit_count()
            if children[node]:
                masks[node] = mask
        return found


def nodes(members: int) -> Iterator[int]:
    """Yield the nodes of a set, parents before children."""
    text = bin(members)[:1:-1]
    at = text.find("1")
    while at >= 0:
        yield at
        at = text.find("1", at + 1)


def _is_same(commit: Commit, parent: Commit) -> bool:
    return commit.is_inert or commit.tree == parent.tree
