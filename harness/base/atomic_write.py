# SPDX-License-Identifier: GPL-2.0-only
"""Writing a file whole or not at all: beside its place, then renamed there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(place: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file at once: a reader sees the old one or the new one, also when the writer is killed.

    :param mode: its permissions, whatever the umask.
    :raises OSError: nothing is left beside the old file then.
    """
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
