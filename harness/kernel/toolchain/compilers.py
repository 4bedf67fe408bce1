# SPDX-License-Identifier: GPL-2.0-only
"""Read ``kconfigs/compilers.toml``, the adjustments that old kernels need with newer compilers. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from harness.base.errors import HostError
from harness.base.toml_table import Table

_RANGE = re.compile(r"(?:(\d+)\.(\d+))?\.\.(?:(\d+)\.(\d+))?")
_MAKEFILE_LINE = re.compile(r"(VERSION|PATCHLEVEL)\s*:?=\s*(\d+)\s*")
# "gcc (Debian 12.2.0-14) 12.2.0", "GNU ld (GNU Binutils for Debian) 2.40", "Debian clang version 14.0.6"
_VERSION = re.compile(r"(?:.*\s)?(\d+)\.(\d+)[\w.-]*(?:\s.*)?")
_REMEDY = "correct the file, or restore it: git checkout kconfigs/compilers.toml"
# The variables that name a program; flags for it follow the name.
_PROGRAMS = {"CC": "gcc"}


class Tool(Enum):
    """A program of the toolchain, by its name on PATH."""

    GCC = "gcc"
    CLANG = "clang"
    LD = "ld"
    LLD = "ld.lld"


@dataclass(frozen=True, slots=True)
class ToolPrograms:
    """The programs that make runs, by the variables that choose them.

    :param compiler: the program of ``CC``, without its flags.
    :param linker: the program of ``LD``.
    :param suffix: the suffix of ``LLVM=-15``; None without LLVM.
    """

    compiler: str
    linker: str
    suffix: str | None = None


def tool_programs(assignments: Iterable[str]) -> ToolPrograms:
    """Return the programs that variables of make choose; see Documentation/kbuild/llvm.rst."""
    chosen = dict(one.partition("=")[::2] for one in assignments)
    llvm = chosen.get("LLVM", "")
    suffix = None if llvm in ("", "0") else llvm if llvm.startswith("-") else ""
    usual = ("gcc", "ld") if suffix is None else (f"clang{suffix}", f"ld.lld{suffix}")
    return ToolPrograms(chosen.get("CC", usual[0]).split()[0], chosen.get("LD", usual[1]).split()[0], suffix)


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The tools that build kernels.

    :param lines: the first line of each tool's ``--version``.
    :param choice: variables of make with which the user chose the tools.
    """

    lines: tuple[tuple[Tool, str], ...]
    choice: tuple[str, ...] = ()

    def version(self, tool: Tool) -> tuple[int, int]:
        """Return the first two numbers of a tool's version; (0, 0) when it prints none."""
        match = _VERSION.fullmatch(dict(self.lines).get(tool, ""))
        return (int(match[1]), int(match[2])) if match else (0, 0)

    def render(self) -> str:
        """Return the version lines, one per tool; equal lines mean equal toolchains."""
        return "".join(f"{line}\n" for _, line in self.lines)


@dataclass(frozen=True, slots=True)
class Row:
    """An adjustment for old kernels with a newer tool.

    :param first: the oldest kernel that needs it.
    :param last: the newest kernel that needs it.
    :param tool: the tool.
    :param since: the first version of the tool that needs it.
    :param flags: make variables, each with the value to add.
    :param reason: why it is needed.
    :param fixed_by: the kernel commit that made it unnecessary.
    :param headers: name below the output folder's ``include`` and text of headers, which the compiler searches after
        those of the tree; ``{major}`` in a name stands for the tool's major version.
    """

    first: tuple[int, int]
    last: tuple[int, int]
    tool: Tool
    since: tuple[int, int]
    flags: tuple[tuple[str, str], ...]
    reason: str
    fixed_by: str
    headers: tuple[tuple[str, str], ...] = ()

    def holds(self, kernel: tuple[int, int], toolchain: Toolchain) -> bool:
        """Return whether a kernel needs it with these tools."""
        return self.first <= kernel <= self.last and toolchain.version(self.tool) >= self.since


