"""What the store holds, and removing it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.store import Store

EVERYTHING = "all"


def list_store(store: Store) -> Iterable[str]:
    """A line for each kind of product: how many, and how much of the disk they take."""
    kinds = _kinds(store)
    if not kinds:
        yield f"the store {store.folder} is empty"
        return
    yield f"the store {store.folder}:"
    total = 0
    for kind in kinds:
        products = [one for one in kind.iterdir() if one.is_dir() and not one.name.startswith(".")]
        size = _disk_usage(kind)
        total += size
        yield f"  {kind.name:<24} {len(products):>4} products {size / (1 << 20):>9.1f} MiB"
    yield f"  {'all':<24} {'':>13} {total / (1 << 20):>9.1f} MiB"
    yield "remove with: harness clean --remove KIND, or --remove all; what is needed is made again"


def remove_kinds(store: Store, names: Sequence[str]) -> Iterable[str]:
    """Remove all products of those kinds; a line for each.

    :raises UsageError: there is no such kind.
    """
    kinds = {kind.name: kind for kind in _kinds(store)}
    for name in names:
        if name != EVERYTHING and name not in kinds:
            raise UsageError(f"the store holds no {name}", remedy=f"name one of: {', '.join([*kinds, EVERYTHING])}")
    for name in kinds if EVERYTHING in names else names:
        size = _disk_usage(kinds[name])
        shutil.rmtree(kinds[name])
        yield f"removed {name}: {size / (1 << 20):.1f} MiB"


def _kinds(store: Store) -> list[Path]:
    return sorted(one for one in store.folder.iterdir() if one.is_dir()) if store.folder.is_dir() else []


def _disk_usage(folder: Path) -> int:
    """Bytes on disk, holes not counted."""
    return sum(one.lstat().st_blocks * 512 for one in folder.rglob("*") if not one.is_symlink())
