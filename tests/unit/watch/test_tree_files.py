# SPDX-License-Identifier: GPL-2.0-only
"""Which changes of a tree are edits."""

from __future__ import annotations

import pytest

from harness.watch.tree_files import is_edit

EDITS = [
    *("kernel/cgroup/cgroup.c", "include/linux/cgroup.h", "Makefile", "kernel/Kconfig", "arch/x86/entry/entry_64.S"),
    *("scripts/mod/modpost.c", "drivers/net/modules.c", "arch/x86/kernel/vmlinux.lds.S", "lib/swp.c", "tools/o/x.c"),
]
NO_EDITS = [
    *(".git/index", ".git/index.lock", ".git/refs/heads/main", "sub/.git/HEAD", ".git"),
    *("kernel/.fork.c.swp", "kernel/.fork.c.swx", "kernel/fork.c~", "kernel/#fork.c#", "kernel/.#fork.c", "4913"),
    *("kernel/4913", ".goutputstream-X3K2J1", "fork.c___jb_tmp___", "kernel/.fork.c.un~", ".nfs0000000001"),
    *("kernel/fork.o", "kernel/.fork.o.cmd", "fs/built-in.a", "vmlinux", "vmlinux.o", "System.map", ".config.old"),
    *(
        "include/generated/autoconf.h",
        "include/config/auto.conf",
        "arch/x86/include/generated/asm/x.h",
        ".tmp_vmlinux1",
    ),
    *("scripts/kconfig/parser.tab.c", "drivers/a.mod.c", "modules.order", "Module.symvers", "kernel/fork.c.orig"),
    "scripts/__pycache__/a.cpython-311.pyc",
]


@pytest.mark.parametrize("name", EDITS)
def test_is_edit_takes_sources(name: str) -> None:
    """Also those whose names resemble build outputs."""
    assert is_edit(name)


@pytest.mark.parametrize("name", NO_EDITS)
def test_is_edit_ignores_files_of_editors_git_and_builds(name: str) -> None:
    """They change while nobody edits, or change back within a moment."""
    assert not is_edit(name)
