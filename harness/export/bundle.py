# SPDX-License-Identifier: GPL-2.0-only
"""Write a case with its kernel and guest as a bundle: a tar archive that needs QEMU and bash only."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.base import process
from harness.base.atomic_write import write_whole
from harness.base.deadline import Deadline
from harness.base.errors import UsageError

_SECONDS = 600.0
_COMPRESSIONS = {".zst": ("zstd", "-q", "-T0", "-10"), ".gz": ("gzip", "-n"), ".xz": ("xz", "-T0"), ".tar": ()}


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file of a bundle.

    :param content: its bytes, or the path of a file with them.
    :param mode: its permission bits.
    """

    content: bytes | Path
    mode: int = 0o644


def write_bundle(file: Path, members: Mapping[str, BundleFile]) -> None:
    """Write a tar archive, compressed by its suffix: ``.tar.zst``, ``.tar.gz``, ``.tar.xz`` or ``.tar``.

    Its files lie in one folder, which has the name of the archive. The same content gives the same archive.

    :param members: the files by name.
    :raises UsageError: the suffix is another one, its program is missing, or the file cannot be written.
    """
    command = _COMPRESSIONS.get(file.suffix)
    if command is None:
        raise UsageError(
            f"--bundle {file}: unknown suffix",
            evidence=f"known: {', '.join(_COMPRESSIONS)}",
            remedy=f"name it {file.stem}.tar.zst",
        )
    if command and not process.find_program(command[0]):
        remedy = f"install it: apt install {command[0]}; or name it {file.stem}.gz"
        raise UsageError(f"--bundle {file}: the program {command[0]} is missing", remedy=remedy)
    folder = file.name.partition(".tar")[0]
    archive = _archive(folder, members)
    if command:
        archive = process.run(command, deadline=Deadline.after(_SECONDS), stdin=archive).stdout
    try:
        write_whole(file, archive, mode=0o644)
    except OSError as error:
        remedy = "name a file in an existing writable folder with enough space"
        raise UsageError(f"--bundle {file} cannot be written", evidence=str(error), remedy=remedy) from None


def _archive(folder: str, members: Mapping[str, BundleFile]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, member in members.items():
            content = member.content if isinstance(member.content, bytes) else member.content.read_bytes()
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode = len(content), member.mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
