"""Where config fragments with a name are: in the folder of a suite, or among those that ship with the harness."""

from __future__ import annotations

from pathlib import Path

from harness.base import paths
from harness.kernel.config.kconfig import NO_SUITE, SuiteConfig

_SUFFIX = ".config"


def fragment_names(suite: SuiteConfig = NO_SUITE) -> tuple[str, ...]:
    """The names of the fragments that ship with the harness, and of those of a suite."""
    return tuple(sorted({path.stem for folder in _folders(suite) for path in folder.glob(f"*{_SUFFIX}")}))


def find_named_fragment(name: str, suite: SuiteConfig) -> Path | None:
    """The file of a fragment by its name: the suite's own, or one that ships; None when there is none."""
    if "/" in name:
        return None
    return next((path for folder in _folders(suite) if (path := folder / f"{name}{_SUFFIX}").is_file()), None)


def _folders(suite: SuiteConfig) -> tuple[Path, ...]:
    return (*([suite.folder] if suite.folder else []), paths.KCONFIGS)
