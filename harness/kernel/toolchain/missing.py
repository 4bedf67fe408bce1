"""What a host lacks for a build, told by the build's own words. Pure; who knows the host checks that it is so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MissingTool:
    """Something that builds need and a host may not have.

    :param package: the Debian package that has it. :param program: its name on PATH; or else
    :param header: one of the package's, by its name below ``/usr/include``.
    :param line: the line of the build that tells.
    """

    package: str
    program: str
    header: str
    line: str


# Programs by the package that holds them; of a package that is not here both have one name.
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
# Headers, or their top folders. The first shows whether the package is there: which is missing may be the tree's fault.
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


def find_lack(lines: Iterable[str]) -> MissingTool | None:
    """What the host seems to lack, or None."""
    return next((lack for line in lines if (lack := _read(line)) is not None), None)


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
