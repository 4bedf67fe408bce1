"""The kernel proper out of a bzImage's payload, for what the small boot header does not tell."""

from __future__ import annotations

from dataclasses import dataclass

from harness.base.deadline import Deadline
from harness.base.process import find_program, run
from harness.kernel.image.compression import Compression, find_compression, unpack

_STDLIB = frozenset({Compression.GZIP, Compression.BZIP2, Compression.LZMA, Compression.XZ})
_PROGRAMS = {Compression.ZSTD: "zstd", Compression.LZ4: "lz4", Compression.LZO: "lzop"}


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The unpacked kernel, or why there is none.

    :param data: the ELF image inside; empty when it could not be had. :param reason: empty when it could.
    """

    data: bytes
    reason: str = ""


def unpack_payload(packed: bytes, *, deadline: Deadline) -> Unpacked:
    """Unpack a payload; zstd, lz4 and lzo through the host program of that name, if it is installed.

    :raises HostError: the program did not end before the deadline.
    """
    compression = find_compression(packed)
    if compression is None:
        return Unpacked(packed) if packed.startswith(b"\x7fELF") else Unpacked(b"", "its compression is not known")
    if compression in _STDLIB:
        data = unpack(packed, compression)
    else:
        program = find_program(_PROGRAMS[compression])
        if program is None:
            return Unpacked(b"", f"it is packed with {compression.value}, and the host has no {_PROGRAMS[compression]}")
        # Each complains of the size that the kernel's build appends, after it wrote everything.
        data = run([program, "-d", "-c"], stdin=packed, check=False, deadline=deadline).stdout
    return Unpacked(data, "" if data else f"its {compression.value} data are damaged")
