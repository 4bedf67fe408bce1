# SPDX-License-Identifier: GPL-2.0-only
"""Folders that are removed also when their process was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.base.scratch import scratch_folder

HOLD = """
import sys
from harness.base.scratch import scratch_folder
with scratch_folder("test") as folder:
    (folder / "file").touch()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the place of temporary folders of this test and of the processes that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@contextmanager
def holder() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start a process that has a folder; it looks old."""
    words = [sys.executable, "-c", HOLD]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        folder = Path(child.stdout.readline().strip())
        make_old(folder)
        yield child, folder
        child.kill()


def make_old(folder: Path) -> None:
    os.utime(folder, (0, 0))


def test_a_folder_is_removed_at_the_end(root: Path) -> None:
    """With all that it holds; its name has the purpose."""
    with scratch_folder("test") as folder:
        (folder / "below").mkdir()
        (folder / "below" / "file").touch()
        assert folder.parent == root
        assert "test" in folder.name

    assert not list(root.iterdir())


def test_the_folder_of_a_killed_process_is_removed_by_the_next() -> None:
    """Only by one of the same purpose."""
    with holder() as (child, folder):
        child.kill()
        child.wait()
        with scratch_folder("other"):
            assert (folder / "file").exists()
        with scratch_folder("test"):
            assert not folder.exists()


def test_a_folder_in_use_stays() -> None:
    """However long ago it was made."""
    with holder() as (_, folder), scratch_folder("test"):
        assert (folder / "file").exists()


def test_a_new_folder_without_a_lock_stays(root: Path) -> None:
    """Its process is about to lock it."""
    with scratch_folder("test") as folder:
        name = folder.name
    new = root / f"{name[:-8]}abcdefgh"
    new.mkdir()
    with scratch_folder("test"):
        assert new.exists()
    make_old(new)
    with scratch_folder("test"):
        assert not new.exists()


def test_a_link_is_not_followed(root: Path) -> None:
    """Another user may have made it."""
    with scratch_folder("test") as folder:
        name = folder.name
    kept = root / "kept"
    kept.mkdir()
    (kept / "file").touch()
    make_old(kept)
    link = root / f"{name[:-8]}abcdefgh"
    link.symlink_to(kept)
    os.utime(link, (0, 0), follow_symlinks=False)
    with scratch_folder("test"):
        assert (kept / "file").exists()
