# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/base/atomic_write.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.atomic_write import write_whole


def names(folder: Path) -> list[str]:
    """Return the names in a folder, hidden files included."""
    return sorted(path.name for path in folder.iterdir())


def test_write_whole_replaces_a_file_with_the_given_mode(tmp_path: Path) -> None:
    """The file has the new content and the given mode, and no temporary file is left."""
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    write_whole(path, b"new", mode=0o644)

    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == ["file"]


def test_write_whole_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    """A folder cannot be replaced by a file: it is unchanged, and no temporary file is left."""
    path = tmp_path / "file"
    (path / "kept").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(path, b"new")

    assert names(tmp_path) == ["file"]
    assert names(path) == ["kept"]


def test_write_whole_is_private_by_default(tmp_path: Path) -> None:
    """Without a mode, other users may not read the file."""
    write_whole(tmp_path / "file", b"")

    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
