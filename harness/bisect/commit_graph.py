"""The commits between the ends of a bisection, as a graph: who is whose ancestor, who cannot differ from whom. Pure.

A node is a commit that may have another kernel image than its parent. A commit that changes nothing of what is built
(documentation, another architecture, nothing at all) is one with its parent: it costs no build and is never the answer.
Sets of nodes are integers, a bit a node, so that a history of twenty thousand commits is looked at in a tenth of a
second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# What no build for x86 reads. The files that say what is built are never among them, wherever they are.
_UNBUILT = re.compile(
    r"(Documentation|LICENSES|samples|tools/testing|arch/(?!x86/)[^/]+)/.*"
    r"|MAINTAINERS|CREDITS|COPYING|README|\.mailmap|\.clang-format|\.cocciconfig|\.editorconfig"
    r"|(.*/)?\.git(ignore|attributes)"
)
_SAYS_WHAT_IS_BUILT = re.compile(r"(.*/)?(Kconfig|Makefile|Kbuild)[^/]*")


def is_built(path: str) -> bool:
    """Whether a file of a kernel tree may decide what the image for x86 holds.

    What is not: documentation, tests that run in user space, samples, other architectures (``arch/$(SRCARCH)`` is the
    only one that the top Makefile and Kconfig read), lists of people. In doubt a file is.
    """
    if _SAYS_WHAT_IS_BUILT.fullmatch(path):
        return not re.match(r"arch/(?!x86/)[^/]+/", path)
    return not _UNBUILT.fullmatch(path)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the history.

    :param hash: in full.
    :param tree: git's hash of its files.
    :param parents: by their hashes.
    :param is_inert: whether it changes no file that is built (:func:`is_built`); for a merge always false.
    """

    hash: str
    tree: str
    parents: tuple[str, ...]
    subject: str = ""
    is_inert: bool = False


class Lineage:
    """The graph of a history.

    :param commits: parents before children, the roots among them.
    :param roots: where the history begins: the older end, or the commits where two ends parted. A parent that is not
        among the commits is an ancestor of a root and taken for it, as git-bisect(1) takes what a good commit holds.
    :raises ValueError: a commit stands before a parent of its own, or twice.
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
                raise ValueError(f"{commit.hash} is there twice")
            listed = [parent for parent in commit.parents if parent in known]
            if early := [parent for parent in listed if parent not in self._nodes]:
                raise ValueError(f"{commit.hash} stands before its parent {early[0]}")
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
        """The node that stands for a commit.

        :raises KeyError: it is not in this history.
        """
        return self._nodes[commit]

    def knows(self, commit: str) -> bool:
        """Whether a commit is in this history."""
        return commit in self._nodes

    def twins(self, node: int) -> int:
        """The nodes whose files are the same, itself among them: what is seen on one is seen on all."""
        return self._twins[self.commits[node].tree]

    def ancestors(self, node: int) -> int:
        """The node and all that it is built on."""
        found = self._ancestors.get(node)
        if found is None:
            found, left = 0, [node]
            while left:
                one = left.pop()
                if not found >> one & 1:
                    found |= 1 << one
                    left += self.parents[one]
            self._ancestors[node] = found
        return found

    def weights(self, members: int) -> Mapping[int, int]:
        """For each node of a set, how many of the set are its ancestors or itself.

        :param members: a set as a stretch has it: what it leaves out, it leaves out with all its ancestors, so no way
            from one member to another leads out of it.
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
    """The nodes of a set, parents before children."""
    text = bin(members)[:1:-1]
    at = text.find("1")
    while at >= 0:
        yield at
        at = text.find("1", at + 1)


def _is_same(commit: Commit, parent: Commit) -> bool:
    return commit.is_inert or commit.tree == parent.tree
