# SPDX-License-Identifier: GPL-2.0-only
"""Make the images of a machine's disks, open them for QEMU, and copy or remove them with its memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import provided_by
from harness.guest.disks.disk import Disk, FileSystem

_MAKERS = {FileSystem.EXT4: (("mkfs.ext4", "-q", "-F"), "e2fsprogs"), FileSystem.SWAP: (("mkswap", "-q"), "util-linux")}
_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


def make_disks(disks: Iterable[Disk], folder: Path, deadline: Deadline) -> None:
    """Make the images of disks of a machine, new ones in place of those of an earlier attempt.

    :param folder: the folder of the machine's memory.
    :raises HostError: a program is missing, or the disk is full.
    """
    for disk in disks:
        _make(disk, folder / disk.file_name, deadline)


def _make(disk: Disk, image: Path, deadline: Deadline) -> None:
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(disk.mebibytes << 20)
    if disk.holds in _MAKERS:
        argv, package = _MAKERS[disk.holds]
        with provided_by((package,)):
            process.run(
                [*argv, image],
                deadline=deadline,
                within=process.Surroundings(env={"PATH": _PATH, "LC_ALL": "C"}),
                remedy=f"install it: apt-get install {package}",
            )


def copy_disks(disks: Iterable[Disk], source: Path, target: Path, deadline: Deadline) -> None:
    """Copy the images of disks from one folder to another.

    :raises HostError: the disk is full.
    """
    for disk in disks:
        process.run(["cp", "--sparse=always", source / disk.file_name, target / disk.file_name], deadline=deadline)


def remove_disks(disks: Iterable[Disk], folder: Path) -> None:
    """Remove the images of disks."""
    for disk in disks:
        (folder / disk.file_name).unlink(missing_ok=True)


@contextlib.contextmanager
def opened_disks(disks: Iterable[Disk], folder: Path, *, is_kept: bool) -> Iterator[dict[str, int]]:
    """Open the images of disks for the length of a ``with`` block.

    :param folder: the folder of the machine's memory.
    :param is_kept: whether the machine writes to the images; else it gets copies without a name, which end with it.
    :return: the file descriptor of each disk, by its name.
    """
    with contextlib.ExitStack() as ends:
        opened: dict[str, int] = {}
        for disk in disks:
            descriptor = os.open(folder / disk.file_name, (os.O_RDWR if is_kept else os.O_RDONLY) | os.O_CLOEXEC)
            ends.callback(os.close, descriptor)
            if not is_kept:
                descriptor = _copy(descriptor, folder)
                ends.callback(os.close, descriptor)
            opened[disk.name] = descriptor
        yield opened


def _copy(image: int, folder: Path) -> int:
    """Copy the data of a sparse file into one without a name, and return its descriptor."""
    copy = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    size = os.fstat(image).st_size
    os.truncate(copy, size)
    at = 0
    while at < size:
        try:
            at = os.lseek(image, at, os.SEEK_DATA)
        except OSError:  # ENXIO: no data up to the end
            break
        end = os.lseek(image, at, os.SEEK_HOLE)
        os.lseek(copy, at, os.SEEK_SET)
        while at < end:
            at += os.sendfile(copy, image, at, end - at)
    return copy
