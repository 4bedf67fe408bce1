"""Root without some of its capabilities: what a user is refused, root is refused then as well."""

from __future__ import annotations

import os


def without(*capabilities: str) -> list[str]:
    """The words before a program that start it without these capabilities, by setpriv(1); none for a user, who has
    none."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--bounding-set={','.join(f'-{name}' for name in capabilities)}"]


READ_ALL = ("dac_override", "dac_read_search")
"""What lets root read every file."""
