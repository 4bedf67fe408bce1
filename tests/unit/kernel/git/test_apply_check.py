# SPDX-License-Identifier: GPL-2.0-only
"""Patches tried on commits, without a work tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.kernel.git.apply_check import find_tag, links_above, read_entries, read_files, try_patch
from harness.kernel.git.repository import Repository
from tests.unit.kernel.thread import Tree, lines

SOON = Deadline.after(3600)
ODD = ':(top)ü "x"\t.c'
FORK = ("kernel/fork.c",)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """v6.1-rc1, v6.1, v6.2, v6.10: another line of fork.c changes with each."""
    tree = Tree(tmp_path / "tree")
    (tree.folder / "link").symlink_to("kernel")
    for tag, line in (("v6.1-rc1", "one"), ("v6.1", "two"), ("v6.2", "three"), ("v6.10", "four")):
        tree.commit(tag, {"kernel/fork.c": lines(line10=line), ODD: b"odd\n"})
        tree.git("tag", tag)
    return tree


def repository(tree: Tree) -> Repository:
    return Repository(tree.folder / ".git")


def commit(tree: Tree, revision: str) -> str:
    return tree.git("rev-parse", revision).decode().strip()


def test_files_are_read_by_their_names(tree: Tree) -> None:
    """Whatever a name holds; one that is not there, or is a folder, is left out."""
    names = (ODD, *FORK, "gone", "kernel")
    entries = read_entries(repository(tree), commit(tree, "v6.1"), names, deadline=SOON)

    assert sorted(entries) == [ODD, *FORK]
    assert read_files(repository(tree), entries, deadline=SOON)[ODD] == b"odd\n"


def test_links_on_the_way_are_found(tree: Tree) -> None:
    """Those above a file, not the file itself."""
    files = ("link/fork.c", "link", "kernel/fork.c", "no/such/file")

    assert links_above(repository(tree), commit(tree, "v6.1"), files, deadline=SOON) == ("link",)
    assert links_above(repository(tree), commit(tree, "v6.1"), files[1:], deadline=SOON) == ()


def test_a_patch_is_tried_forwards_and_backwards(tree: Tree) -> None:
    """On any commit; nothing is written."""
    text = tree.git("diff", "v6.1", "v6.2")
    tried = {
        (revision, reverse): try_patch(
            repository(tree), commit(tree, revision), text, FORK, reverse=reverse, deadline=SOON
        ).status
        for revision in ("v6.1", "v6.2")
        for reverse in (False, True)
    }

    assert tried == {("v6.1", False): 0, ("v6.1", True): 1, ("v6.2", False): 1, ("v6.2", True): 0}


def test_patches_are_tried_on_each_other(tree: Tree) -> None:
    """A series of two that change the same line."""
    text = tree.git("diff", "v6.1", "v6.2") + tree.git("diff", "v6.2", "v6.10")

    assert try_patch(repository(tree), commit(tree, "v6.1"), text, FORK, deadline=SOON).status == 0


def test_the_tag_that_a_patch_applies_to_is_found(tree: Tree) -> None:
    """Tags are sorted by version: v6.10 is not next to v6.1."""
    text = tree.git("diff", "v6.1", "v6.2")

    assert find_tag(repository(tree), commit(tree, "v6.10"), text, FORK, deadline=SOON) == "v6.1"
    assert find_tag(repository(tree), commit(tree, "v6.1"), text.replace(b"two", b"2"), FORK, deadline=SOON) == ""


def test_the_deadline_ends_the_search(tree: Tree) -> None:
    """That of the run is an error, that of the search is not."""
    with pytest.raises(HostError):
        find_tag(repository(tree), commit(tree, "v6.2"), b"", FORK, deadline=Deadline.after(0))
