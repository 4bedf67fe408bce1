"""The traits and profiles that the harness ships with."""

from __future__ import annotations

from harness import places
from harness.semantics import Semantics, load_semantics


def shipped_semantics() -> Semantics:
    """What ``cases/semantics.toml`` says. :raises CaseError: it is broken; the message names file and key."""
    return load_semantics(places.SEMANTICS.read_text(), path=places.SEMANTICS.relative_to(places.ROOT).as_posix())
