# SPDX-License-Identifier: GPL-2.0-only
"""Read histories from git: revisions of a tree, and the patches of a series."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.errors import UsageError
from harness.base.store import Store
from harness.bisect.commit_graph import is_built
from harness.bisect.commits import read_message, walk_tree
from harness.bisect.patch_commits import is_series, walk_patches
from tests.unit.kernel.user_tree import UserTree, kernel_tree, seconds


@pytest.fixture
def tree(tmp_path: Path) -> UserTree:
    """Make a kernel tree with two commits and three more, one of them to the documentation."""
    made = kernel_tree(tmp_path / "linux")
    made.commit({"kernel/cgroup.c": "int cgroup;\n"})
    made.commit({"Documentation/x.rst": "text\n"})
    made.commit({"init/main.c": "int main2;\n", "Documentation/x.rst": "more\n"})
    return made


@pytest.mark.parametrize(
    ("path", "decides"),
    [
        ("kernel/cgroup/cgroup.c", True),
        ("arch/x86/kernel/traps.c", True),
        ("arch/Kconfig", True),
        ("tools/objtool/check.c", True),
        ("scripts/mod/modpost.c", True),
        ("Documentation/Kconfig", True),
        ("samples/Makefile", True),
        ("Documentation/admin-guide/cgroup-v2.rst", False),
        ("arch/arm64/kernel/traps.c", False),
        ("arch/arm64/Kconfig", False),
        ("tools/testing/selftests/cgroup/test_core.c", False),
        ("MAINTAINERS", False),
        ("drivers/gpu/.gitignore", False),
        ("lib/MAINTAINERS", True),
    ],
)
def test_is_built_decides_by_path(path: str, decides: bool) -> None:
    """A file is built if in doubt; a build description always is."""
    assert is_built(path) is decides


def test_walk_tree_reads_the_commits_between_two_revisions(tree: UserTree, tmp_path: Path) -> None:
    """Each commit appears once, the good end is the root, and a commit to text shares the node of its parent."""
    walk = walk_tree(Context(Store(tmp_path / "store"), seconds(60)), str(tree.folder), good="v9.0", bad="")
    hashes = tree.git("rev-list", "--reverse", "master").split()

    assert (walk.good, walk.bad, walk.roots) == (hashes[0], hashes[-1], (hashes[0],))
    assert (walk.commits, walk.inert) == (4, 1)
    assert walk.lineage.node(hashes[3]) == walk.lineage.node(hashes[2])
    assert walk.kernel(hashes[2]) == f"{tree.folder}@{hashes[2]}"
    assert walk.lineage.twins(walk.lineage.node(hashes[2])) == 1 << 0 | 1 << 2


def test_read_message_keeps_the_text(tree: UserTree, tmp_path: Path) -> None:
    """Subject and body are separate, with author and date."""
    tree.git("commit", "--quiet", "--allow-empty", "--message", "cgroup: a title\n\nFirst line.\n\nSecond part.\n")
    walk = walk_tree(Context(Store(tmp_path / "store"), seconds(60)), str(tree.folder), good="v9.0", bad="HEAD")
    message = read_message(walk.repository, walk.bad, deadline=seconds(60))

    assert (message.hash, message.author, message.subject) == (walk.bad, "User <user@host>", "cgroup: a title")
    assert message.body == "First line.\n\nSecond part."


def test_source_without_history_is_an_error(tree: UserTree, tmp_path: Path) -> None:
    """A package, an image and a folder without git have no history."""
    store = Store(tmp_path / "store")
    image = tmp_path / "bzImage"
    image.write_bytes(b"no kernel")
    for word in ("deb", str(image)):
        with pytest.raises(UsageError) as caught:
            walk_tree(Context(store, seconds(60)), word, good="v9.0", bad="v9.1")
        assert caught.value.remedy


def test_walk_patches_has_one_commit_for_each_patch(tree: UserTree, tmp_path: Path) -> None:
    """The base comes first; the KERNEL argument of a commit applies that many patches."""
    patches = tmp_path / "patches"
    tree.git("format-patch", "--quiet", f"--output-directory={patches}", "v9.1..HEAD")
    word = f"{tree.folder}@v9.1+{patches}"
    store = Store(tmp_path / "store")
    walk = walk_patches(Context(store, seconds(60)), word, good="", bad="")
    part = walk_patches(Context(store, seconds(60)), word, good="1", bad="3")

    assert is_series(word)
    assert not is_series(str(tree.folder))
    assert walk.commits == 3
    assert [walk.called(commit) for commit in walk.numbers] == ["base", "patch 1", "patch 2", "patch 3"]
    assert walk.kernel(walk.bad).endswith(f"+{patches}")
    assert walk.kernel(list(walk.numbers)[2]).endswith(f"+{patches}?upto=2")
    assert "+" not in walk.kernel(walk.good)
    assert (part.called(part.good), part.called(part.bad), part.commits) == ("patch 1", "patch 3", 2)


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [("4", "", "patches 1 to 3"), ("x", "", "patches 1 to 3"), ("2", "1", "newer"), ("2", "2", "the same patch")],
)
def test_unknown_patch_numbers_are_errors(tree: UserTree, tmp_path: Path, good: str, bad: str, words: str) -> None:
    """Numbers in the wrong order are errors as well."""
    patches = tmp_path / "patches"
    tree.git("format-patch", "--quiet", f"--output-directory={patches}", "v9.1..HEAD")
    word = f"{tree.folder}@v9.1+{patches}"
    with pytest.raises(UsageError, match=words):
        walk_patches(Context(Store(tmp_path / "store"), seconds(60)), word, good=good, bad=bad)
