# SPDX-License-Identifier: GPL-2.0-only
"""Compile through ccache(1) on request: the same input is compiled once, in any tree.

An environment variable enables it, because a build from nothing is 4% slower with it
(``docs/explanation/decisions/0029-ccache-only-on-request.md``). No untrusted code reaches another build through it:
only builds of trees without a series add to it; with a series, it is mounted read-only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError
from harness.base.process import find_program
from harness.base.store import Store
from harness.kernel.sandbox.bubblewrap import INSIDE_CACHE
from harness.kernel.toolchain.compilers import tool_programs

KIND = "kernel-ccache"
"""The folder of the store that holds it."""

VARIABLE = "HARNESS_CCACHE"
"""The environment variable that enables ccache, by any value that is not empty."""

_SIZE = "2G"


@dataclass(frozen=True, slots=True)
class CompilerCache:
    """A cache for the compiler in the sandbox.

    :param folder: its path outside of the sandbox.
    """

    folder: Path
    is_writable: bool

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the environment variables for ccache."""
        variables = {
            "CCACHE_DIR": INSIDE_CACHE,
            "CCACHE_TEMPDIR": "/tmp",
            "CCACHE_MAXSIZE": _SIZE,
            # ccache reads the included files from the compiler's dependency list, which kbuild requests: a miss costs
            # 4% then, and 40% where ccache preprocesses first.
            "CCACHE_DEPEND": "1",
            # Each build runs as its own user.
            "CCACHE_UMASK": "000",
            "HOME": "/nonexistent",  # ccache needs the variable, and finds no configuration there
        }
        return variables if self.is_writable else {**variables, "CCACHE_READONLY": "1", "CCACHE_NOSTATS": "1"}

    def assign(self, assignments: Sequence[str]) -> list[str]:
        """Return the arguments for make, with ccache before the compiler."""
        chosen = (one.removeprefix("CC=") for one in assignments if one.startswith("CC="))
        compiler = next(chosen, tool_programs(assignments).compiler)
        return [*(one for one in assignments if not one.startswith("CC=")), f"CC=ccache {compiler}"]


def find_cache(store: Store, *, has_series: bool, environment: Mapping[str, str] = os.environ) -> CompilerCache | None:
    """Return the cache for a build; None when ccache is not enabled.

    :param has_series: whether the build has a series, which may only read the cache.
    :raises UsageError: the store cannot be written, or ccache is not installed.
    :raises HostError: the disk is full.
    """
    if not environment.get(VARIABLE):
        return None
    if find_program("ccache") is None:
        raise UsageError(
            f"ccache is not installed, but ${VARIABLE} is set", remedy=f"apt install ccache, or unset {VARIABLE}"
        )
    outer = store.folder / KIND
    folder = outer / "cache"
    with store.complaints():
        # Writable for the user of every build inside; the outer folder keeps other users of the host out.
        outer.mkdir(parents=True, exist_ok=True)
        outer.chmod(0o700)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    return CompilerCache(folder, not has_series)
