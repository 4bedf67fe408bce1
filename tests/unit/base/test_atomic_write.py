# SPDX-License-Identifier: GPL-2.0-only
"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.atomic_write import write_whole


def names(folder: Path) -> list[str]:
    """What a folder holds, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_with_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    """The new content stands in the place of the old, nothing beside it, and others may read it if so wanted."""
    place = tmp_path / "file"
    place.write_bytes(b"old and longer")
    write_whole(place, b"new", mode=0o644)

    assert place.read_bytes() == b"new"
    assert place.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == ["file"]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """A folder in the place cannot be replaced by a file: it is as it was, and no half of a file stays beside it."""
    place = tmp_path / "file"
    (place / "kept").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(place, b"new")

    assert names(tmp_path) == ["file"]
    assert names(place) == ["kept"]


def test_the_usual_mode_is_private(tmp_path: Path) -> None:
    """What nobody said anything about, others may not read."""
    write_whole(tmp_path / "file", b"")

    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
