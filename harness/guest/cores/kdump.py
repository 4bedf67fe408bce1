# SPDX-License-Identifier: GPL-2.0-only
"""Make the memory dump of QEMU a file that libkdumpfile, and so drgn, opens.

QEMU writes kdump-compressed memory as ``makedumpfile -F`` does for a pipe: pieces with their places in the file. And it
leaves the name of the system out of the header, which libkdumpfile wants. The header is that of makedumpfile:
``disk_dump_header``, whose 390 bytes of ``struct new_utsname`` follow signature and version.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from harness.base.errors import HostError

_FLAT_SIGNATURE = b"makedumpfile\0"
_FLAT_HEADER_BYTES = 4096
_CHUNK_BYTES = 1 << 20
_PIECE = struct.Struct(">qq")
_SIGNATURE = b"KDUMP   "
_NAME_BYTES = 65
_UTSNAME_OFFSET = 12
_SYSNAME, _NODENAME, _RELEASE, _VERSION = range(4)


def assemble(flat: BinaryIO, plain: BinaryIO, *, release: str) -> None:
    """Write the pieces of a dump to their places, and name the system in the header.

    :param flat: what QEMU wrote, from its beginning.
    :param plain: an empty file.
    :param release: the kernel's release.
    :raises HostError: QEMU wrote something else, or not all.
    """
    if not flat.read(_FLAT_HEADER_BYTES).startswith(_FLAT_SIGNATURE):
        raise HostError("QEMU wrote no dump of the machine's memory", evidence="the file does not begin as one does")
    while True:
        head = flat.read(_PIECE.size)
        if len(head) < _PIECE.size:
            raise HostError("QEMU wrote no whole dump of the machine's memory", evidence="the file has no end mark")
        offset, size = _PIECE.unpack(head)
        if offset < 0:
            break
        plain.seek(offset)
        _copy(flat, plain, size)
    _name_system(plain, release)


def _copy(flat: BinaryIO, plain: BinaryIO, size: int) -> None:
    while size > 0:
        data = flat.read(min(size, _CHUNK_BYTES))
        if not data:
            raise HostError("QEMU wrote no whole dump of the machine's memory", evidence="the file ends in a piece")
        plain.write(data)
        size -= len(data)


def _name_system(plain: BinaryIO, release: str) -> None:
    plain.seek(0, os.SEEK_SET)
    if plain.read(len(_SIGNATURE)) != _SIGNATURE:
        raise HostError("QEMU wrote no dump of the machine's memory", evidence="the file has no header of kdump")
    names = {_SYSNAME: "Linux", _NODENAME: "(none)", _RELEASE: release, _VERSION: "#1"}
    for index, text in names.items():
        plain.seek(_UTSNAME_OFFSET + index * _NAME_BYTES)
        plain.write(text.encode()[: _NAME_BYTES - 1].ljust(_NAME_BYTES, b"\0"))
