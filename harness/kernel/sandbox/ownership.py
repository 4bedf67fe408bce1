"""Who owns the output folder: whoever the build runs as while it runs, then this user again."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def handed_over(folder: Path, user: int) -> Iterator[None]:
    """A folder and all in it belongs to a user for the block; afterwards to this one, and every folder can be entered.

    :param user: by number.
    """
    own = os.geteuid()
    if user != own:
        _give(folder, user)
    try:
        yield
    finally:
        _give(folder, own)


def _give(folder: Path, owner: int) -> None:
    """Make all of a folder one user's, and its folders enterable; links are not followed."""
    os.chown(folder, owner, owner if os.geteuid() == 0 else -1)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)  # noqa: PTH118 - ten thousand of them
            status = os.lstat(path)
            if status.st_uid != owner:
                os.lchown(path, owner, owner if os.geteuid() == 0 else -1)
            if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o700 != 0o700:
                os.chmod(path, 0o755)  # noqa: PTH101
