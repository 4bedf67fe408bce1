# SPDX-License-Identifier: GPL-2.0-only
"""Builds on a disk that fills up in the middle: a file system of its own, in memory."""

from __future__ import annotations

from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.process import Surroundings, run
from tests.private_mounts import needs_mounts, with_mounts
from tests.program import environment, harness
from tests.unit.kernel.fake_tree import MAKEFILE, make_repository

_STEP = '\t@echo "  LD      vmlinux"\n'
_FILL = "\t@dd if=/dev/zero of=$(out)/large bs=1M count=400 status=none\n"
# Builds the tree three times, in one shell: the file system is gone with its mount namespace.
_BUILDS = """
for number in 1 2 3; do
    cp "$1/Makefile.$number" "$1/tree/Makefile"
    echo "/* $number */" >> "$1/tree/lib/string.c"
    echo "== $number"
    HARNESS_STORE="$1/small/store" "$2" build "$1/tree" 2>&1 || true
    find "$1/small/store" -maxdepth 2 -name '.*making-*' -printf 'left: %p\\n'
done
"""


@needs_mounts
def test_a_disk_that_fills_up_during_a_build_is_the_hosts_fault(tmp_path: Path) -> None:
    """It is said at once, without a second build from nothing; nothing is left, and the next build is right."""
    assert _STEP in MAKEFILE
    tree = make_repository(tmp_path / "tree")
    for number, step in enumerate((_STEP, _STEP + _FILL, _STEP + "\t@true\n"), 1):
        (tmp_path / f"Makefile.{number}").write_text(MAKEFILE.replace(_STEP, step))
    (tmp_path / "small").mkdir()
    words = ["sh", "-c", _BUILDS, "sh", tmp_path, harness()[0]]
    mounts = [f"mount -t tmpfs -o size=350M tmpfs {tmp_path / 'small'}"]
    done = run(
        with_mounts(mounts, list(map(str, words))), deadline=Deadline.after(120), within=Surroundings(env=environment())
    )
    first, second, third = done.text.split("== ")[1:]

    assert tree.path.is_dir()
    assert "building from nothing" in first
    assert "harness: the disk is full" in second
    assert "building from objects" in second
    assert "building from nothing" not in second
    assert "left: " not in done.text
    assert "building from objects" in third
    assert "the disk is full" not in third
