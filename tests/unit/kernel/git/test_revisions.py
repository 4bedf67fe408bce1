# SPDX-License-Identifier: GPL-2.0-only
"""Names of commits, read where they are."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.kernel.git.repository import Repository
from harness.kernel.git.revisions import describe, find_commit, find_names, near_tags
from harness.kernel.source.tree import source_tree
from tests.unit.kernel.thread import Tree

SOON = Deadline.after(3600)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A tag for each of five commits."""
    tree = Tree(tmp_path / "tree")
    for tag in ("v6.1-rc1", "v6.1", "v6.2", "v6.9", "v6.10"):
        tree.commit(tag, {"Makefile": f"VERSION = 6\nPATCHLEVEL = {tag}\nPATCHLEVEL = 1\n".encode(), "Kconfig": b"\n"})
        tree.git("tag", tag)
    return tree


@pytest.fixture
def repository(tree: Tree, tmp_path: Path) -> Repository:
    """Ours, which borrows from the tree's."""
    return source_tree(Context(Store(tmp_path / "store"), SOON), tree.folder).repository


def test_names_are_those_of_the_lender(tree: Tree, repository: Repository, tmp_path: Path) -> None:
    """A repository that borrows nothing, or from one that is gone, has its own."""
    assert find_names(repository).resolve() == (tree.folder / ".git").resolve()
    tree.folder.rename(tmp_path / "moved")
    assert find_names(repository) == repository.git_dir
    assert find_names(Repository(tmp_path / "moved/.git")) == tmp_path / "moved/.git"


def test_a_revision_is_a_full_hash(tree: Tree, repository: Repository) -> None:
    """By tag, branch, or hash; what names no commit, or looks like an option, is none."""
    hashed = tree.git("rev-parse", "v6.2").decode().strip()

    assert find_commit(repository, "v6.2", deadline=SOON) == hashed
    assert find_commit(repository, hashed[:12], deadline=SOON) == hashed
    assert find_commit(repository, "main~2", deadline=SOON) == hashed
    assert [find_commit(repository, word, deadline=SOON) for word in ("gone", "--all", "", "HEAD:Makefile")] == [""] * 4


def test_a_commit_is_described(tree: Tree, repository: Repository) -> None:
    """By its tag; one that nobody knows by the start of its hash."""
    later = tree.commit("later", {"x": b"x\n"})

    assert describe(repository, tree.git("rev-parse", "v6.2").decode().strip(), deadline=SOON) == "v6.2"
    assert describe(repository, later, deadline=SOON) == f"v6.10-1-g{later[:12]}"
    assert describe(repository, "1" * 40, deadline=SOON) == "1" * 12


def test_tags_come_from_the_nearest_outwards(tree: Tree, repository: Repository) -> None:
    """In the order of versions, release candidates before their release."""
    at = tree.git("rev-parse", "v6.2").decode().strip()

    assert list(near_tags(repository, at, deadline=SOON)) == ["v6.2", "v6.9", "v6.1", "v6.10", "v6.1-rc1"]
    assert list(islice(near_tags(repository, "1" * 40, deadline=SOON), 1)) == ["v6.10"]