@dataclass(frozen=True, slots=True)
class Adjustments:
    """The adjustments of a build.

    :param assignments: variables for make, such as ``KAFLAGS=-fno-pie``.
    :param notes: why, one line each.
    :param headers: path in the output folder and text of each header to write there.
    """

    assignments: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


def parse_compilers(text: str, *, path: str) -> tuple[Row, ...]:
    """Parse the table.

    :param path: its name, for errors.
    :raises HostError: the table, which ships with the harness, is invalid.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HostError(f"{path} is not TOML", evidence=str(error), remedy=_REMEDY) from None
    top = Table(content, path=path, kind=HostError)
    rows = tuple(_row(table) for table in top.table_list("row"))
    top.close()
    return rows


def adjust(rows: Iterable[Row], kernel: tuple[int, int], toolchain: Toolchain) -> Adjustments:
    """Collect the adjustments for a kernel and its tools.

    :param kernel: its version and patch level, e.g. (4, 4).
    """
    flags = {name: [value] for name, _, value in (one.partition("=") for one in toolchain.choice)}
    headers: dict[str, str] = {}
    notes = []
    for row in rows:
        if row.holds(kernel, toolchain):
            for variable, value in row.flags:
                flags.setdefault(variable, [_PROGRAMS[variable]] if variable in _PROGRAMS else []).append(value)
            major = str(toolchain.version(row.tool)[0])
            own = {f"include/{name.replace('{major}', major)}": f"{text}\n" for name, text in row.headers}
            headers |= own
            changes = " ".join([*(f"{variable}+='{value}'" for variable, value in row.flags), *own])
            notes.append(f"built with {changes}: {row.reason}; {row.fixed_by}")
    assignments = tuple(f"{name}={' '.join(values)}" for name, values in flags.items())
    return Adjustments(assignments, tuple(notes), tuple(headers.items()))


def parse_kernel_version(makefile: str) -> tuple[int, int]:
    """Read VERSION and PATCHLEVEL in the first lines of a Makefile; (0, 0) without them."""
    found = {}
    for line in makefile.splitlines()[:20]:
        if match := _MAKEFILE_LINE.fullmatch(line):
            found[match[1]] = int(match[2])
    return found.get("VERSION", 0), found.get("PATCHLEVEL", 0)


def _row(table: Table) -> Row:
    kernels = _RANGE.fullmatch(table.text("kernels"))
    if kernels is None:
        raise table.error("kernels is not a range", remedy="write 3.10..4.5, ..4.5 or 3.10..")
    tools = {tool.value: tool for tool in Tool}
    tool = tools.get(table.text("tool"))
    since = re.fullmatch(r"(\d+)(?:\.(\d+))?", table.text("since"))
    if tool is None or since is None:
        raise table.error("tool or since is invalid", remedy=f"tools: {', '.join(tools)}; since: 10 or 2.26")
    flags, headers = _pairs(table, "flags"), _pairs(table, "headers")
    if not flags and not headers:
        raise table.error("both flags and headers are missing", remedy="add one of them to the row")
    ends = [int(number) if number else None for number in kernels.groups()]
    first = (ends[0] or 0, ends[1] or 0)
    last = (ends[2], ends[3] or 0) if ends[2] is not None else (1 << 16, 0)
    row = Row(
        first,
        last,
        tool,
        (int(since[1]), int(since[2] or 0)),
        flags,
        reason=table.text("reason"),
        fixed_by=table.text("fixed_by"),
        headers=headers,
    )
    table.close()
    return row


def _pairs(table: Table, key: str) -> tuple[tuple[str, str], ...]:
    """Return the names and strings of a table; empty when the table is missing."""
    if key not in table.names():
        return ()
    pairs = table.table(key)
    return tuple((name, pairs.text(name)) for name in pairs.names())
