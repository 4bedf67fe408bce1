# SPDX-License-Identifier: GPL-2.0-only
"""Copy the objects that a build starts from, without what make certainly makes again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.process import run

RELINKED = frozenset(
    {
        *("vmlinux", "vmlinux.o", "vmlinux.unstripped", "arch/x86/boot/bzImage", "arch/x86/boot/vmlinux.bin"),
        *(f".tmp_vmlinux{number}" for number in ("", 1, 2)),
        *(f".tmp_vmlinux.kallsyms{number}{end}" for number in range(4) for end in ("", ".o", ".S")),
        *(
            f".tmp_vmlinux{number}{end}"
            for number in range(4)
            for end in ("", ".o", ".S", ".kallsyms.o", ".kallsyms.S")
        ),
        *(f"arch/x86/boot/compressed/{name}" for name in ("vmlinux", "vmlinux.bin", "vmlinux.bin.gz", "piggy.o")),
    }
)
"""The files of an output folder that follow from the objects: 90 of the 126 MB of a small kernel."""


def is_relinked(output: Path, changed: Iterable[str]) -> bool:
    """Return whether make will certainly link the kernel again: a source changed that was compiled.

    :param output: the folder with the objects.
    :param changed: names of the changed files.
    """
    return any((output / name).with_suffix(".o").exists() for name in changed if name.endswith((".c", ".S")))


def copy_folder(source: Path, target: Path, left_out: Iterable[str], *, deadline: Deadline) -> None:
    """Copy a folder to a new one, with all times.

    :param left_out: names of files below it that are not copied.
    :raises HostError: the disk is full, or the deadline has passed.
    """
    names = set(left_out)
    parts = {"", *(os.fspath(parent) for name in names for parent in Path(name).parents if parent.name)}
    parts = {part for part in parts if (source / part).is_dir()}
    for part in sorted(parts):
        (target / part).mkdir()
        entries = [one for one in (source / part).iterdir() if str(one.relative_to(source)) not in names | parts]
        if entries:
            run(
                ["cp", "--archive", "--reflink=auto", *entries, target / part],
                deadline=deadline,
                remedy="check for a full disk with df -h; 'harness clean' shows what the store holds",
            )
    # The deepest first: a new entry changes the time of its folder.
    for part in sorted(parts, reverse=True):
        shutil.copystat(source / part, target / part, follow_symlinks=False)
