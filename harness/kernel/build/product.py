"""A kernel that was built: its folder in the store, and what is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.kernel.build.diagnostics import Diagnostic

KIND = "kernel-build"
"""The kind of these products in the store."""
IMAGE, VMLINUX, SYMBOLS, CONFIG, LOG, COMPILER = "bzImage", "vmlinux", "System.map", "config", "build.log", "compiler"
"""Names of the files in the folder."""

_FACTS = "build.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class BuiltKernel:
    """A kernel, its parts and its story; the folder also holds ``vmlinux``, ``System.map`` and ``reproduce.sh``.

    :param release: as ``uname -r`` will say. :param digest: sha256 of the image.
    :param seconds: how long make ran. :param reused: what objects it started from; empty when from nothing.
    :param warnings: those about lines that a patch of the series wrote.
    :param notes: what make was told beyond the usual, and why; one line each.
    """

    folder: Path
    release: str
    digest: str
    seconds: float
    reused: str = ""
    warnings: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def image(self) -> Path:
        """What boots."""
        return self.folder / IMAGE

    @property
    def config(self) -> Path:
        """The ``.config`` that it was built with."""
        return self.folder / CONFIG

    @property
    def log(self) -> Path:
        """What make said."""
        return self.folder / LOG


def write_built(built: BuiltKernel, more: Mapping[str, object]) -> None:
    """Keep what is known, in the kernel's folder.

    :param more: further facts, for readers of the file.
    """
    facts = {
        **more,
        "version": _VERSION,
        "release": built.release,
        "digest": built.digest,
        "seconds": round(built.seconds, 3),
        "reused": built.reused,
        "warnings": [one.to_fact() for one in built.warnings],
        "notes": list(built.notes),
    }
    (built.folder / _FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def read_built(folder: Path) -> BuiltKernel | None:
    """The kernel of a folder; None when it is damaged, or of another version of the harness."""
    try:
        facts = json.loads((folder / _FACTS).read_text())
        built = BuiltKernel(
            folder,
            release=str(facts["release"]),
            digest=str(facts["digest"]),
            seconds=float(facts["seconds"]),
            reused=str(facts["reused"]),
            warnings=tuple(map(Diagnostic.from_fact, facts["warnings"])),
            notes=tuple(map(str, facts["notes"])),
        )
        is_ours = facts["version"] == _VERSION
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return built if is_ours and built.image.is_file() and built.config.is_file() else None
