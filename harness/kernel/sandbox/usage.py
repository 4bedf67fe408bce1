# SPDX-License-Identifier: GPL-2.0-only
"""Watch the memory, processes and disk space that a set of processes uses, and what the host has left."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness.base.errors import HostError

_MEBIBYTE = 1 << 20
_BLOCK_BYTES = 512  # of st_blocks, stat(2)
_FILES_PER_MEBIBYTE = 64  # empty files cost inodes and no blocks
_SPARE_DISK_MEBIBYTES = 256
_SPARE_MEMORY_SHARE = 0.03
# A walk over the output folder costs 60 ms for the 10,000 files of a kernel: it may take this share of the time.
_WALK_SHARE = 0.01


@dataclass(slots=True)
class Watch:
    """A watch over the descendants of a process and their output folder.

    :param pid: the process; it and its descendants count.
    :param output: the folder whose content counts as disk use.
    :param memory_mebibytes: the limit of memory.
    :param processes: the limit of processes at one time.
    :param disk_mebibytes: the limit of disk use.
    """

    pid: int
    output: Path
    memory_mebibytes: int
    processes: int
    disk_mebibytes: int
    pids: tuple[int, ...] = field(default=(), init=False)
    """The processes at the last look."""
    _walked_at: float = field(default=0.0, init=False)
    _walk_seconds: float = field(default=0.0, init=False)

    def excess(self) -> str:
        """Return the exceeded limit, e.g. ``used more than 8192 MiB of memory``; empty within the limits.

        :raises HostError: the host runs out of disk space or memory, and other programs use it.
        """
        alive = list(self._alive())
        self.pids = tuple(process.pid for process in alive)
        if len(alive) > self.processes:
            return f"ran more than {self.processes} processes at once"
        memory, disk = _hidden_use(alive, self.output.stat().st_dev)
        memory += sum(_resident(process) for process in alive)
        if memory > self.memory_mebibytes * _MEBIBYTE:
            return f"used more than {self.memory_mebibytes} MiB of memory"
        return self._memory_left(memory) or self._disk_excess(disk)

    def _alive(self) -> Iterator[psutil.Process]:
        try:
            process = psutil.Process(self.pid)
            yield from process.children(recursive=True)
        except psutil.NoSuchProcess:
            return

    def _memory_left(self, used: int) -> str:
        host = psutil.virtual_memory()
        if host.available >= host.total * _SPARE_MEMORY_SHARE:
            return ""
        if used * 2 > host.total:
            return f"used {used // _MEBIBYTE} MiB of memory and left the host {host.available // _MEBIBYTE} MiB"
        raise HostError(
            "this host has too little memory for a build",
            evidence=f"{host.available // _MEBIBYTE} MiB of {host.total // _MEBIBYTE} MiB are available; "
            f"the build uses {used // _MEBIBYTE} MiB",
            remedy="stop other processes on this host and retry",
        )

    def _disk_excess(self, hidden: int) -> str:
        space = os.statvfs(self.output)
        free = space.f_bavail * space.f_frsize
        is_short = free < _SPARE_DISK_MEBIBYTES * _MEBIBYTE
        if not is_short and time.monotonic() - self._walked_at < self._walk_seconds / _WALK_SHARE:
            return ""
        began = time.monotonic()
        used, files = disk_use(self.output)
        self._walked_at = time.monotonic()
        self._walk_seconds = self._walked_at - began
        if used + hidden > self.disk_mebibytes * _MEBIBYTE:
            return f"wrote more than {self.disk_mebibytes} MiB of files"
        if files > self.disk_mebibytes * _FILES_PER_MEBIBYTE:
            return f"made more than {self.disk_mebibytes * _FILES_PER_MEBIBYTE} files"
        if is_short:
            raise HostError(
                "the disk is full",
                evidence=f"{free // _MEBIBYTE} MiB are left at {self.output}; the build uses {used // _MEBIBYTE} MiB",
                remedy="free disk space; 'harness clean' shows what the store holds",
            )
        return ""


def disk_use(folder: Path) -> tuple[int, int]:
    """Return the bytes on disk and the number of files below a folder; files that vanish meanwhile do not count."""
    used = files = 0
    folders = [os.fspath(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    files += 1
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    used += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
        except OSError:
            continue
    return used, files


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _hidden_use(processes: list[psutil.Process], disk: int) -> tuple[int, int]:
    """Return the bytes of memory and of disk in files without a name: memfd_create(2), and deleted open files."""
    used = {True: 0, False: 0}
    seen = set()
    for process in processes:
        try:
            descriptors = os.scandir(f"/proc/{process.pid}/fd")
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                status = descriptor.stat()
            except OSError:
                continue
            if status.st_nlink == 0 and stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                used[status.st_dev == disk] += status.st_blocks * _BLOCK_BYTES
    return used[False], used[True]
