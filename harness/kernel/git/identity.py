# SPDX-License-Identifier: GPL-2.0-only
"""Read the name and the address of the user from the configuration of git."""

from __future__ import annotations

from harness.base import process
from harness.base.deadline import Deadline

UNKNOWN = "YOUR NAME <YOUR ADDRESS>"
"""A name and an address to be filled in."""


def read_identity(*, deadline: Deadline) -> str:
    """Return the name and the address of the user, for a trailer; those to be filled in if git knows none."""
    found = [
        process.run(["git", "config", key], deadline=deadline, check=False).text.strip()
        for key in ("user.name", "user.email")
    ]
    return f"{found[0]} <{found[1]}>" if all(found) else UNKNOWN
