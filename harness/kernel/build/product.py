# SPDX-License-Identifier: GPL-2.0-only
"""Read and write a built kernel: its folder in the store, and the facts about it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.json_records import read_facts, to_table
from harness.base.store import Store, digest_of
from harness.kernel.build.diagnostics import Diagnostic
from harness.kernel.config.configure import Config
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.sandbox.sandbox import REPRODUCIBLE
from harness.kernel.toolchain.compilers import Adjustments, Toolchain
from harness.kernel.toolchain.toolchain import find_adjustments, find_toolchain

KIND = "kernel-build"
"""The kind of these products in the store."""
IMAGE, VMLINUX, SYMBOLS, CONFIG, LOG, COMPILER = "bzImage", "vmlinux", "System.map", "config", "build.log", "compiler"
"""Names of the files in the folder."""

_FACTS = "build.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class BuiltKernel:
    """A built kernel; the folder also holds ``vmlinux``, ``System.map`` and ``reproduce.sh``.

    :param folder: its folder in the store.
    :param release: as ``uname -r`` prints it.
    :param digest: sha256 of the image.
    :param seconds: how long make ran.
    :param reused: the objects that the build started from; empty when it started from nothing.
    :param warnings: the warnings about lines that a patch of the series wrote.
    :param notes: additional arguments of make, and why; one line each.
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
        """Return the path of the bootable image."""
        return self.folder / IMAGE

    @property
    def config(self) -> Path:
        """Return the path of the ``.config`` that it was built with."""
        return self.folder / CONFIG

    @property
    def log(self) -> Path:
        """Return the path of the output of make."""
        return self.folder / LOG


@dataclass(frozen=True, slots=True)
class _Facts:
    """The fields of build.json that the harness reads back."""

    version: int
    release: str
    digest: str
    seconds: float
    reused: str
    warnings: tuple[Diagnostic, ...]
    notes: tuple[str, ...]


def write_built(built: BuiltKernel, more: Mapping[str, object]) -> None:
    """Write the facts about a kernel to its folder.

    :param more: further facts, for readers of the file alone.
    """
    facts = _Facts(
        _VERSION, built.release, built.digest, round(built.seconds, 3), built.reused, built.warnings, built.notes
    )
    text = json.dumps({**more, **to_table(facts)}, indent=1, sort_keys=True) + "\n"
    (built.folder / _FACTS).write_text(text)


def read_built(folder: Path) -> BuiltKernel | None:
    """Read the kernel of a folder; None when it is damaged, or written by another version of the harness."""
    try:
        facts = read_facts(_Facts, (folder / _FACTS).read_bytes())
    except OSError:
        return None
    if facts is None or facts.version != _VERSION:
        return None
    built = BuiltKernel(folder, facts.release, facts.digest, facts.seconds, facts.reused, facts.warnings, facts.notes)
    return built if built.image.is_file() and built.config.is_file() else None


# Increased when the same input gives another product.
_RECIPE = "1"


@dataclass(frozen=True, slots=True)
class BuildInputs:
    """The inputs of a build.

    :param tree_hash: git's hash of the files, equal for two commits with the same files.
    """

    store: Store
    tree: PatchedTree
    tree_hash: str
    config: Config
    toolchain: Toolchain
    adjustments: Adjustments

    @property
    def key(self) -> str:
        """Return the key of the product in the store."""
        return digest_of(_RECIPE, self.tree_hash, self.config.digest, self.tools)

    @property
    def tools(self) -> str:
        """Return a digest of everything but tree and config that decides the content of an object file."""
        return digest_of(
            self.toolchain.render(),
            "\0".join(self.adjustments.assignments),
            repr(sorted(REPRODUCIBLE.items())),
            *(repr(header) for header in self.adjustments.headers),
        )


def read_build_inputs(context: Context, tree: PatchedTree, config: Config) -> BuildInputs:
    """Determine the inputs of a build on this host.

    :raises HostError: no compiler is installed, or git failed.
    """
    toolchain = find_toolchain(_choice(config.assignments), deadline=context.deadline)
    adjustments = find_adjustments(tree.repository, tree.commit, toolchain, deadline=context.deadline)
    tree_hash = tree.repository.git("rev-parse", f"{tree.commit}^{{tree}}", deadline=context.deadline).text.strip()
    return BuildInputs(context.store, tree, tree_hash, config, toolchain, adjustments)


def _choice(assignments: Sequence[str]) -> list[str]:
    """Return the variables that choose the tools, without the flags that an adjustment added to CC."""
    words = [one.partition("=") for one in assignments]
    chosen = [f"{name}={value.split()[0]}" for name, _, value in words if name in ("CC", "LD", "LLVM")]
    return [one for one in chosen if one != "CC=gcc"]


def find_built(context: Context, tree: PatchedTree, config: Config) -> BuiltKernel | None:
    """Return what :func:`build_kernel` would return if the store has it, else None; no work tree is needed.

    :raises HostError: no compiler is installed, or git failed.
    """
    order = read_build_inputs(context, tree, config)
    folder = context.store.find(KIND, order.key)
    return read_built(folder) if folder else None
