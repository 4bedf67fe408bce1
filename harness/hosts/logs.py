# SPDX-License-Identifier: GPL-2.0-only
"""Pack the files of a case, or of a build, on a host, and unpack them here: untrusted archives, read strictly."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

from harness.base.errors import HostError

MOST_BYTES = 256 << 20
"""The most that the files of one case may take."""
_MOST_FILES = 10_000


def pack(folder: Path) -> bytes:
    """Return the regular files of a folder as an archive.

    :param folder: the folder; it may be missing.
    """
    held = io.BytesIO()
    pack_to(held, folder)
    return held.getvalue()


def pack_to(stream: IO[bytes], folder: Path) -> None:
    """Write the regular files of a folder as an archive.

    :param stream: receives the archive.
    :param folder: the folder; it may be missing.
    """
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.is_file() and not path.is_symlink():
                archive.add(path, path.relative_to(folder).as_posix(), recursive=False)


def unpack(data: bytes | Path, folder: Path, *, what: str = "the logs of a case", most_bytes: int = 0) -> None:
    """Write the files of an archive below a folder: regular files of a limited size, and nothing outside of it.

    The filter of :meth:`tarfile.TarFile.extractall` is missing in Debian 12's Python, 3.11.2.

    :param data: the archive, or its file.
    :param folder: the folder; made if missing.
    :param what: what the archive is, for errors.
    :param most_bytes: the most that the files may take together; 0 for those of a case.
    :raises HostError: the archive is damaged, or holds something else.
    """
    left = most_bytes or MOST_BYTES
    try:
        with (
            io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as stream,
            tarfile.open(fileobj=stream, mode="r:*") as archive,
        ):
            for number, member in enumerate(archive):
                name = PurePosixPath(member.name)
                is_safe = member.isreg() and not name.is_absolute() and ".." not in name.parts and name.parts
                left -= member.size
                if not is_safe or left < 0 or number >= _MOST_FILES:
                    raise _refused(member.name, what)
                content = archive.extractfile(member)
                assert content is not None
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                # A new file: an archive that names a file twice is refused.
                with path.open("xb") as file:
                    while block := content.read(1 << 20):
                        file.write(block)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise HostError(
            f"{what} cannot be unpacked", evidence=str(error), remedy="check the disk, then retry"
        ) from None


def _refused(name: str, what: str) -> HostError:
    return HostError(
        f"{what}: a file is refused",
        evidence=f"not a regular file in its folder, or too large: {name!r:.200}",
        remedy="leave out the host that sent them",
    )
