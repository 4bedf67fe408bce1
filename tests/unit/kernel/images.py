# SPDX-License-Identifier: GPL-2.0-only
"""Crafted kernel images for tests: small, made of bytes, and the silent one really boots.

bzimage()                     a bzImage that QEMU starts and that never says anything: cli; hlt; for ever
bzimage(code=END_QEMU)        one that ends QEMU through isa-debug-exit: proof that its code is reached
vmlinux() / arm64_image() / arm_zimage()
embed_config(text)            what CONFIG_IKCONFIG puts into a kernel
"""

from __future__ import annotations

import gzip
import struct

SILENT = bytes.fromhex("fa f4 eb fd")  # cli; hlt; jmp to the hlt: the same bytes in 16, 32 and 64-bit mode
END_QEMU = bytes.fromhex("b0 10 e6 f4") + SILENT  # mov al, 0x10; out 0xf4, al: ends with status 2 * 0x10 + 1
END_QEMU_STATUS = 33

RELEASE = "6.1.0-crafted"
_CODE_AT = 0x268
_VERSION_AT = 0x300
_ENTRY_64_AT = 0x200
_PAYLOAD_AT = 0x400


def bzimage(
    *,
    release: str = RELEASE,
    payload: bytes = b"",
    code: bytes = SILENT,
    is_64_bit: bool = True,
    protocol: int = 0x20F,
    setup_sectors: int = 7,
    signature: bytes = b"",
) -> bytes:
    """A bzImage by Documentation/arch/x86/boot.rst; ``code`` runs at the real-mode, 32-bit and 64-bit entry.

    :param setup_sectors: 4 is written as 0, the old way to say 4.
    """
    kernel = code.ljust(_ENTRY_64_AT, b"\x90") + code.ljust(_PAYLOAD_AT - _ENTRY_64_AT, b"\x90") + payload
    kernel = kernel.ljust(-(-len(kernel) // 16) * 16, b"\0")
    setup = bytearray((setup_sectors + 1) * 512)
    struct.pack_into("<BHI", setup, 0x1F1, 0 if setup_sectors == 4 else setup_sectors, 1, len(kernel) // 16)
    struct.pack_into("<H", setup, 0x1FE, 0xAA55)
    setup[0x200:0x202] = bytes((0xEB, _CODE_AT - 0x202))
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, protocol)
    struct.pack_into("<H", setup, 0x20E, _VERSION_AT - 0x200 if release else 0)
    setup[0x211] = 1  # LOADED_HIGH
    struct.pack_into("<I", setup, 0x214, 0x100000)
    struct.pack_into("<I", setup, 0x22C, 0x7FFFFFFF)  # initrd_addr_max
    struct.pack_into("<IB", setup, 0x230, 0x200000, 1)  # alignment, relocatable
    struct.pack_into("<HI", setup, 0x236, int(is_64_bit), 2047)  # xloadflags, cmdline_size
    struct.pack_into("<II", setup, 0x248, _PAYLOAD_AT if payload else 0, len(payload))
    struct.pack_into("<QII", setup, 0x258, 0x1000000, 0x100000, 0)  # pref_address, init_size
    setup[_CODE_AT : _CODE_AT + len(code)] = code
    version = f"{release} (tester@host) #1 SMP".encode() + b"\0"
    setup[_VERSION_AT : _VERSION_AT + len(version)] = version
    return bytes(setup) + kernel + signature


def vmlinux(
    *, release: str = RELEASE, machine: int = 62, order: str = "<", has_pvh_entry: bool = True, content: bytes = b""
) -> bytes:
    """A 64-bit ELF file with a kernel's banner and a note segment; ``content`` stands at its end.

    :param order: ``<`` for little, ``>`` for big endian.
    """
    note = struct.pack("<III4sQ", 4, 8, 18 if has_pvh_entry else 1, b"Xen\0", 0x1000000)
    banner = f"Linux version {release} (tester@host) (gcc 12) #1 SMP\n".encode() + b"\0" if release else b""
    body = note + banner + content
    start = 64 + 2 * 56
    ident = b"\x7fELF" + bytes((2, 2 if order == ">" else 1, 1)) + bytes(9)
    header = ident + struct.pack(order + "HHIQQQIHHHHHH", 2, machine, 1, 0x1000000, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack(order + "IIQQQQQQ", 1, 5, start, 0x1000000, 0x1000000, len(body), len(body), 4096)
    notes = struct.pack(order + "IIQQQQQQ", 4, 4, start, 0x1000000, 0x1000000, len(note), len(note), 4)
    return header + load + notes + body


def arm64_image(*, release: str = RELEASE) -> bytes:
    """An arm64 ``Image``: its 64-byte header and a banner."""
    return bytes(0x38) + b"ARM\x64" + bytes(4) + f"Linux version {release} (tester@host) #1\n\0".encode()


def arm_zimage() -> bytes:
    """A 32-bit ARM zImage: the magic word among instructions."""
    return b"\0\0\xa0\xe1" * 9 + struct.pack("<III", 0x016F2818, 0, 4096) + bytes(64)


def embed_config(text: str) -> bytes:
    """What kernel/configs.c puts into a kernel built with CONFIG_IKCONFIG."""
    return b"IKCFG_ST" + gzip.compress(text.encode(), mtime=0) + b"IKCFG_ED"
