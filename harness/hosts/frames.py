# SPDX-License-Identifier: GPL-2.0-only
"""Define what the harness and the process of Dask's scheduler send each other: JSON and bytes behind a length."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from harness.base.errors import UsageError
from harness.base.json_records import dump_value, from_table, parse_json

_LENGTH = struct.Struct("!I")
_MOST_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class HubSettings:
    """The settings of the scheduler's process, its first line of standard input.

    :param listen: the address to listen on, without a port.
    :param authority: path of the authority's certificate.
    :param certificate: path of the scheduler's certificate.
    :param key: path of its key.
    :param scratch: folder for temporary files.
    :param scheduler: the address of a scheduler that exists, to be its client; empty to run one.
    :param trusts: whether QEMU may run without bubblewrap on the workers of that scheduler.
    """

    listen: str
    authority: str
    certificate: str
    key: str
    scratch: str
    scheduler: str = ""
    trusts: bool = False


class FrameKind(StrEnum):
    """The kind of a frame. The first five go to the scheduler's process."""

    SUBMIT = "submit"
    """Give the worker ``address`` the batch ``number``; the content is the request."""
    BUILD = "build"
    """Give the worker ``address`` the build ``number``; the content is the request."""
    FORGET = "forget"
    """Forget the batch or build ``number``."""
    BLOCK = "block"
    """The content that frame ``FETCH`` with that number asked for."""
    TAKEN = "taken"
    """The answer to frame ``PART`` with that number; ``name`` is why the part was refused, or empty."""
    READY = "ready"
    """The scheduler listens on the port ``number``."""
    JOINED = "joined"
    """The worker ``name`` is ready at ``address``."""
    LEFT = "left"
    """The worker at ``address`` is lost."""
    RECEIVED = "received"
    """A worker has sent the content."""
    FETCH = "fetch"
    """A worker asks for a part of the artifact ``name``, from ``offset``."""
    PART = "part"
    """A worker sends a part of the file ``name``, from ``offset``; the next one follows the answer."""


@dataclass(frozen=True, slots=True)
class HubFrame:
    """A frame; see :class:`FrameKind` for the meaning of the fields."""

    kind: FrameKind
    name: str = ""
    address: str = ""
    number: int = 0
    offset: int = 0


def write_frame(stream: IO[bytes], frame: HubFrame, content: bytes = b"") -> None:
    """Write a frame.

    :param stream: a pipe.
    :param frame: the frame.
    :param content: its content.
    """
    data = dump_value(frame, indent=None).encode() + content
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def frames(stream: IO[bytes]) -> Iterator[tuple[HubFrame, bytes]]:
    """Yield the frames of a stream, checked field by field; one that is cut off is left out.

    :param stream: a pipe.
    :raises UsageError: a frame is damaged.
    """
    while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
        size = _LENGTH.unpack(head)[0]
        if size > _MOST_BYTES:
            raise UsageError("a frame of the scheduler is damaged", evidence=f"it has {size} bytes")
        if len(data := stream.read(size)) < size:
            return
        line, _, content = data.partition(b"\n")
        source = "a frame of the scheduler"
        yield (
            from_table(HubFrame, parse_json(line.decode(errors="replace"), source), name="frame", source=source),
            content,
        )
