# SPDX-License-Identifier: GPL-2.0-only
"""Commands without some capabilities, so that root is refused the same as a user."""

from __future__ import annotations

import os


def without(*capabilities: str) -> list[str]:
    """Return a setpriv(1) command that starts a program without these capabilities.

    :param capabilities: names without ``cap_``.
    :return: the command and its arguments, to put before the program; empty for a user without root.
    """
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--bounding-set={','.join(f'-{name}' for name in capabilities)}"]


READ_ALL = ("dac_override", "dac_read_search")
"""Capabilities with which root reads every file."""
