"""Compile through ccache(1) on request: the same arguments are compiled once, in whichever tree.

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

KIND = "kernel-ccache"
"""The folder of the store that holds it."""

VARIABLE = "HARNESS_CCACHE"
"""The variable that asks for it, by any value that is not empty."""

_SIZE = "2G"


@dataclass(frozen=True, slots=True)
class CompilerCache:
    """A cache for the compiler in the sandbox.

    :param folder: where it is outside.
    """

    folder: Path
    is_writable: bool

    @property
    def environment(self) -> Mapping[str, str]:
        """What ccache has to find set."""
        variables = {
            "CCACHE_DIR": INSIDE_CACHE,
            "CCACHE_TEMPDIR": "/tmp",
            "CCACHE_MAXSIZE": _SIZE,
            # What was included is taken from the compiler's own list, which kbuild asks for: a miss costs 4% then, and
            # 40% where ccache preprocesses first.
            "CCACHE_DEPEND": "1",
            # Each build runs as a user of its own.
            "CCACHE_UMASK": "000",
            "HOME": "/nonexistent",  # ccache wants one, and finds nothing there
        }
        return variables if self.is_writable else {**variables, "CCACHE_READONLY": "1", "CCACHE_NOSTATS": "1"}

    def assign(self, assignments: Sequence[str]) -> list[str]:
        """Words for make with ccache before the compiler."""
        compiler = next((word.removeprefix("CC=") for word in assignments if word.startswith("CC=")), "gcc")
        return [*(word for word in assignments if not word.startswith("CC=")), f"CC=ccache {compiler}"]


def find_cache(store: Store, *, has_series: bool, environment: Mapping[str, str] = os.environ) -> CompilerCache | None:
    """The cache for a build; None where it was not asked for.

    :raises UsageError: the store cannot be written, or ccache is not installed. :raises HostError: the disk is full.
    """
    if not environment.get(VARIABLE):
        return None
    if find_program("ccache") is None:
        raise UsageError(
            f"${VARIABLE} asks for ccache, which is not installed", remedy="apt install ccache, or do not set it"
        )
    outer = store.folder / KIND
    folder = outer / "cache"
    with store.complaints():
        # Open for every build's user inside, closed for the host's: only root or this user comes as far as here.
        outer.mkdir(parents=True, exist_ok=True)
        outer.chmod(0o700)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    return CompilerCache(folder, not has_series)
