# SPDX-License-Identifier: GPL-2.0-only
"""The newc writer, read back by a reader that is not ours: busybox cpio."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base import process
from harness.base.deadline import Deadline
from harness.guest import cpio

ENTRIES: tuple[cpio.Entry, ...] = (
    cpio.File("/etc/passwd", b"root:x:0:0::/root:/bin/bash\n"),
    cpio.Symlink("/bin", "usr/bin"),
    cpio.File("/usr/bin/odd", b"12345", mode=0o755),
    cpio.File("/usr/bin/empty", b""),
    cpio.Directory("/home/tester", mode=0o700, uid=9000, gid=9000),
    cpio.CharDevice("/dev/console", 5, 1),
)


def archive(*entries: cpio.Entry) -> bytes:
    """The whole archive of those entries."""
    return b"".join(cpio.render(entries))


def busybox_cpio(data: bytes, *words: str, cwd: Path) -> str:
    """What busybox cpio says of an archive."""
    return process.run(
        ["busybox", "cpio", *words], stdin=data, within=process.Surroundings(cwd=cwd), deadline=Deadline.after(120)
    ).text


def test_render_lists_every_entry_and_parent_in_order(tmp_path: Path) -> None:
    """Each entry is there once, parents come before their children, and missing parents are added."""
    listed = busybox_cpio(archive(*ENTRIES), "-t", cwd=tmp_path).split()

    assert listed == [
        ".",
        "bin",
        "dev",
        "dev/console",
        "etc",
        "etc/passwd",
        "home",
        "home/tester",
        "usr",
        "usr/bin",
        "usr/bin/empty",
        "usr/bin/odd",
    ]


def test_render_keeps_contents_modes_and_links(tmp_path: Path) -> None:
    """Content, mode, link target, size zero and odd sizes survive."""
    entries = [entry for entry in ENTRIES if os.geteuid() == 0 or not isinstance(entry, cpio.CharDevice)]
    busybox_cpio(archive(*entries), "-i", cwd=tmp_path)

    assert (tmp_path / "etc/passwd").read_bytes() == b"root:x:0:0::/root:/bin/bash\n"
    assert (tmp_path / "bin").readlink() == Path("usr/bin")
    assert (tmp_path / "usr/bin/odd").read_bytes() == b"12345"
    assert stat.S_IMODE((tmp_path / "usr/bin/odd").stat().st_mode) == 0o755
    assert (tmp_path / "usr/bin/empty").read_bytes() == b""
    assert stat.S_IMODE((tmp_path / "home/tester").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes and gives files away")
def test_render_keeps_devices_and_owners(tmp_path: Path) -> None:
    """A node has its numbers, a directory its owner, and every time is the epoch."""
    busybox_cpio(archive(*ENTRIES), "-i", "-m", cwd=tmp_path)
    node = (tmp_path / "dev/console").stat()
    home = (tmp_path / "home/tester").stat()

    assert stat.S_ISCHR(node.st_mode)
    assert (os.major(node.st_rdev), os.minor(node.st_rdev)) == (5, 1)
    assert (home.st_uid, home.st_gid) == (9000, 9000)
    assert (tmp_path / "etc/passwd").stat().st_mtime == 0


def test_render_starts_with_the_root() -> None:
    """The archive has the mode of '/' itself, which is 1777 when the kernel starts to unpack."""
    data = archive(cpio.File("/a", b""))

    assert data[:14] == b"070701" + b"00000001"
    assert data[14:22] == b"%08X" % (stat.S_IFDIR | 0o755)
    assert data[110:112] == b".\0"


def test_render_does_not_depend_on_the_order() -> None:
    """The same entries in another order give the same bytes."""
    assert archive(*ENTRIES) == archive(*reversed(ENTRIES))


@given(st.binary(max_size=2000))
def test_render_pads_the_archive_to_512(content: bytes) -> None:
    """For any sizes, the archive fills whole blocks, ends with its trailer and keeps the content aligned."""
    data = archive(cpio.File("/f", content))

    assert len(data) % 512 == 0
    assert b"TRAILER!!!\0" in data
    assert data[224 : 224 + len(content)] == content


def test_render_sorts_a_directory_before_its_members() -> None:
    """Paths are compared part by part: '/a.b' does not come between '/a' and '/a/c'."""
    data = archive(cpio.File("/a/c", b""), cpio.File("/a.b", b""), cpio.Directory("/a"))

    assert data.index(b"a\0") < data.index(b"a/c\0") < data.index(b"a.b\0")


@pytest.mark.parametrize("path", ["etc/passwd", "/", "/a/../b", "/a//b", "/a/", "/nul\0"])
def test_render_refuses_paths_that_are_not_normalized(path: str) -> None:
    """A path that is not normalized would be unpacked to another path."""
    with pytest.raises(ValueError, match="normalized path"):
        archive(cpio.File(path, b""))


def test_render_refuses_two_entries_of_one_path() -> None:
    """The kernel would keep the last one, so the result would depend on the order."""
    with pytest.raises(ValueError, match="two entries for /a"):
        archive(cpio.File("/a", b"1"), cpio.File("/a", b"2"))


def test_render_refuses_an_entry_below_a_link() -> None:
    """The kernel would write to the target of the link."""
    with pytest.raises(ValueError, match="not a directory"):
        archive(cpio.Symlink("/bin", "usr/bin"), cpio.File("/bin/sh", b""))
