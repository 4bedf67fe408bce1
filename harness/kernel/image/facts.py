# SPDX-License-Identifier: GPL-2.0-only
"""Read the facts of a kernel image from its bytes, never from its name. Pure.

Sources: Documentation/arch/x86/boot.rst (bzImage), Documentation/arch/arm64/booting.rst, Documentation/arch/riscv/
boot-image-header.rst, Documentation/arch/arm/booting.rst, include/xen/interface/elfnote.h, elf(5).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum

from harness.base.errors import UsageError
from harness.kernel.image.compression import Compression, find_compression, unpack
from harness.kernel.image.file_type import describe, show

_SECTOR = 512
_BOOT_HEADER_BYTES = 0x250
_ELF_HEADER_BYTES = 64
_PT_NOTE = 4
# elf(5), Nhdr: name size 4, value size 4 or 8, type 18 (XEN_ELFNOTE_PHYS32_ENTRY), name.
_PVH_NOTE = re.compile(rb"\x04\0\0\0[\x04\x08]\0\0\0\x12\0\0\0Xen\0")
_BANNER = re.compile(rb"Linux version (\d+\.\d+\S* \([^\n\0]*)")
_VERSION = re.compile(rb"\d+\.\d+[^\n\0]*")
_REMEDY = "give a bzImage, vmlinuz or vmlinux; 'deb' fetches one"


class Architecture(Enum):
    """The architecture of a kernel, as ``uname -m`` names the family."""

    X86_64 = "x86_64"
    I386 = "i386"
    ARM64 = "arm64"
    ARM = "arm"
    RISCV = "riscv"
    S390 = "s390"
    POWERPC = "powerpc"
    MIPS = "mips"
    SPARC = "sparc"
    PARISC = "parisc"
    LOONGARCH = "loongarch"
    UNKNOWN = "unknown"


class ImageFormat(Enum):
    """The format of an image."""

    BZIMAGE = "bzImage"
    ELF = "vmlinux (ELF)"
    FLAT = "Image"
    ZBOOT = "EFI zboot image"
    GZIP = "gzip-compressed image"


@dataclass(frozen=True, slots=True)
class Payload:
    """The position of the compressed kernel in a bzImage, in bytes from the start of the file."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The facts in the headers of an image.

    :param format: how it is packed.
    :param architecture: the architecture that it is built for.
    :param release: as ``uname -r`` prints it; empty when the image does not have it.
    :param banner: the version line, from the release on; empty when the image does not have it.
    :param payload: the compressed kernel inside; None without one.
    :param has_pvh_entry: whether an ELF image has the note that QEMU needs to start it; always true for a bzImage.
    """

    format: ImageFormat
    architecture: Architecture
    release: str = ""
    banner: str = ""
    payload: Payload | None = None
    has_pvh_entry: bool = True


_ELF_MACHINES = {
    3: Architecture.I386, 62: Architecture.X86_64, 183: Architecture.ARM64, 40: Architecture.ARM,
    243: Architecture.RISCV, 22: Architecture.S390, 20: Architecture.POWERPC, 21: Architecture.POWERPC,
    8: Architecture.MIPS, 2: Architecture.SPARC, 43: Architecture.SPARC, 15: Architecture.PARISC,
    258: Architecture.LOONGARCH,
}  # fmt: skip
_PE_MACHINES = {
    0x8664: Architecture.X86_64, 0x14C: Architecture.I386, 0xAA64: Architecture.ARM64, 0x1C2: Architecture.ARM,
    0x5064: Architecture.RISCV, 0x6264: Architecture.LOONGARCH,
}  # fmt: skip
_FLAT_MAGICS = (
    (0x38, b"ARM\x64", Architecture.ARM64),
    (0x38, b"RSC\x05", Architecture.RISCV),
    (0x38, b"\xcd\x23\x82\x81", Architecture.LOONGARCH),
    (0x24, b"\x18\x28\x6f\x01", Architecture.ARM),
    (0x10008, b"S390EP", Architecture.S390),
)


def read_facts(data: bytes, *, name: str) -> ImageFacts:
    """Read the facts of an image.

    :param data: the whole file.
    :param name: the name that the user gave, for errors.
    :raises UsageError: the file is empty, truncated, or not a kernel.
    """
    if len(data) == 0:
        raise UsageError(f"the kernel image {name} is empty", remedy=f"build or copy it again, or {_REMEDY}")
    if data[0x202:0x206] == b"HdrS":
        return _read_bzimage(data, name)
    if data[:4] == b"\x7fELF":
        return _read_elf(data, name)
    for offset, magic, architecture in _FLAT_MAGICS:
        if data[offset : offset + len(magic)] == magic:
            return _with_banner(ImageFacts(ImageFormat.FLAT, architecture), data)
    if data[:2] == b"MZ" and data[4:8] == b"zimg":
        machine = int.from_bytes(_pe_machine(data), "little")
        return ImageFacts(ImageFormat.ZBOOT, _PE_MACHINES.get(machine, Architecture.UNKNOWN))
    packed = _architecture_inside(data[: 1 << 16])
    if packed is not None:
        return ImageFacts(ImageFormat.GZIP, packed)
    raise not_a_kernel(data, name)


def require_loadable(facts: ImageFacts, *, name: str, architectures: Collection[Architecture]) -> None:
    """Refuse an image that QEMU cannot start.

    :param name: the name that the user gave, for errors.
    :param architectures: those of the machine types; an image of unknown architecture is accepted.
    :raises UsageError: it is for another architecture, or in a format that QEMU's -kernel does not read.
    """
    evidence = f"format: {facts.format.value}\nversion: {facts.banner or facts.release or 'unknown'}"
    runs = " and ".join(architecture.value for architecture in architectures)
    if facts.architecture not in architectures and facts.architecture is not Architecture.UNKNOWN:
        what = f"the kernel image {name} is for {facts.architecture.value}; this harness's machine types run {runs}"
        raise UsageError(what, evidence=evidence, remedy=f"give a kernel built for {runs}")
    if facts.format in (ImageFormat.GZIP, ImageFormat.ZBOOT):
        what = f"QEMU cannot start {name}: it is a {facts.format.value}"
        raise UsageError(what, evidence=evidence, remedy="unpack it, or give arch/x86/boot/bzImage of the same build")
    if not facts.has_pvh_entry:
        raise UsageError(
            f"QEMU cannot start the vmlinux {name}: it has no PVH entry point",
            evidence=f"{evidence}\nno ELF note Xen/18 (XEN_ELFNOTE_PHYS32_ENTRY)",
            remedy="give arch/x86/boot/bzImage of the same build, or build with CONFIG_PVH=y",
        )


def not_a_kernel(data: bytes, name: str) -> UsageError:
    """Return the error for a file that is not a kernel, with its apparent type and its first bytes."""
    looks = describe(data[: 1 << 16])
    return UsageError(f"{name} is not a kernel image: it looks like {looks}", evidence=show(data[:64]), remedy=_REMEDY)


def _read_bzimage(data: bytes, name: str) -> ImageFacts:
    head = data[:_BOOT_HEADER_BYTES].ljust(_BOOT_HEADER_BYTES, b"\0")
    setup_sectors = head[0x1F1] or 4  # boot.rst: 0 means 4
    (protocol,) = struct.unpack_from("<H", head, 0x206)
    (blocks,) = struct.unpack_from("<I", head, 0x1F4)
    setup_bytes = (setup_sectors + 1) * _SECTOR
    needed = setup_bytes + blocks * 16
    # Trailing data is valid: a signature follows the image of a signed kernel.
    if len(data) < needed:
        raise _truncated(name, len(data), needed, "the boot header")
    (version_at,) = struct.unpack_from("<H", head, 0x20E)
    # 0 means "no version" and points at the jump over the header, which does not match.
    version = _VERSION.match(data[version_at + 0x200 : setup_bytes])
    banner = version.group().decode(errors="replace").strip() if version else ""
    payload = None
    if protocol >= 0x208:
        offset, length = struct.unpack_from("<II", head, 0x248)
        payload = Payload(setup_bytes + offset, length) if length else None
    if protocol >= 0x20C:
        is_64_bit = struct.unpack_from("<H", head, 0x236)[0] & 1
        architecture = Architecture.X86_64 if is_64_bit else Architecture.I386
    else:  # before v3.8 only the kernel inside has the architecture
        inside = _architecture_inside(data[payload.offset : payload.offset + (1 << 16)]) if payload else None
        architecture = inside or Architecture.UNKNOWN
    release = banner.partition(" ")[0]
    return ImageFacts(ImageFormat.BZIMAGE, architecture, release, banner, payload)


def _read_elf(data: bytes, name: str) -> ImageFacts:
    if len(data) < _ELF_HEADER_BYTES:
        raise _truncated(name, len(data), _ELF_HEADER_BYTES, "an ELF header")
    segments = list(_elf_segments(data))
    needed = max((offset + length for _, offset, length in segments), default=0)
    if len(data) < needed:
        raise _truncated(name, len(data), needed, "the ELF program headers")
    facts = _with_banner(ImageFacts(ImageFormat.ELF, _elf_architecture(data[:_ELF_HEADER_BYTES])), data)
    if not facts.banner:
        raise not_a_kernel(data, name)
    notes = (data[offset : offset + length] for kind, offset, length in segments if kind == _PT_NOTE)
    has_entry = any(_PVH_NOTE.search(note) for note in notes)
    return ImageFacts(ImageFormat.ELF, facts.architecture, facts.release, facts.banner, has_pvh_entry=has_entry)


def _elf_architecture(header: bytes) -> Architecture:
    machine = struct.unpack_from(">H" if header[5] == 2 else "<H", header, 18)[0]
    return _ELF_MACHINES.get(machine, Architecture.UNKNOWN)


def _elf_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield type, offset and length in the file of each program header; elf(5)."""
    order, is_64_bit = (">" if data[5] == 2 else "<"), data[4] == 2
    (start,) = struct.unpack_from(order + ("Q" if is_64_bit else "I"), data, 32 if is_64_bit else 28)
    size, count = struct.unpack_from(order + "HH", data, 54 if is_64_bit else 42)
    layout = struct.Struct(order + ("IIQQQQ" if is_64_bit else "IIIII"))
    for at in range(start, start + size * count, max(size, 1)):
        entry = data[at : at + layout.size]
        if len(entry) < layout.size:
            yield 0, at, layout.size  # beyond the end of the file: the caller sees that it is truncated
            return
        fields = layout.unpack(entry)
        yield (fields[0], fields[2], fields[5]) if is_64_bit else (fields[0], fields[1], fields[4])


