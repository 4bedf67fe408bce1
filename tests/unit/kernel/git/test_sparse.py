# SPDX-License-Identifier: GPL-2.0-only
"""Work trees with the files of a patch alone."""

from __future__ import annotations

from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.kernel.git.worktree import check_out_sparsely
from harness.kernel.source.tree import source_tree
from tests.unit.kernel.thread import Tree, lines

SOON = Deadline.after(3600)


def test_only_the_named_files_are_there(tmp_path: Path) -> None:
    """git takes none of the others for deleted, and a commit has them all."""
    tree = Tree(tmp_path / "tree")
    top = {"Makefile": b"VERSION = 6\nPATCHLEVEL = 1\n", "Kconfig": b"\n"}
    tree.commit("base", {**top, "kernel/fork.c": lines(), 'kernel/ü "x".c': b"x\n"})
    source = source_tree(Context(Store(tmp_path / "store"), SOON), tree.folder)
    (tmp_path / "made").mkdir()
    files = ('kernel/ü "x".c', "not/there.c")
    sparse = check_out_sparsely(source.repository, source.commit, files, folder=tmp_path / "made", deadline=SOON)
    (sparse.path / 'kernel/ü "x".c').write_bytes(b"y\n")

    assert [path.relative_to(sparse.path).as_posix() for path in sparse.path.rglob("*.c")] == ['kernel/ü "x".c']
    assert sparse.git("status", "--porcelain", "-z", deadline=SOON).text == ' M kernel/ü "x".c\0'
    sparse.git("commit", "--quiet", "--all", "-m", "y", deadline=SOON)
    assert len(sparse.git("ls-tree", "-r", "HEAD", deadline=SOON).text.splitlines()) == 4
