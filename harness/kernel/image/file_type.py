# SPDX-License-Identifier: GPL-2.0-only
"""Describe a file that is not a kernel by its first bytes, for error messages. Pure."""

from __future__ import annotations

import codecs
import struct

from harness.kernel.image.compression import find_compression, unpack

_HEAD_BYTES = 512
_SHOWN_BYTES = 16

_FIRST_BYTES = {
    b"070701": "an initramfs (cpio archive), not the kernel that it belongs to",
    b"070702": "an initramfs (cpio archive), not the kernel that it belongs to",
    b"!<arch>\ndebian-binary": "a Debian package file",
    b"!<arch>\n": "an archive of object files",
    b"#!": "a script",
    b"QFI\xfb": "a qcow2 disk image",
    b"PK\x03\x04": "a zip archive",
    b"\xd0\x0d\xfe\xed": "a device tree or FIT image",
    b"\x27\x05\x19\x56": "a U-Boot image",
    b"hsqs": "a squashfs file system",
}
_ELF_TYPES = {1: "object file or kernel module", 2: "executable", 3: "executable or shared library", 4: "core dump"}


def describe(data: bytes) -> str:
    """Return the apparent type of a file, as a noun phrase."""
    head = bytes(data[:_HEAD_BYTES])
    for first, likeness in _FIRST_BYTES.items():
        if head.startswith(first):
            return likeness
    if head.startswith(b"\x7fELF"):
        order = ">" if head[5:6] == b"\x02" else "<"
        kind = struct.unpack_from(order + "H", head.ljust(18, b"\0"), 16)[0]
        return f"an ELF {_ELF_TYPES.get(kind, 'file')} without a kernel's version banner"
    if head.startswith(b"MZ"):
        return "a PE/EFI program without a kernel's boot header"
    compression = find_compression(head)
    if compression is not None:
        inside = unpack(bytes(data[: 1 << 16]), compression, limit=_HEAD_BYTES)
        return f"{compression.value} data" + (f", inside: {describe(inside)}" if inside else "")
    if not head.strip(b"\0"):
        return "zeros"
    try:
        # Incremental: the head may end in the middle of a letter.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "data of unknown type"
    return "text" if all(letter.isprintable() or letter in "\t\n\r\f" for letter in text) else "data of unknown type"


def show(data: bytes) -> str:
    """Render the first bytes on one line, in hexadecimal and as characters."""
    head = bytes(data[:_SHOWN_BYTES])
    letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in head)
    return f"first bytes: {head.hex(' ')}  {letters}"
