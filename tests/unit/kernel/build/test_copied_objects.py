# SPDX-License-Identifier: GPL-2.0-only
"""The copy of the objects that a build starts from."""

from __future__ import annotations

import os
from pathlib import Path

from harness.base.deadline import Deadline
from harness.kernel.build.copied_objects import RELINKED, copy_folder, is_relinked

FILES = ("vmlinux", "vmlinux.a", ".vmlinux.cmd", "kernel/fork.o", "arch/x86/kernel/cpu.o", "arch/x86/boot/bzImage")
LEFT = {"vmlinux", "arch/x86/boot/bzImage"}


def photograph(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Return mode, time and content of all that is in a folder, the folder too."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_text() if path.is_file() else ""
        found[str(path.relative_to(folder))] = status.st_mode, status.st_mtime_ns, content
    return found


def test_copy_folder_leaves_out_only_what_is_named(tmp_path: Path) -> None:
    """Everything else has its time, mode and content; empty folders and links, too."""
    source = tmp_path / "source"
    for number, name in enumerate(FILES):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
        os.utime(source / name, ns=(0, 1_000_000_007 * number))
    (source / "source").symlink_to("/src")
    (source / "arch/x86/boot/compressed").mkdir()
    (source / "arch").chmod(0o700)
    os.utime(source / "arch/x86", ns=(0, 5))
    copy_folder(source, tmp_path / "copy", RELINKED, deadline=Deadline.after(60))
    copy_folder(source, tmp_path / "whole", (), deadline=Deadline.after(60))
    expected = photograph(source)

    assert photograph(tmp_path / "whole") == expected
    assert photograph(tmp_path / "copy") == {name: facts for name, facts in expected.items() if name not in LEFT}


def test_the_kernel_is_linked_again_when_a_compiled_source_changed(tmp_path: Path) -> None:
    """A header, a document, or a source that this configuration does not compile may change nothing."""
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel/fork.o").touch()

    assert is_relinked(tmp_path, ["README", "kernel/fork.c"])
    assert not is_relinked(tmp_path, ["README", "kernel/other.c", "kernel/fork.h", "kernel/fork.o"])
