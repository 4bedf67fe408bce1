# SPDX-License-Identifier: GPL-2.0-only
"""Write newc archives, the format of the kernel's initramfs, deterministically. Pure.

The format is that of Documentation/driver-api/early-userspace/buffer-format.rst in the kernel tree: a header of
fourteen fields, thirteen of them eight hexadecimal digits, then the name and the content, each padded to four bytes.
Nothing of the host gets in: no time, no owner, no inode number, no order of a folder. The same entries give the same
bytes.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"
_LARGEST_FILE_BYTES = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory at an absolute path of the guest."""

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """A regular file and its content."""

    path: str
    content: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link; the target is written unchanged."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class CharDevice:
    """A character device node."""

    path: str
    major: int
    minor: int
    mode: int = 0o600


Entry = Directory | File | Symlink | CharDevice


def render(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Render the archive in pieces to be written in order; its length is a multiple of 512 bytes.

    Entries are sorted by path, so a directory comes before its content: the kernel makes no parent by itself and
    silently drops an entry whose parent is missing. Missing parents are therefore added, with mode 0755 and root as
    the owner; so is "/" itself, which the kernel leaves writable by all users (ramfs, tmpfs: 1777).

    :raises ValueError: two entries of one path, a path that is not absolute and normalized, an entry below a path that
        is not a directory, or a file of 4 GiB or more.
    """
    placed = _placed(entries)
    length = 0
    for number, path in enumerate(sorted(placed, key=lambda path: path.rstrip("/").split("/")), start=1):
        for piece in _render_entry(placed[path], path.removeprefix("/") or ".", number):
            length += len(piece)
            yield piece
    trailer = _header(_TRAILER, number=0, mode=0)
    length += len(trailer)
    yield trailer + bytes(-length % 512)


def _placed(entries: Iterable[Entry]) -> dict[str, Entry]:
    placed: dict[str, Entry] = {}
    for entry in entries:
        if not isinstance(entry, Directory) or entry.path != "/":
            _check_path(entry.path)
        if entry.path in placed:
            raise ValueError(f"two entries for {entry.path}")
        placed[entry.path] = entry
    for path in list(placed):
        for parent in PurePosixPath(path).parents:
            above = placed.setdefault(str(parent), Directory(str(parent)))
            if not isinstance(above, Directory):
                raise ValueError(f"{path} lies below {parent}, which is not a directory")
    return placed


def _check_path(path: str) -> None:
    plain = path.startswith("/") and "\0" not in path
    if not plain or any(part in ("", ".", "..") for part in path[1:].split("/")):
        raise ValueError(f"{path!r} is not an absolute, normalized path")


def _render_entry(entry: Entry, name: str, number: int) -> Iterator[bytes]:
    match entry:
        case Directory():
            mode = stat.S_IFDIR | entry.mode
            yield _header(name, number=number, mode=mode, owner=(entry.uid, entry.gid))
        case File():
            mode, size = stat.S_IFREG | entry.mode, len(entry.content)
            if size > _LARGEST_FILE_BYTES:
                raise ValueError(f"{entry.path} is too large for the format: {size} bytes")
            yield _header(name, number=number, mode=mode, owner=(entry.uid, entry.gid), size=size)
            yield entry.content
            yield bytes(-size % 4)
        case Symlink():
            target = entry.target.encode()
            yield _header(name, number=number, mode=stat.S_IFLNK | 0o777, size=len(target))
            yield target + bytes(-len(target) % 4)
        case CharDevice():
            mode = stat.S_IFCHR | entry.mode
            yield _header(name, number=number, mode=mode, device=(entry.major, entry.minor))


def _header(
    name: str,
    *,
    number: int,
    mode: int,
    owner: tuple[int, int] = (0, 0),
    size: int = 0,
    device: tuple[int, int] = (0, 0),
) -> bytes:
    """Render the header of an entry.

    :param owner: user and group.
    :param device: major and minor number.
    """
    links = 2 if stat.S_ISDIR(mode) else 1
    named = name.encode() + b"\0"
    # inode, mode, uid, gid, nlink, mtime, filesize, file's device (two), node's device (two), namesize, check
    fields = (number, mode, *owner, links, 0, size, 0, 0, *device, len(named), 0)
    whole = _MAGIC + b"".join(b"%08X" % field for field in fields) + named
    return whole + bytes(-len(whole) % 4)
