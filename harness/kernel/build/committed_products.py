# SPDX-License-Identifier: GPL-2.0-only
"""Remove build products that were committed with the source from a work tree, as ``make mrproper`` would.

kbuild refuses to build out of tree beside a ``.config`` or generated headers ("is not clean, please run 'make
mrproper'"), and a make with ``VPATH`` takes an old object of the source folder for the one that it should make.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from harness.base.deadline import Deadline
from harness.kernel.git.worktree import WorkTree

_SHOWN_NAMES = 6
_NO_PRODUCTS = "harness-no-products"
"""The file in the git folder of a work tree with the last commit that has no products: its 80,000 names are not read
again for a commit that a few files differ in."""
# No file of Linux 3.18, 4.4, 5.10, 6.1, 6.12 or 7.3 has one of these names.
_PRODUCT = re.compile(
    r"""
    \.config (?: \.old )? | \.version | \.missing-syscalls\.d | System\.map | vmlinux      # in the top folder
    | include/ (?: config | generated ) /.*
    | arch/ [^/]+ /include/generated/ .*
    | (?: .*/ )? (?: \.tmp_versions/.* | [^/]+\.(?: o | a | ko | mod\.c ) | \.[^/]+\.cmd
                   | Module\.symvers | modules\.(?: order | builtin ) )
    """,
    re.VERBOSE,
)
# What the pattern above begins or ends with: 80,000 names are passed over in a tenth of the time.
_ENDS = (
    *(
        ".config",
        ".config.old",
        ".version",
        ".missing-syscalls.d",
        "System.map",
        "vmlinux",
        ".o",
        ".a",
        ".ko",
        ".mod.c",
    ),
    *(".cmd", "Module.symvers", "modules.order", "modules.builtin"),
)
_PARTS = ("include/config/", "/generated/", ".tmp_versions/")
_COMMAND = re.compile(r"((?:.*/)?)\.([^/]+)\.cmd")


def find_products(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of files that kbuild makes, sorted.

    A file ``.NAME.cmd`` records the command that made ``NAME``, which is therefore a product too.
    """
    present = frozenset(names)
    products = {name for name in present if _may_be_product(name) and _PRODUCT.fullmatch(name)}
    for name in tuple(products):
        if (command := _COMMAND.fullmatch(name)) and command.group(1) + command.group(2) in present:
            products.add(command.group(1) + command.group(2))
    return tuple(sorted(products))


def _may_be_product(name: str) -> bool:
    return name.endswith(_ENDS) or any(part in name for part in _PARTS)


def remove_products(worktree: WorkTree, *, deadline: Deadline) -> WorkTree:
    """Remove the committed build products from a work tree; the next checkout restores them.

    :return: the work tree, with the names of the removed files.
    :raises HostError: git failed.
    """
    mark = worktree.git_dir / _NO_PRODUCTS
    if worktree.came_from == _text(mark) != "" and not find_products(worktree.written):
        mark.write_text(worktree.commit)
        return worktree
    mark.unlink(missing_ok=True)
    listed = worktree.git("ls-files", "-z", deadline=deadline).stdout.split(b"\0")
    products = find_products(os.fsdecode(name) for name in listed if name)
    for name in products:
        path = worktree.path / name
        # A folder above it may be a link out of the tree: such a file is not the tree's own.
        if path.parent.resolve() == (worktree.path.resolve() / name).parent:
            path.unlink(missing_ok=True)
            # kbuild takes the mere folder include/config for a build in the source folder.
            with contextlib.suppress(OSError):
                path.parent.rmdir()
                path.parent.parent.rmdir()
    if not products:
        mark.write_text(worktree.commit)
    return replace(worktree, left_out=products)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def describe_products(names: tuple[str, ...]) -> str:
    """Return a note that names the removed files; empty for none."""
    if not names:
        return ""
    shown = ", ".join(names[:_SHOWN_NAMES]) + (", ..." if len(names) > _SHOWN_NAMES else "")
    return f"build products in the source are left out, {len(names)} files: {shown}"
