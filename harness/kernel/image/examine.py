# SPDX-License-Identifier: GPL-2.0-only
"""Read an image file on disk: its facts, its digest and its config; the store keeps the result."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.json_records import recall_facts, to_table
from harness.base.process import find_program, run
from harness.base.store import Store, digest_of
from harness.kernel.config.kconfig import ConfigSource, KernelConfig, parse_config
from harness.kernel.image.compression import Compression, find_compression, unpack
from harness.kernel.image.facts import ImageFacts, ImageFormat, find_ikconfig, read_facts
from harness.kernel.source.locate import cannot_read

_EXAMINED = "kernel-image-facts"
_INNER_CONFIG = "kernel-image-config"
# Increased when the reader changes, so that images are read again.
_READER_VERSION = "2"


@dataclass(frozen=True, slots=True)
class ExaminedImage:
    """An image file that was read.

    :param path: the file.
    :param digest: sha256 of the file, as ``sha256sum`` prints it.
    :param facts: the facts in its headers.
    """

    path: Path
    digest: str
    facts: ImageFacts


@dataclass(frozen=True, slots=True)
class FoundConfig:
    """The config of an image, or why none was found.

    :param config: the config; None when none was found.
    :param notes: files that may be its config and were not used, each with the reason.
    :param why_none: why none was found; empty when there is a config.
    """

    config: KernelConfig | None
    notes: tuple[str, ...] = ()
    why_none: str = ""


def examine_image(store: Store, path: Path, *, name: str) -> ExaminedImage:
    """Read an image file; an unchanged file is read only once.

    :param name: the name that the user gave, for errors.
    :raises UsageError: the file cannot be read, is empty, truncated or not a kernel.
    """
    try:
        status = path.stat()
        identity = (os.fspath(path.absolute()), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        key = digest_of(_READER_VERSION, repr(identity))
        remembered = recall_facts(_Remembered, store.recall(_EXAMINED, key))
        if remembered is not None and os.access(path, os.R_OK):
            return ExaminedImage(path, remembered.digest, remembered.facts)
        data = path.read_bytes()
    except OSError as error:
        raise cannot_read(name, error) from None
    examined = ExaminedImage(path, hashlib.sha256(data).hexdigest(), read_facts(data, name=name))
    store.remember(_EXAMINED, key, to_table(_Remembered(examined.digest, examined.facts)))
    return examined


def find_config(context: Context, image: ExaminedImage) -> FoundConfig:
    """Find the config of an image: a matching file beside it, else the one inside it.

    ``config-RELEASE`` in the same folder, and ``config`` in ``usr/lib/modules/RELEASE``, match by name; another
    ``config`` or ``.config`` beside the image, and the ``.config`` of the tree around it, match when the version in
    their comment is that of the image.

    :raises HostError: a program that unpacks the image did not end before the deadline.
    """
    notes: list[str] = []
    for path, is_by_name in _candidates(image):
        try:
            text = path.read_text(errors="surrogateescape")
            is_newer = path.stat().st_mtime_ns > image.path.stat().st_mtime_ns
        except OSError:
            continue
        config = parse_config(text, ConfigSource.BESIDE)
        doubt = "" if is_by_name else _doubt(config, image.facts.release, is_newer=is_newer and path.name == ".config")
        if not doubt:
            return FoundConfig(config, tuple(notes))
        notes.append(f"{path} was not used as the kernel's config: {doubt}")
    text, reason = _read_inner_config(context, image)
    if text:
        return FoundConfig(parse_config(text, ConfigSource.IN_IMAGE), tuple(notes))
    return FoundConfig(None, tuple(notes), f"no config beside the image, and {reason}")


def _candidates(image: ExaminedImage) -> list[tuple[Path, bool]]:
    """Return the paths where a config may be, each with whether its name alone makes it a match."""
    found = []
    for path in dict.fromkeys((image.path.absolute(), image.path.resolve())):
        if image.facts.release:
            found.append((path.parent / f"config-{image.facts.release}", True))
            # Debian's 6.19 to 7.1: the image in /boot, its config in /usr/lib/modules.
            folders = ("usr/lib/modules", "lib/modules") if path.parent.name == "boot" else ()
            found += [(path.parents[1] / folder / image.facts.release / "config", True) for folder in folders]
        found += [(path.parent / "config", path.parent.name == image.facts.release), (path.parent / ".config", False)]
        if path.parent.name == "boot" and path.parent.parent.parent.name == "arch":
            found.append((path.parents[3] / ".config", False))
    return found


def _doubt(config: KernelConfig, release: str, *, is_newer: bool) -> str:
    """Return why a config may not be that of an image; empty for a match."""
    if not config.version:
        return "it has no version comment"
    # The release is the version plus LOCALVERSION and the additions of the build.
    if not re.match(re.escape(config.version) + r"(?![0-9.])", release):
        return f"its version is {config.version}, the image's is {release or 'unknown'}"
    return "it was changed after the image was built" if is_newer else ""


def _read_inner_config(context: Context, image: ExaminedImage) -> tuple[str, str]:
    """Return the text of IKCONFIG and, when it is empty, the reason."""
    none = "none inside it (CONFIG_IKCONFIG is not set)"
    fact = context.store.recall(_INNER_CONFIG, image.digest)
    if fact is not None:
        return str(fact.get("text", "")), none
    data = image.path.read_bytes()
    if image.facts.format is ImageFormat.BZIMAGE:
        payload = image.facts.payload
        if payload is None:
            return "", "its boot header does not locate the kernel inside"
        packed = data[payload.offset : payload.offset + payload.length]
        unpacked = unpack_payload(packed, deadline=context.deadline)
        if unpacked.reason:
            return "", f"the image cannot be unpacked: {unpacked.reason}"
        data = unpacked.data
    text = find_ikconfig(data) or ""
    context.store.remember(_INNER_CONFIG, image.digest, {"text": text})
    return text, none


@dataclass(frozen=True, slots=True)
class _Remembered:
    """The record of an image in the store: everything but its path."""

    digest: str
    facts: ImageFacts


_STDLIB = frozenset({Compression.GZIP, Compression.BZIP2, Compression.LZMA, Compression.XZ})
_PROGRAMS = {Compression.ZSTD: "zstd", Compression.LZ4: "lz4", Compression.LZO: "lzop"}


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The unpacked kernel, or why it could not be unpacked.

    :param data: the ELF image inside; empty on failure.
    :param reason: the reason of a failure; empty on success.
    """

    data: bytes
    reason: str = ""


def unpack_payload(packed: bytes, *, deadline: Deadline) -> Unpacked:
    """Unpack a payload; zstd, lz4 and lzo with the host program, if it is installed.

    :raises HostError: the program did not end before the deadline.
    """
    compression = find_compression(packed)
    if compression is None:
        return Unpacked(packed) if packed.startswith(b"\x7fELF") else Unpacked(b"", "its compression format is unknown")
    if compression in _STDLIB:
        data = unpack(packed, compression)
    else:
        program = find_program(_PROGRAMS[compression])
        if program is None:
            return Unpacked(
                b"", f"it is compressed with {compression.value}, and {_PROGRAMS[compression]} is not installed"
            )
        # Each fails on the size that the kernel's build appends, after it wrote everything.
        data = run([program, "-d", "-c"], stdin=packed, check=False, deadline=deadline).stdout
    return Unpacked(data, "" if data else f"its {compression.value} data is damaged")
