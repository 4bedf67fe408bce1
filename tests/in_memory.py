# SPDX-License-Identifier: GPL-2.0-only
"""Put the temporary folders of tests in memory: they hold thousands of small files that live for less than a second.

On ext4 each new file searches past the inodes that were freed in the last seconds (``recently_deleted()`` in
``fs/ext4/ialloc.c``), and repositories are written to the disk in vain: half of the processor time of making and
removing such folders.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = "PYTEST_DEBUG_TEMPROOT"
"""The variable that tells pytest where to make its folders."""
_FOLDER = Path("/dev/shm")
_FREE_BYTES = 1 << 30
"""A multiple of what the tests without a guest or a build need at one time."""


def add_option(parser: pytest.Parser) -> None:
    """Add the option of this module to pytest."""
    parser.addoption(
        "--in-memory",
        action="store_true",
        help=f"Put temporary folders of tests in {_FOLDER}, if it can be written and has {_FREE_BYTES >> 30} GiB free.",
    )


def use(config: pytest.Config) -> None:
    """Let pytest make its temporary folders in memory, if that was asked for and this host has the room.

    A worker of pytest-xdist gets its folder from the process that starts it.
    """
    elsewhere = config.getoption("basetemp") is not None or ROOT in os.environ
    if config.getoption("in_memory") and not elsewhere and has_room(_FOLDER, _FREE_BYTES):
        os.environ[ROOT] = str(_FOLDER)


def has_room(folder: Path, free_bytes: int) -> bool:
    """Return whether a folder can be written and has the room; containers often have 64 MiB in memory."""
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= free_bytes
