# SPDX-License-Identifier: GPL-2.0-only
"""Read how a program file is to be loaded: its interpreter, and the libraries that it or the loader names. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from harness.base.errors import HostError

_MAGIC = b"\x7fELF"
_CLASS_64 = 2
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 15, 29
_X86_64 = 62


@dataclass(frozen=True, slots=True)
class LoadFacts:
    """What a program or a library asks the dynamic loader for.

    :param interpreter: path of the loader; empty for a static program or a library.
    :param needed: names of the libraries that it needs itself.
    :param folders: the folders where it wants them looked for first; may contain ``$ORIGIN``.
    """

    interpreter: str = ""
    needed: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def read_load_facts(content: bytes) -> LoadFacts:
    """Read what a file asks the dynamic loader for, without running anything.

    :param content: the whole file.
    :raises ValueError: the file is not an ELF file for x86-64, or is damaged.
    """
    if content[:4] != _MAGIC or content[4:6] != bytes((_CLASS_64, 1)) or content[18:20] != struct.pack("<H", _X86_64):
        raise ValueError("not an ELF file for x86-64")
    try:
        segments = list(_segments(content))
        interpreter = next((_text(content, offset) for kind, offset, *_ in segments if kind == _PT_INTERP), "")
        tags = list(_dynamic_tags(content, segments))
        table = next((value for tag, value in tags if tag == _DT_STRTAB), 0)
        strings = _file_offset(table, segments)
        names = [(tag, _text(content, strings + value)) for tag, value in tags if tag in _NAMING]
    except (struct.error, ValueError) as error:
        raise ValueError(f"damaged: {error}") from None
    folders = tuple(one for tag, text in names if tag != _DT_NEEDED for one in text.split(":") if one)
    return LoadFacts(interpreter, tuple(text for tag, text in names if tag == _DT_NEEDED), folders)


_NAMING = (_DT_NEEDED, _DT_RPATH, _DT_RUNPATH)
_Segment = tuple[int, int, int, int]
"""Kind, offset in the file, address, size in the file."""


def _segments(content: bytes) -> Iterator[_Segment]:
    (table,) = struct.unpack_from("<Q", content, 32)
    entry_size, entries = struct.unpack_from("<HH", content, 54)
    for number in range(entries):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", content, table + number * entry_size)
        yield kind, offset, address, size


def _dynamic_tags(content: bytes, segments: list[_Segment]) -> Iterator[tuple[int, int]]:
    for kind, offset, _, size in segments:
        if kind == _PT_DYNAMIC:
            for at in range(offset, offset + size, 16):
                tag, value = struct.unpack_from("<QQ", content, at)
                if tag == _DT_NULL:
                    return
                yield tag, value


def _file_offset(address: int, segments: list[_Segment]) -> int:
    for kind, offset, start, size in segments:
        if kind == _PT_LOAD and start <= address < start + size:
            return address - start + offset
    return 0


def _text(content: bytes, offset: int) -> str:
    return content[offset : content.index(b"\0", offset)].decode()


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
