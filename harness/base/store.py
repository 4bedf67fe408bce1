# SPDX-License-Identifier: GPL-2.0-only
"""Keep products on disk, each made once and named by its inputs.

A product is a folder ``<store>/<kind>/<key>``; the key is a digest of its inputs. It is made in a temporary folder
under a lock and then renamed, so that a killed run leaves no incomplete product and two runs never make one twice.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.base.atomic_write import write_whole
from harness.base.deadline import Deadline
from harness.base.errors import DiskFullError, HostError, UsageError
from harness.base.paths import user_folder

if TYPE_CHECKING:
    from filelock import FileLock

_LOG = logging.getLogger(__name__)
STORE_VARIABLE = "HARNESS_STORE"
_KEY_LENGTH = 24
_MAKING = ".making-"
"""The infix of the temporary folder in which a product is made: after its name, before a random part."""
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT)


def digest_of(*parts: bytes | str | Path) -> str:
    """Return the SHA-256 of parts in hexadecimal: of text and bytes themselves, of a path the file's content."""
    whole = hashlib.sha256()
    for part in parts:
        one = hashlib.sha256()
        if isinstance(part, Path):
            with part.open("rb") as file:
                while block := file.read(1 << 20):
                    one.update(block)
        else:
            one.update(part.encode() if isinstance(part, str) else part)
        whole.update(one.digest())
    return whole.hexdigest()


def bytes_on_disk(folder: Path) -> int:
    """Return the size of a folder on disk, in bytes; holes are not counted."""
    total = 0
    folders = [os.fspath(folder)]
    while folders:
        # Another run may move or remove files meanwhile.
        with contextlib.suppress(FileNotFoundError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
    return total


@dataclass(frozen=True, slots=True)
class Store:
    """The store of all products.

    :param folder: its path; created by the first write.
    """

    folder: Path

    @classmethod
    def default(cls, environment: Mapping[str, str] = os.environ) -> Store:
        """Return the store of this user: ``$HARNESS_STORE``, else the user's cache folder.

        :raises UsageError: the variable is not set, and the user has no home folder.
        """
        named = environment.get(STORE_VARIABLE, "")
        if named:
            return cls(Path(named))
        import platformdirs

        return cls(user_folder(platformdirs.user_cache_dir, option=STORE_VARIABLE))

    def place(self, kind: str, key: str) -> Path:
        """Return the path of the product of that kind and key, which may not exist."""
        return self.folder / kind / key[:_KEY_LENGTH]

    def find(self, kind: str, key: str) -> Path | None:
        """Find the finished product; None if there is none."""
        place = self.place(kind, key)
        is_there = place.is_dir()
        _LOG.debug("%s in the store: %s", "found" if is_there else "not", place)
        return place if is_there else None

    def make(self, kind: str, key: str, fill: Callable[[Path], None], *, deadline: Deadline | None = None) -> Path:
        """Return the product; ``fill(folder)`` makes it if it does not exist yet.

        Of two callers at once, one makes the product and the other waits for the lock.

        :raises UsageError: the store cannot be written.
        :raises HostError: the disk is full, or the deadline came while another run held the lock.
        """
        place = self.place(kind, key)
        if place.is_dir():
            _LOG.debug("found in the store: %s", place)
            return place
        from filelock import Timeout

        lock = self.lock(kind, key)
        seconds = (deadline or Deadline.never()).seconds_left
        try:
            with self.complaints(), lock.acquire(timeout=-1 if seconds == float("inf") else seconds):
                if place.is_dir():
                    return place
                self._sweep(kind, key)
                making = Path(tempfile.mkdtemp(prefix=f".{place.name}{_MAKING}", dir=place.parent))
                began = time.monotonic()
                try:
                    fill(making)
                    making.chmod(0o755)
                    making.rename(place)
                except BaseException:
                    shutil.rmtree(making, ignore_errors=True)
                    raise
                _LOG.info("made in %.1f s: %s", time.monotonic() - began, place)
        except Timeout:
            raise HostError(
                f"another run has been making {kind} {place.name} for {seconds:.0f} s",
                evidence=f"lock: {lock.lock_file}",
                remedy="wait for the other run or stop it, then retry",
            ) from None
        return place

    def lock(self, kind: str, key: str) -> FileLock:
        """Return the lock of a product's path, not yet acquired. A folder that changes needs its lock to be held.

        :raises UsageError: the store cannot be written.
        :raises HostError: the disk is full.
        """
        # Imported only when a product is made: filelock imports asyncio, 0.1 s of a run's start.
        from filelock import FileLock

        place = self.place(kind, key)
        with self.complaints():
            place.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(place.parent / f".{place.name}.lock")

    def remember(self, kind: str, key: str, value: Mapping[str, object]) -> None:
        """Keep a small fact as JSON, replacing an older one atomically; see :meth:`recall`."""
        place = self._fact(kind, key)
        text = json.dumps(value, indent=1, sort_keys=True)
        with self.complaints():
            place.parent.mkdir(parents=True, exist_ok=True)
            write_whole(place, text.encode())

    def recall(self, kind: str, key: str) -> dict[str, object] | None:
        """Return the fact kept under that key; None when there is none or it cannot be read."""
        try:
            value = json.loads(self._fact(kind, key).read_text())
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def forget(self, kind: str, key: str) -> None:
        """Remove a fact or a product, if there is one."""
        with self.complaints(), contextlib.suppress(FileNotFoundError):
            self._fact(kind, key).unlink()
        shutil.rmtree(self.place(kind, key), ignore_errors=True)

    def _fact(self, kind: str, key: str) -> Path:
        place = self.place(kind, key)
        # Not with_suffix(): a key may contain a dot, and the text after it belongs to the key.
        return place.with_name(f"{place.name}.json")

    def _sweep(self, kind: str, key: str) -> None:
        """Remove the temporary folders that killed runs left, of all products of this kind.

        The caller holds the lock of this product. A temporary folder whose lock is free is not being filled.
        """
        from filelock import Timeout

        place = self.place(kind, key)
        for left in place.parent.glob(f".*{_MAKING}*"):
            name = left.name[1:].rpartition(_MAKING)[0]
            if name == place.name:
                shutil.rmtree(left, ignore_errors=True)
                continue
            with contextlib.suppress(Timeout), self.lock(kind, name).acquire(timeout=0):
                shutil.rmtree(left, ignore_errors=True)

    def _is_ours(self, error: OSError) -> bool:
        """Return whether the error is about the store or a folder above it, not about a file that ``fill`` read."""
        if not isinstance(error.filename, str):
            return False
        named = Path(error.filename)
        return named.is_relative_to(self.folder) or self.folder.is_relative_to(named)

    @contextlib.contextmanager
    def complaints(self) -> Iterator[None]:
        """Turn an OSError about the store within the block into an error with a hint.

        :raises UsageError: the store cannot be written.
        :raises HostError: no space is left.
        """
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError(
                    f"no space left in the store {self.folder}",
                    evidence=str(error),
                    remedy="free some space ('harness clean' shows the store's content), or set "
                    f"{STORE_VARIABLE} to a folder on a larger disk",
                ) from None
            if error.errno in _NOT_WRITABLE and self._is_ours(error):
                raise UsageError(
                    f"the store {self.folder} cannot be written",
                    evidence=str(error),
                    remedy=f"make it writable, or set {STORE_VARIABLE} to a writable folder",
                ) from None
            raise
