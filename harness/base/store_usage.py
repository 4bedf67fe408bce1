# SPDX-License-Identifier: GPL-2.0-only
"""List and remove the products of the store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from stat import S_ISDIR

from harness.base.errors import UsageError
from harness.base.store import Store, bytes_on_disk

EVERYTHING = "all"
CHEAP_FIRST = (
    *("kernel-log", "checkpatch", "prepared-template", "template", "guest-image"),
    *("kernel-worktree", "patched-tree", "kernel-package", "kernel-build", "kernel-ccache", "kernel-objects"),
    "kernel-repository",
)
"""Kinds of products by the time it takes to make them again: a boot, a checkout, a download, a build.

Other kinds are small, or were written by other versions of the harness.
"""
STATE_KINDS = ("follow",)
"""Kinds that are no products: they cannot be made again, so only their own name removes them."""


def list_store(store: Store) -> Iterable[str]:
    """List the kinds of products, one a line, with their number and size on disk.

    :raises UsageError: the store cannot be read.
    """
    kinds = _kinds(store)
    if not kinds:
        yield f"the store {store.folder} is empty"
        return
    yield f"the store {store.folder}:"
    total = 0
    for kind in kinds:
        shown = [one for one in kind.iterdir() if not one.name.startswith(".")]
        products = sum(one.is_dir() for one in shown)
        number = f"{products} product{'' if products == 1 else 's'}"
        facts = len(shown) - products
        if not products:
            number = f"{facts} fact{'' if facts == 1 else 's'}"
        size = bytes_on_disk(kind)
        total += size
        yield f"  {kind.name:<24} {number:>13} {size / (1 << 20):>9.1f} MiB"
    yield f"  {'all':<24} {'':>13} {total / (1 << 20):>9.1f} MiB"
    yield "remove with: harness clean --remove KIND, or --remove all; products are made again when needed"


def remove_kinds(store: Store, names: Sequence[str]) -> Iterable[str]:
    """Remove all products of those kinds; yield a line for each.

    :raises UsageError: a kind is unknown or cannot be removed.
    """
    kinds = {kind.name: kind for kind in _kinds(store)}
    for name in names:
        if name != EVERYTHING and name not in kinds:
            known = f"name one of: {', '.join([*kinds, EVERYTHING])}" if kinds else "the store is empty"
            raise UsageError(f"the store {store.folder} has no {name}", remedy=known)
    products = [kind for kind in kinds if kind not in STATE_KINDS] if EVERYTHING in names else []
    for name in dict.fromkeys(one for one in (*products, *names) if one != EVERYTHING):
        size = bytes_on_disk(kinds[name])
        _remove(kinds[name])
        yield f"removed {name}: {size / (1 << 20):.1f} MiB"


def fit_store(
    store: Store, limit: int, *, cheap_first: Sequence[str], on_step: Callable[[str], None] = lambda _: None
) -> Iterable[str]:
    """Remove products until the store takes no more than a limit; yield a line for each kind that lost some.

    :param limit: bytes on disk.
    :param cheap_first: kinds, those that are quickest to make again first; kinds that are not named go before them.
        Products of a kind go oldest first. Facts are kept: they take no space. A product whose lock a run holds is
        kept: a build whose work tree vanishes looks like a kernel that does not build.
    :param on_step: receives a line before each step; a store of 60 GB takes minutes to measure.
    :raises UsageError: the store cannot be read, or a product cannot be removed.
    """
    rank = {kind: place for place, kind in enumerate(cheap_first)}
    total = 0
    products: list[tuple[int, float, Path, int]] = []
    for kind in _kinds(store):
        if kind.name in STATE_KINDS:
            continue
        for one in kind.iterdir():
            on_step(f"measuring {kind.name}: {total / (1 << 30):.1f} GiB so far")
            # Another run may remove it meanwhile.
            with suppress(FileNotFoundError):
                state = one.stat(follow_symlinks=False)
                size = bytes_on_disk(one) if S_ISDIR(state.st_mode) else state.st_blocks * 512
                total += size
                if S_ISDIR(state.st_mode) and not one.name.startswith("."):
                    products.append((rank.get(kind.name, -1), state.st_mtime, one, size))
    removed: dict[str, list[int]] = {}
    kept = 0
    for _, _, product, size in sorted(products):
        if total <= limit:
            break
        with ExitStack() as locks:
            if not _take_locks(product, locks):
                kept += 1
                continue
            on_step(f"removing {product.parent.name}: {total / (1 << 30):.1f} GiB are left")
            _remove(product)
        total -= size
        removed.setdefault(product.parent.name, []).append(size)
    for name, sizes in removed.items():
        yield f"removed {len(sizes)} of {name}: {sum(sizes) / (1 << 20):.1f} MiB"
    if kept:
        yield f"kept {kept} that a run is using"
    yield f"the store {store.folder} takes {total / (1 << 20):.1f} MiB; the limit is {limit / (1 << 20):.1f} MiB"


def _take_locks(product: Path, locks: ExitStack) -> bool:
    """Take the lock of a product, and those of the folders in it; return False when a run holds one of them.

    :param locks: releases the locks.
    """
    from filelock import FileLock, Timeout

    for file in (product.parent / f".{product.name}.lock", *product.glob(".*.lock")):
        if file.exists():
            try:
                locks.enter_context(FileLock(file).acquire(timeout=0))
            except Timeout:
                return False
    return True


def _remove(folder: Path) -> None:
    """Remove a folder.

    :raises UsageError: it cannot be removed.
    """
    try:
        shutil.rmtree(folder)
    except OSError as error:
        what = f"{folder} cannot be removed completely"
        remedy = "stop other runs that use the store, and make it writable"
        raise UsageError(what, evidence=str(error), remedy=remedy) from None


def _kinds(store: Store) -> list[Path]:
    try:
        return sorted(one for one in store.folder.iterdir() if one.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        what, remedy = f"the store {store.folder} cannot be read", "set HARNESS_STORE to a folder of your own"
        raise UsageError(what, evidence=str(error), remedy=remedy) from None
