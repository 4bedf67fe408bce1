# SPDX-License-Identifier: GPL-2.0-only
"""Define what a worker and the process of its batch or build send each other: messages behind a length.

The process of a batch is started for each batch, so it imports nothing of Dask, which takes longer than all else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.hosts.wire import BatchRequest, Job

LENGTH = struct.Struct("!I")
"""The length of a message, in front of it."""


@dataclass(frozen=True, slots=True)
class LocalBatch:
    """A batch, with files of this host.

    :param request: the batch.
    :param job: the kernel and its cases.
    :param image: the kernel image.
    :param initramfs: the guest image's archive.
    :param suite: the suite as an archive; None for a shipped one.
    :param disk: the root file system of a guest that is a whole system; None for the small guest.
    :param trusts: whether QEMU may run without bubblewrap.
    """

    request: BatchRequest
    job: Job
    image: Path | None = None
    initramfs: Path | None = None
    suite: Path | None = None
    disk: Path | None = None
    trusts: bool = False


@dataclass(frozen=True, slots=True)
class LocalBuild:
    """A build, for its process.

    :param number: its number.
    :param job: the :class:`harness.hosts.builds.job.BuildJob` as JSON.
    :param trusts: whether make may run without bubblewrap where it does not work.
    """

    number: int
    job: str
    trusts: bool = False


def frames(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the messages of a stream; a message that is cut off is left out.

    :param stream: a pipe.
    """
    while len(head := stream.read(LENGTH.size)) == LENGTH.size:
        size = LENGTH.unpack(head)[0]
        if len(body := stream.read(size)) < size:
            return
        yield body
