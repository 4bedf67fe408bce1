# SPDX-License-Identifier: GPL-2.0-only
"""Define the names of the guest's three shell consoles. Pure."""

from __future__ import annotations

from enum import StrEnum


class ConsoleName(StrEnum):
    """A shell of the guest, by the name of its serial console."""

    ADMIN = "admin"
    """The administrator of the machine: root, in the initial namespaces when the case starts."""
    INSIDE = "inside"
    """A second shell, which usually enters the namespace under test."""
    OBSERVER = "observer"
    """A third shell, which usually observes from the initial namespaces."""
