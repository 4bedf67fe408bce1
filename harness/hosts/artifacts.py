# SPDX-License-Identifier: GPL-2.0-only
"""Send files to hosts by the digest of their content, and keep them in the store of the host.

A worker asks its own store, then the submitting host; what arrives is checked before it gets its name.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.store import Store
from harness.hosts.wire import BLOCK_BYTES

KIND = "artifact"
"""The kind of these products in the store."""
_FILE = "content"

ReadBlock = Callable[[str, int], bytes]
"""Reads a part of an artifact: its digest, and the offset; empty at the end."""


def content_digest(content: Path | bytes) -> str:
    """Return the SHA-256 of a file, or of bytes.

    :param content: the file or the bytes.
    """
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class Offer:
    """The artifacts that the submitting host offers; nothing else can be read.

    :ivar sent: the number of times that each artifact was begun to be sent.
    :ivar sent_bytes: the number of bytes that were sent.
    """

    sent: Counter[str] = field(default_factory=Counter)
    sent_bytes: int = 0
    _contents: dict[str, Path | bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, content: Path | bytes) -> str:
        """Offer a file or bytes, and return the digest.

        :param content: the file or the bytes.
        """
        digest = content_digest(content)
        with self._lock:
            self._contents[digest] = content
        return digest

    def read(self, digest: str, offset: int) -> bytes:
        """Return a part of an artifact; empty at its end, and for one that is not offered.

        :param digest: the digest.
        :param offset: the offset of the part.
        """
        with self._lock:
            content = self._contents.get(digest, b"")
        if isinstance(content, bytes):
            block = content[offset : offset + BLOCK_BYTES]
        else:
            with content.open("rb") as file:
                file.seek(offset)
                block = file.read(BLOCK_BYTES)
        with self._lock:
            self.sent[digest] += offset == 0
            self.sent_bytes += len(block)
        return block


def fetch(store: Store, digest: str, read_block: ReadBlock, *, deadline: Deadline) -> Path:
    """Return the file with that digest, from the store or else from the submitting host.

    Of two workers of a host, one fetches it and the other waits.

    :param store: the store of this host.
    :param digest: the digest.
    :param read_block: reads a part of it from the submitting host.
    :param deadline: the end of the wait for another worker.
    :raises HostError: what arrived has another digest.
    """

    def fill(folder: Path) -> None:
        with (folder / _FILE).open("wb") as file:
            file.write(fetch_bytes(digest, read_block))

    return store.make(KIND, digest, fill, deadline=deadline) / _FILE


def fetch_bytes(digest: str, read_block: ReadBlock) -> bytes:
    """Return an artifact from the submitting host.

    :param digest: the digest.
    :param read_block: reads a part of it.
    :raises HostError: what arrived has another digest.
    """
    whole = bytearray()
    while block := read_block(digest, len(whole)):
        whole += block
    if content_digest(bytes(whole)) != digest:
        raise HostError(
            "an artifact of the run arrived damaged",
            evidence=f"{len(whole)} bytes with digest {content_digest(bytes(whole))[:16]}, expected {digest[:16]}",
            remedy="check the connection and the memory of both hosts, then retry",
        )
    return bytes(whole)
