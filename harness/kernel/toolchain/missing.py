# SPDX-License-Identifier: GPL-2.0-only
"""Find programs and headers that are missing on a host, from the output of a build."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import HostError
from harness.base.process import find_program


@dataclass(frozen=True, slots=True)
class MissingTool:
    """A program or header that a build did not find.

    :param package: the Debian package that has it.
    :param program: its name on PATH; empty for a header.
    :param header: a header of the package, by its name below ``/usr/include``; empty for a program.
    :param line: the line of the build that reports it.
    """

    package: str
    program: str
    header: str
    line: str


# Programs by their Debian package.
_PROGRAMS = {
    "bc": "bc",
    "binutils": "ar as ld nm objcopy objdump readelf strip",
    "bison": "bison",
    "bzip2": "bzip2",
    "clang": "clang",
    "cpio": "cpio",
    "diffutils": "cmp diff",
    "dwarves": "pahole",
    "flex": "flex",
    "gawk": "awk gawk",
    "gcc": "cc gcc",
    "gzip": "gzip",
    "kmod": "depmod",
    "lz4": "lz4 lz4c",
    "lzop": "lzop",
    "make": "make",
    "openssl": "openssl",
    "perl": "perl",
    "python3": "python3",
    "rsync": "rsync",
    "xz-utils": "lzma xz",
    "zstd": "zstd",
}
# Headers, or their top folders. The first one shows whether the package is installed; any other may be missing because
# of the tree.
_HEADERS = {
    "libc6-dev": "stdio.h stdlib.h string.h sys",
    "libelf-dev": "gelf.h libelf.h",
    "libgmp-dev": "gmp.h",
    "libmpc-dev": "mpc.h",
    "libssl-dev": "openssl/ssl.h openssl",
    "linux-libc-dev": "linux/types.h linux asm",
    "zlib1g-dev": "zlib.h",
}
_PACKAGE_OF_PROGRAM = {name: package for package, names in _PROGRAMS.items() for name in names.split()}
_PACKAGE_OF_HEADER = {name: package for package, names in _HEADERS.items() for name in names.split()}
_NO_PROGRAM = (
    re.compile(r"(?:.*[\s/])?(?P<name>[\w.+-]+): (?:command )?not found"),
    re.compile(r"prlimit: failed to execute (?P<name>[\w.+-]+): No such file or directory"),
    re.compile(r"make(?:\[\d+\])?: (?P<name>[\w.+-]+): No such file or directory"),
    re.compile(r"gcc: fatal error: cannot execute .(?P<name>as|ld).: .*"),
    re.compile(r"BTF: .*: (?P<name>pahole) \(pahole\) is not available"),
)
_NO_HEADER = re.compile(r".*fatal error: (?P<name>[\w./+-]+\.h): No such file or directory")
# The kernel's Makefile: "please install libelf-dev, libelf-devel or elfutils-libelf-devel".
_ASKS_FOR = re.compile(r".*please install (?P<name>libelf-dev|libssl-dev)\b.*", re.IGNORECASE)


def read_missing_tool(lines: Iterable[str]) -> MissingTool | None:
    """Find the first program or header that a build reports as missing. Pure."""
    return next((tool for line in lines if (tool := _read(line)) is not None), None)


def _read(line: str) -> MissingTool | None:
    for pattern in _NO_PROGRAM:
        match = pattern.fullmatch(line)
        if match and (package := _PACKAGE_OF_PROGRAM.get(match["name"])):
            return MissingTool(package, match["name"], "", line)
    if match := _NO_HEADER.fullmatch(line):
        name = match["name"]
        package = _PACKAGE_OF_HEADER.get(name) or _PACKAGE_OF_HEADER.get(name.partition("/")[0])
        return MissingTool(package, "", _HEADERS[package].split()[0], line) if package else None
    if match := _ASKS_FOR.fullmatch(line):
        return MissingTool(match["name"], "", _HEADERS[match["name"]].split()[0], line)
    return None


_INCLUDES = (Path("/usr/include"), Path("/usr/local/include"))


def find_missing_tool(lines: Iterable[str]) -> HostError | None:
    """Return the error for a program or header that is missing on this host; checked, as the output is untrusted.

    :param lines: the output of make.
    """
    tool = read_missing_tool(lines)
    if tool is None or not _is_missing(tool):
        return None
    return HostError(
        f"{tool.program or f'the header {tool.header}'} is missing on this host; the kernel's build needs it",
        evidence=tool.line,
        remedy=f"apt install {tool.package}",
    )


def _is_missing(tool: MissingTool) -> bool:
    if tool.program:
        return find_program(tool.program) is None
    # Multiarch headers are in a folder named after the machine, e.g. x86_64-linux-gnu.
    folders = [folder for include in _INCLUDES for folder in (include, *include.glob("*-linux-gnu*"))]
    return not any((folder / tool.header).is_file() for folder in folders)
