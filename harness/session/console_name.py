"""Names of the consoles that a session is played on."""

from __future__ import annotations

from enum import StrEnum


class Console(StrEnum):
    """A shell of the guest on a serial port of its own, in the order of the ports (ttyS1, ttyS2, ttyS3)."""

    ADMIN = "admin"
    INSIDE = "inside"
    OBSERVER = "observer"
