"""The names of the guest's three shell consoles.

Pure.
"""

from __future__ import annotations

from enum import StrEnum


class ConsoleName(StrEnum):
    """A shell of the guest, by the name of its serial console."""

    ADMIN = "admin"
    """The administrator of the machine: root, in the initial namespaces when the case starts."""
    INSIDE = "inside"
    """Who goes into the namespace under test, where a case wants that beside the admin."""
    OBSERVER = "observer"
    """Who looks on from the initial namespaces."""
