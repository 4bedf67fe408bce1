# SPDX-License-Identifier: GPL-2.0-only
"""Read how a program file is to be loaded: its interpreter, and the libraries that the loader names for it. Pure."""

from __future__ import annotations

import struct

from harness.base.errors import HostError

_MAGIC = b"\x7fELF"
_CLASS_64 = 2
_PT_INTERP = 3


def find_interpreter(program: bytes, *, name: str) -> str | None:
    """Find the dynamic loader that a program requests (elf(5), PT_INTERP); None for a static program.

    :param program: the whole file.
    :param name: name of the program, for errors.
    :raises HostError: the file is not a 64-bit little-endian ELF program (for example a script), or is truncated.
    """
    if program[:4] != _MAGIC or program[4:6] != bytes((_CLASS_64, 1)):
        raise HostError(
            f"{name} is not a program that the guest can run",
            evidence=f"it starts with {program[:16]!r}; a 64-bit ELF file is needed",
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
            f"{name} is truncated or damaged",
            evidence=f"its program headers are not within its {len(program)} bytes",
            remedy=f"reinstall its package; 'dpkg -S {name}' names it",
        ) from None
    return None


def parse_loader_list(text: str, *, name: str) -> list[str]:
    """Parse the paths of the libraries in the output of ``ld.so --list PROGRAM`` (ld.so(8)).

    :param name: name of the program, for errors.
    :raises HostError: a library was not found.
    """
    paths = []
    for line in text.splitlines():
        library, arrow, found = line.strip().partition(" => ")
        if arrow and found.startswith("not found"):
            raise HostError(
                f"the library {library} of {name} is missing",
                evidence=text,
                remedy=f"reinstall its package; 'dpkg -S {name}' names it",
            )
        path = (found or library).split(" (")[0]
        if path.startswith("/"):  # the kernel's own vdso has no path
            paths.append(path)
    return paths