def _architecture_inside(packed: bytes) -> Architecture | None:
    """Return the architecture of the image in compressed data, by its first bytes; None for no known image."""
    compression = find_compression(packed)
    inside = unpack(packed, compression, limit=1 << 12) if compression else b""
    if inside.startswith(b"\x7fELF") and len(inside) >= _ELF_HEADER_BYTES:
        return _elf_architecture(inside)
    found = (arch for at, magic, arch in _FLAT_MAGICS if inside[at : at + len(magic)] == magic)
    return next(found, None)


def _with_banner(facts: ImageFacts, data: bytes) -> ImageFacts:
    found = _BANNER.search(data)
    banner = found.group(1).decode(errors="replace").strip() if found else ""
    return ImageFacts(facts.format, facts.architecture, banner.partition(" ")[0], banner)


def _pe_machine(data: bytes) -> bytes:
    start = int.from_bytes(data[0x3C:0x40], "little")
    return data[start + 4 : start + 6]


def _truncated(name: str, has: int, needed: int, source: str) -> UsageError:
    return UsageError(
        f"the kernel image {name} is truncated: it has {has} bytes of at least {needed}",
        evidence=f"size according to {source}: {needed} bytes; {needed - has} are missing",
        remedy="copy or build it again; check for a full disk with df -h",
    )


_START = b"IKCFG_ST"
_GZIP = b"\x1f\x8b"
_LIMIT_BYTES = 16 * 1024 * 1024


def find_ikconfig(kernel: bytes) -> str | None:
    """Return the text of the config in an unpacked kernel (an ELF or flat image); None without one."""
    at = kernel.find(_START + _GZIP)
    if at < 0:
        return None
    packed = kernel[at + len(_START) : at + len(_START) + _LIMIT_BYTES]
    text = unpack(packed, Compression.GZIP, limit=_LIMIT_BYTES)
    return text.decode(errors="replace") or None
