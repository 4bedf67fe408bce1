"""The traits and profiles that the harness ships with."""

from __future__ import annotations

import functools

from harness.base import paths
from harness.semantics.traits import Semantics, load_semantics


def shipped_semantics() -> Semantics:
    """What ``cases/semantics.toml`` says now, read once as long as it says that.

    :raises CaseError: it is broken; the message names file and key.
    """
    return _load(paths.SEMANTICS.read_text())


@functools.lru_cache(maxsize=1)
def _load(text: str) -> Semantics:
    return load_semantics(text, path=paths.SEMANTICS.relative_to(paths.ROOT).as_posix())
