# SPDX-License-Identifier: GPL-2.0-only
"""A made-up kernel tree that builds in a second and boots: its image is the distribution's, with one byte of its own.

The byte is the field ``root_flags`` of the image's setup header (Documentation/arch/x86/boot.rst), which nothing in the
guest depends on, and which a case reads in ``/sys/kernel/boot_params/data``. Its value stands in ``kernel/flags.h``.
A kernel with ``HANGS`` defined there ends as soon as it runs: its first instructions are overwritten.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.unit.kernel.fake_tree import MAKEFILE, FakeRepository, write_tree

_OFFSET = 0x1F2
_CODE = 0x4000
"""In the code of the decompressor: behind the setup sectors, and before what it decompresses."""
_RULE = f"""
	@cp $(src)/kernel.img $@
	@sed -n 's/#define FLAGS //p' $(src)/kernel/flags.h | tr -d '\\n' \\
		| dd of=$@ bs=1 seek={_OFFSET} conv=notrunc status=none
	@! grep -q HANGS $(src)/kernel/flags.h || head -c 4096 /dev/zero \\
		| dd of=$@ bs=1 seek={_CODE} conv=notrunc status=none
"""
FLAGS = "kernel/flags.h"
CASE = """A byte of the setup header.

    # dd if=/sys/kernel/boot_params/data bs=1 skip=498 count=1 2>/dev/null
    1
"""
OTHER_CASE = """A case that always matches.

    # echo one
    one
"""


def flags(value: str, *, hangs: bool = False) -> str:
    """Return the file that decides what the first case shows.

    :param value: one character; the case expects ``1``.
    :param hangs: whether the kernel does not boot.
    """
    return f"#define FLAGS {value}\n{'#define HANGS' if hangs else ''}\n"


def _makefile() -> str:
    """Return the Makefile of the fake tree, whose image is the copy of a real one."""
    lines = MAKEFILE.split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("\t@{ echo"))
    return "\n".join([*lines[:at], _RULE.strip("\n"), *lines[at + 1 :]]).replace(
        "include/linux/kernel.h $(out)", "include/linux/kernel.h $(src)/kernel/flags.h $(out)"
    )


def make_bootable(path: Path, image: Path) -> FakeRepository:
    """Make a repository with the tree as its first commit.

    :param image: an image of the distribution, which boots.
    """
    write_tree(path, {"Makefile": _makefile(), FLAGS: flags("1"), ".gitignore": "*.o\n.*\n!.gitignore\n"})
    shutil.copyfile(image, path / "kernel.img")
    repository = FakeRepository(path)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit({}, subject="the tree")
    return repository


def write_cases(folder: Path) -> Path:
    """Write two cases: one that the tree decides, one that always matches."""
    folder.mkdir()
    (folder / "flags.session").write_text(CASE)
    (folder / "other.session").write_text(OTHER_CASE)
    return folder
