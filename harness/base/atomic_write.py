# SPDX-License-Identifier: GPL-2.0-only
"""Write a file whole or not at all: as a temporary file in the same folder, then renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file atomically: a reader sees the old content or the new, also when the writer is killed.

    :param mode: its permissions, independent of the umask.
    :raises OSError: the file cannot be written; no temporary file is left.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
