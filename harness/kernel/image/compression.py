# SPDX-License-Identifier: GPL-2.0-only
"""Detect the compression format of kernel data and unpack it with the standard library. Pure.

The formats are those of the kernel's KERNEL_GZIP .. KERNEL_ZSTD choice (init/Kconfig); their first bytes are the table
of lib/decompress.c. zstd, lz4 and lzo need a host program: see ``harness/kernel/image/examine.py``.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from enum import Enum

UNPACKED_LIMIT_BYTES = 512 * 1024 * 1024
_GZIP_WINDOW = 31  # zlib's number for "with a gzip header and the largest window"


class Compression(Enum):
    """A format of compressed data, by the name of the program that unpacks it."""

    GZIP = "gzip"
    BZIP2 = "bzip2"
    LZMA = "lzma"
    XZ = "xz"
    LZO = "lzo"
    LZ4 = "lz4"
    ZSTD = "zstd"


_FIRST_BYTES = {
    b"\x1f\x8b": Compression.GZIP,
    b"BZh": Compression.BZIP2,
    b"\x5d\x00\x00": Compression.LZMA,
    b"\xfd7zXZ\x00": Compression.XZ,
    b"\x89LZO": Compression.LZO,
    b"\x02\x21\x4c\x18": Compression.LZ4,
    b"\x28\xb5\x2f\xfd": Compression.ZSTD,
}


def find_compression(data: bytes) -> Compression | None:
    """Detect the format by the first bytes; None for no known format."""
    return next((kind for first, kind in _FIRST_BYTES.items() if data.startswith(first)), None)


def unpack(data: bytes, compression: Compression, *, limit: int = UNPACKED_LIMIT_BYTES) -> bytes:
    """Unpack at most ``limit`` bytes; trailing data is ignored, since a kernel appends its size to the payload.

    :return: as much as could be unpacked; empty when the data is damaged from the start, or the standard library does
        not support the format.
    """
    try:
        match compression:
            case Compression.GZIP:
                return zlib.decompressobj(_GZIP_WINDOW).decompress(data, limit)
            case Compression.BZIP2:
                return bz2.BZ2Decompressor().decompress(data, limit)
            case Compression.LZMA | Compression.XZ:
                return lzma.LZMADecompressor().decompress(data, limit)
            case _:
                return b""
    except (zlib.error, lzma.LZMAError, OSError):
        return b""
