# SPDX-License-Identifier: GPL-2.0-only
"""Find config fragments by name: in the folder of a suite, or among those that ship with the harness."""

from __future__ import annotations

from pathlib import Path

from harness.base import paths
from harness.kernel.config.kconfig import NO_SUITE, SuiteConfig

_SUFFIX = ".config"


def fragment_names(suite: SuiteConfig = NO_SUITE) -> tuple[str, ...]:
    """Return the names of the fragments that ship with the harness and of those of a suite, sorted."""
    return tuple(sorted({path.stem for folder in _folders(suite) for path in folder.glob(f"*{_SUFFIX}")}))


def find_named_fragment(name: str, suite: SuiteConfig) -> Path | None:
    """Find the file of a fragment by its name, in the suite's folder first; None for an unknown name."""
    if "/" in name:
        return None
    return next((path for folder in _folders(suite) if (path := folder / f"{name}{_SUFFIX}").is_file()), None)


def _folders(suite: SuiteConfig) -> tuple[Path, ...]:
    return (*([suite.folder] if suite.folder else []), paths.KCONFIGS)
