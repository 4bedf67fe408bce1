"""The config that a kernel carries in itself when built with CONFIG_IKCONFIG. Pure.

kernel/configs.c puts it into the read-only data, gzip-compressed, between the marks IKCFG_ST and IKCFG_ED, as
scripts/extract-ikconfig of the kernel's tree finds it.
"""

from __future__ import annotations

from harness.kernel.image.compression import Compression, unpack

_START = b"IKCFG_ST"
_GZIP = b"\x1f\x8b"
_LIMIT_BYTES = 16 * 1024 * 1024


def find_ikconfig(kernel: bytes) -> str | None:
    """The text of the config in an unpacked kernel (an ELF or flat image), or None when it holds none."""
    at = kernel.find(_START + _GZIP)
    if at < 0:
        return None
    packed = kernel[at + len(_START) : at + len(_START) + _LIMIT_BYTES]
    text = unpack(packed, Compression.GZIP, limit=_LIMIT_BYTES)
    return text.decode(errors="replace") or None
