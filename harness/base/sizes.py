# SPDX-License-Identifier: GPL-2.0-only
"""Read a number of bytes with a unit, such as ``6G``: powers of 1024. Pure."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(?P<number>\d{1,15}(?:\.\d{1,15})?) ?(?P<unit>[KMGT]?)(?:i?B)?", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(text: str) -> int | None:
    """Return the number of bytes; None for any other text."""
    match = _SIZE.fullmatch(text)
    return int(float(match["number"]) * 1024 ** _POWERS[match["unit"].upper()]) if match else None
