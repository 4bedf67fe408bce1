# SPDX-License-Identifier: GPL-2.0-only
"""Read a log of any tool from a file, compressed or not, and find the splats in it."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from harness.base.errors import UsageError
from harness.kernellog.reader import KernelLog, Splat

STANDARD_INPUT = Path("-")
_PIECE_BYTES = 256 * 1024
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_TEXT = bytes({*range(0x20, 0x100), *b"\t\n\r\b\f\x1b"} - {0x7F})
_BINARY_SHARE = 0.1
"""Largest share of control characters in a text; a serial line may have a few by mistake."""


def find_splats(path: Path) -> tuple[Splat, ...]:
    """Return all splats of a log, in the order of their first lines.

    :param path: the log, or ``-`` for standard input; a file that gzip(1) compressed is decompressed.
    :raises UsageError: the file cannot be read, is empty, is no text, or is damaged.
    """
    log = KernelLog()
    found: list[Splat] = []
    is_empty = True
    for piece in _pieces(path):
        if is_empty and piece:
            is_empty = False
            _require_text(path, piece)
        found += log.feed(piece)
    if is_empty:
        raise UsageError(f"{path} is empty", remedy="dmesg > kernel.log; harness splats kernel.log")
    return tuple(sorted([*found, *log.close()], key=lambda splat: splat.line))


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with nullcontext(sys.stdin.buffer) if path == STANDARD_INPUT else path.open("rb") as file:
            first = file.read(_PIECE_BYTES)
            if first.startswith(_GZIP):
                yield from _decompressed(path, first, file)
                return
            while first:
                yield first
                first = file.read(_PIECE_BYTES)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", remedy="name a log file, or - for standard input") from None


def _decompressed(path: Path, data: bytes, file: BinaryIO) -> Iterator[bytes]:
    decoder = zlib.decompressobj(_GZIP_WINDOW)
    is_whole = False
    try:
        while data:
            yield decoder.decompress(data, _PIECE_BYTES)
            is_whole = decoder.eof
            data = decoder.unconsumed_tail
            if is_whole:
                # Members follow each other in a file that was appended to.
                data, decoder = decoder.unused_data.lstrip(b"\0"), zlib.decompressobj(_GZIP_WINDOW)
            data = data or file.read(_PIECE_BYTES)
    except zlib.error as error:
        raise UsageError(f"{path} is damaged: {error}", remedy=f"gzip --test {path}") from None
    if not is_whole:
        raise UsageError(f"{path} is damaged: it ends within its compressed data", remedy=f"gzip --test {path}")


def _require_text(path: Path, piece: bytes) -> None:
    """Require that the beginning of a file is text.

    :raises UsageError: it is not.
    """
    controls = len(piece.translate(None, _TEXT))
    if controls > _BINARY_SHARE * len(piece):
        raise UsageError(
            f"{path} is not a log: {controls} of its first {len(piece)} bytes are control characters",
            evidence=f"it starts with {piece[:16]!r}",
            remedy="name a text file, such as the output of dmesg or of a serial console",
        )
