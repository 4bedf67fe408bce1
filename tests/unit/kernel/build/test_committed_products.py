# SPDX-License-Identifier: GPL-2.0-only
"""Trees with committed build products are built like a clean checkout."""

from __future__ import annotations

from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.kernel.build.committed_products import describe_products, find_products, remove_products
from harness.kernel.git.worktree import checked_out
from harness.kernel.source.tree import source_tree
from tests.unit.kernel.fake_tree import make_repository

SOURCE = (
    *("Makefile", "kernel/fork.c", ".mailmap", "arch/arm/kernel/module.lds", "scripts/kconfig/conf.c"),
    *(
        "Documentation/kbuild/modules.txt",
        "arch/x86/boot/vmlinux.lds.S",
        "tools/testing/config",
        "kernel/configs/x.config",
    ),
)
PRODUCTS = (
    *(".config", "Module.symvers", "arch/x86/include/generated/asm/x.h", "custom/.tmp_versions/a.mod", "custom/a.ko"),
    *("include/config/auto.conf", "include/generated/utsrelease.h", "kernel/.bounds.s.cmd", "kernel/bounds.s"),
    *("scripts/mod/.modpost.cmd", "scripts/mod/modpost"),
)


def test_find_products_knows_products_by_name_and_by_recorded_command() -> None:
    """Sources with similar names stay, even the file of another folder with a recorded command."""
    names = (*SOURCE, "tools/modpost", *PRODUCTS)

    assert find_products(names) == tuple(sorted(PRODUCTS))


def test_remove_products_leaves_a_clean_checkout(tmp_path: Path) -> None:
    """The files, and the folders that they leave empty, are gone; the next checkout has them again."""
    repository = make_repository(tmp_path / "linux")
    repository.commit(dict.fromkeys((*SOURCE[1:], *PRODUCTS), ""))
    context = Context(Store(tmp_path / "store"), Deadline.after(60))
    source = source_tree(context, repository.path, revision="HEAD")
    with checked_out(context, source.repository, source.commit) as worktree:
        cleaned = remove_products(worktree, deadline=context.deadline)
        left = [name for name in (*SOURCE, *PRODUCTS) if (worktree.path / name).exists()]
        folders = [name for name in ("include/config", "include/generated") if (worktree.path / name).exists()]
    with checked_out(context, source.repository, source.commit) as worktree:
        restored = [name for name in PRODUCTS if (worktree.path / name).exists()]

    assert (cleaned.left_out, left, folders) == (tuple(sorted(PRODUCTS)), list(SOURCE), [])
    assert restored == list(PRODUCTS)


def test_remove_products_reads_what_a_similar_commit_adds(tmp_path: Path) -> None:
    """Names of a commit without products are not read again; a product that the next commit adds is found."""
    repository = make_repository(tmp_path / "linux")
    commits = [
        repository.commit(files) for files in (dict.fromkeys(SOURCE[1:], ""), {"init/b.c": ""}, {"init/b.o": "old"})
    ]
    context = Context(Store(tmp_path / "store"), Deadline.after(60))
    source = source_tree(context, repository.path, revision="HEAD")
    left_out = []
    for commit in (*commits, commits[1], commits[2]):
        with checked_out(context, source.repository, commit) as worktree:
            cleaned = remove_products(worktree, deadline=context.deadline)
            left_out.append(cleaned.left_out)
            assert (worktree.path / "init/b.o").exists() is False

    assert left_out == [(), (), ("init/b.o",), (), ("init/b.o",)]


def test_describe_products_names_the_first_ones() -> None:
    """A note has six names and the number of all."""
    assert describe_products(()) == ""
    assert describe_products((".config",)) == "build products in the source are left out, 1 files: .config"
    assert describe_products(tuple("abcdefgh")).endswith(" left out, 8 files: a, b, c, d, e, f, ...")
