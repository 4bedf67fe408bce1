# SPDX-License-Identifier: GPL-2.0-only
"""Send files to hosts by the digest of their content, and keep them in the store of the host.

A worker asks its own store, then the submitting host; what arrives is checked before it gets its name. What a host has
built comes back in parts, each after the answer to the one before.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError
from harness.base.store import Store
from harness.hosts.wire import BLOCK_BYTES

KIND = "artifact"
"""The kind of these products in the store."""
_FILE = "content"
_SOURCE = "source"
_DIGEST_LENGTH = 64
_MOST_BYTES = 16 << 30
"""The most that a host may send of one file."""

ReadBlock = Callable[[str, int], bytes]
"""Reads a part of an artifact: its digest, and the offset; empty at the end."""
MakeSource = Callable[[tuple[str, ...]], Path]
"""Packs the files of a commit for a host that has the files of some other commits."""


def source_name(commit: str, known: Iterable[str]) -> str:
    """Return the name under which a host asks for the files of a commit; git checks them by their hashes.

    :param commit: the full hash.
    :param known: the full hashes of commits whose files the host has.
    """
    return f"{_SOURCE}:{commit}:{','.join(known)}"


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
    :ivar began: when the first block was read, on the monotonic clock; 0.0 before.
    :ivar ended: when the last block was read.
    """

    sent: Counter[str] = field(default_factory=Counter)
    sent_bytes: int = 0
    began: float = 0.0
    ended: float = 0.0
    _contents: dict[str, Path | bytes] = field(default_factory=dict)
    _sources: dict[str, MakeSource] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _making: threading.Lock = field(default_factory=threading.Lock)

    def add(self, content: Path | bytes) -> str:
        """Offer a file or bytes, and return the digest.

        :param content: the file or the bytes.
        """
        digest = content_digest(content)
        with self._lock:
            self._contents[digest] = content
        return digest

    def add_source(self, commit: str, make: MakeSource) -> None:
        """Offer the files of a commit, which are packed when a host asks for them.

        :param commit: the full hash.
        :param make: packs them; called once for hosts that have the same files.
        """
        with self._lock:
            self._sources[commit] = make

    def is_to_be_made(self, name: str) -> bool:
        """Return whether an artifact is a source that was not packed yet.

        :param name: its name.
        """
        return name.startswith(f"{_SOURCE}:") and name not in self._contents

    def _make(self, name: str) -> None:
        """Pack a source that is offered; one that cannot be packed is empty, which the host reports."""
        _, commit, known = [*name.split(":", 2), "", ""][:3]
        make = self._sources.get(commit)
        if make is None:
            return
        with self._making:
            if name not in self._contents:
                try:
                    made: Path | bytes = make(tuple(filter(None, known.split(","))))
                except HarnessError:
                    made = b""
                with self._lock:
                    self._contents[name] = made

    def read(self, digest: str, offset: int) -> bytes:
        """Return a part of an artifact; empty at its end, and for one that is not offered.

        :param digest: the digest, or the name of a source.
        :param offset: the offset of the part.
        """
        if self.is_to_be_made(digest):
            self._make(digest)
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
            self.began, self.ended = self.began or time.monotonic(), time.monotonic()
        return block


class Intake:
    """The files that hosts send: those that are awaited, each part behind the one before."""

    def __init__(self, folder: Path) -> None:
        """Take the files into a folder.

        :param folder: the folder.
        """
        self._folder = folder
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def awaiting(self, *names: str) -> Iterator[tuple[Path, ...]]:
        """Take some files for the length of a ``with`` block, and remove them at its end.

        :param names: their names.
        :return: their paths; a file that was not sent is missing.
        """
        paths = tuple(self._folder / f"sent-{name}" for name in names)
        with self._lock:
            self._sizes |= dict.fromkeys(names, 0)
        try:
            yield paths
        finally:
            with self._lock:
                for name in names:
                    del self._sizes[name]
            for path in paths:
                path.unlink(missing_ok=True)

    def take(self, name: str, offset: int, content: bytes) -> str:
        """Take a part of a file; return why it was refused, or nothing.

        :param name: the name of the file.
        :param offset: the offset of the part; 0 starts the file over.
        :param content: the part.
        """
        with self._lock:
            if name not in self._sizes or offset not in (0, self._sizes[name]) or offset > _MOST_BYTES:
                return "not awaited"
            try:
                with (self._folder / f"sent-{name}").open("ab" if offset else "wb") as file:
                    file.write(content)
            except OSError as error:
                return f"the submitting host cannot keep it: {error}"
            self._sizes[name] = offset + len(content)
        return ""


def fetch_to(file: Path, name: str, read_block: ReadBlock) -> None:
    """Write an artifact of the submitting host to a file; one that is named by its digest is checked.

    :param file: the file.
    :param name: the digest, or the name of a source, which git checks.
    :param read_block: reads a part of it.
    :raises HostError: what arrived has another digest, or nothing arrived.
    """
    with file.open("wb") as stream:
        while block := read_block(name, stream.tell()):
            stream.write(block)
        size = stream.tell()
    if not size or (len(name) == _DIGEST_LENGTH and content_digest(file) != name):
        raise HostError(
            "an artifact of the run arrived damaged",
            evidence=f"{size} bytes of {name[:_DIGEST_LENGTH]}",
            remedy="check the connection and the disks of both hosts, then retry",
        )


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
