# SPDX-License-Identifier: GPL-2.0-only
"""Give QEMU's plugin a file for its bitmap, and keep what it noted as a small file."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

from harness.base.atomic_write import write_whole
from harness.coverage.bitmap import PAGE_BYTES, SIZE, Bitmap, decode, encode, union

NAME = "coverage"
"""Name of the file in the folder of a case or a template."""
PREPARATION_NAME = "coverage-preparation"
"""Name of the file with the coverage of the preparation that was done when the machine of a case was cloned."""


def open_window() -> int:
    """Return the descriptor of a new file for the bitmap of a machine: in memory, with holes, without a path."""
    descriptor = os.memfd_create("coverage", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, SIZE // 8)
    return descriptor


def read_window(descriptor: int) -> Bitmap:
    """Read what a plugin noted; it may still be running."""
    pages: dict[int, bytes] = {}
    end = 0
    while True:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return Bitmap(pages)
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        content = os.pread(descriptor, end - start, start)
        for at in range(0, len(content), PAGE_BYTES):
            page = content[at : at + PAGE_BYTES]
            if any(page):
                pages[(start + at) // PAGE_BYTES] = page


def keep(bitmap: Bitmap, folder: Path) -> Path:
    """Write a bitmap into a folder.

    :return: the path of the file.
    """
    file = folder / NAME
    write_whole(file, encode(bitmap), mode=0o644)
    return file


def share_preparation(template: Path, folder: Path) -> None:
    """Give a case the coverage of the preparation that its machine was cloned with: the case runs that code as well.

    :param template: the folder of the prepared template; nothing is done if it has no coverage.
    :param folder: the folder of the case.
    """
    made, shared = template / NAME, folder / PREPARATION_NAME
    with contextlib.suppress(OSError):
        shared.unlink(missing_ok=True)
        try:
            os.link(made, shared)
        except FileNotFoundError:
            return
        except OSError:  # another file system
            shutil.copyfile(made, shared)


def load_case(folder: Path) -> Bitmap | None:
    """Read all that a case ran, in its machine and in its preparation; None when that was not noted.

    :raises UsageError: a file is damaged.
    """
    own, preparation = load(folder), load(folder, PREPARATION_NAME)
    return own if own is None or preparation is None else union([own, preparation])


def load(folder: Path, name: str = NAME) -> Bitmap | None:
    """Read the bitmap in a folder; None when it has none.

    :raises UsageError: it is damaged.
    """
    file = folder / name
    try:
        content = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return decode(content, source=str(file))


def add_case(folder: Path, first: Path) -> None:
    """Add what a repeated case ran to what it ran in the first round; nothing is done without coverage.

    :param folder: the folder of the case in its round.
    :param first: its folder in the first round.
    :raises UsageError: a file is damaged.
    """
    again, before = load_case(folder), load(first)
    if again is not None:
        first.mkdir(parents=True, exist_ok=True)
        keep(again if before is None else union([before, again]), first)
