"""What a program file says about how it is to be loaded: its interpreter, and the libraries the loader names for it.
Pure."""

from __future__ import annotations

import struct

from harness.base.errors import HostError

_MAGIC = b"\x7fELF"
_CLASS_64 = 2
_PT_INTERP = 3


def find_interpreter(program: bytes, *, name: str) -> str | None:
    """The dynamic loader that a program asks for (elf(5), PT_INTERP); None for a static program.

    :param program: the whole file.
    :param name: what errors call it.
    :raises HostError: the file is not a 64-bit little-endian ELF program: a script, say, or cut short.
    """
    if program[:4] != _MAGIC or program[4:6] != bytes((_CLASS_64, 1)):
        raise HostError(
            f"{name} is not a program that the guest can run",
            evidence=f"it starts with {program[:16]!r}, not as a 64-bit ELF file",
            remedy="put the distribution's own program first on PATH",
        )
    try:
        (table,) = struct.unpack_from("<Q", program, 32)
        entry_size, entries = struct.unpack_from("<HH", program, 54)
        for number in range(entries):
            kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", program, table + number * entry_size)
            if kind == _PT_INTERP:
                return program[offset : offset + size].rstrip(b"\0").decode()
    except (struct.error, UnicodeDecodeError):
        raise HostError(
            f"{name} is cut short or damaged",
            evidence=f"its program headers do not lie within its {len(program)} bytes",
            remedy=f"install its package anew: dpkg -S {name}",
        ) from None
    return None


def parse_loader_list(text: str, *, name: str) -> list[str]:
    """The paths of the libraries in the output of ``ld.so --list PROGRAM`` (ld.so(8)).

    :raises HostError: a library was not found.
    """
    paths = []
    for line in text.splitlines():
        asked, arrow, found = line.strip().partition(" => ")
        if arrow and found.startswith("not found"):
            raise HostError(
                f"{name} lacks the library {asked}",
                evidence=text,
                remedy=f"install its package anew: dpkg -S {name}",
            )
        path = (found or asked).split(" (")[0]
        if path.startswith("/"):  # the kernel's own vdso has no path
            paths.append(path)
    return paths
