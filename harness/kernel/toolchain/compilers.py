"""What a modern compiler needs to build an old kernel: the table ``kconfigs/compilers.toml``, and reading it. Pure."""

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
_MENDING = "mend the file, or take it from a fresh checkout"
# The variables that name a program; flags for it follow the name.
_PROGRAMS = {"CC": "gcc"}


class Tool(Enum):
    """A program of the toolchain, by its name on PATH."""

    GCC = "gcc"
    LD = "ld"


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What kernels are built with.

    :param lines: of each tool, the first line of what it says of its version.
    """

    lines: tuple[tuple[Tool, str], ...]

    def version(self, tool: Tool) -> tuple[int, int]:
        """The first two numbers of a tool's version; (0, 0) when it says none."""
        match = _VERSION.fullmatch(dict(self.lines).get(tool, ""))
        return (int(match[1]), int(match[2])) if match else (0, 0)

    def render(self) -> str:
        """The lines, one a tool: two toolchains that say the same are the same."""
        return "".join(f"{line}\n" for _, line in self.lines)


@dataclass(frozen=True, slots=True)
class Row:
    """A fact about old kernels and a new tool.

    :param first: the oldest kernel it holds for. :param last: the newest. :param since: the first version of the tool.
    :param flags: make variables, and what is added to each.
    :param headers: files below the output folder's ``include``, where the compiler looks for headers after the tree's,
        and their text; ``{major}`` in a name stands for the tool's.
    :param mended: the kernel commit that made the row unnecessary.
    """

    first: tuple[int, int]
    last: tuple[int, int]
    tool: Tool
    since: tuple[int, int]
    flags: tuple[tuple[str, str], ...]
    reason: str
    mended: str
    headers: tuple[tuple[str, str], ...] = ()

    def holds(self, kernel: tuple[int, int], toolchain: Toolchain) -> bool:
        """Whether it is needed for that kernel and those tools."""
        return self.first <= kernel <= self.last and toolchain.version(self.tool) >= self.since


@dataclass(frozen=True, slots=True)
class Adjustments:
    """What make has to be told beyond the usual, and what it has to find.

    :param assignments: words such as ``KAFLAGS=-fno-pie``. :param notes: why, one line each.
    :param headers: files for the output folder, by their place in it, and their text.
    """

    assignments: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


def parse_compilers(text: str, *, path: str) -> tuple[Row, ...]:
    """Read the table.

    :param path: its name, for errors.
    :raises HostError: it is not what it should be; it ships with the harness.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HostError(f"{path} is not TOML", evidence=str(error), remedy=_MENDING) from None
    top = Table(content, path=path, kind=HostError)
    rows = tuple(_row(table) for table in top.table_list("row"))
    top.close()
    return rows


def adjust(rows: Iterable[Row], kernel: tuple[int, int], toolchain: Toolchain) -> Adjustments:
    """What to tell make for that kernel and those tools.

    :param kernel: its version and patch level, e.g. (4, 4).
    """
    flags: dict[str, list[str]] = {}
    headers: dict[str, str] = {}
    notes = []
    for row in rows:
        if row.holds(kernel, toolchain):
            for variable, value in row.flags:
                flags.setdefault(variable, [_PROGRAMS[variable]] if variable in _PROGRAMS else []).append(value)
            major = str(toolchain.version(row.tool)[0])
            own = {f"include/{name.replace('{major}', major)}": f"{text}\n" for name, text in row.headers}
            headers |= own
            words = " ".join([*(f"{variable}+='{value}'" for variable, value in row.flags), *own])
            notes.append(f"built with {words}: {row.reason}; {row.mended}")
    assignments = tuple(f"{name}={' '.join(values)}" for name, values in flags.items())
    return Adjustments(assignments, tuple(notes), tuple(headers.items()))


def parse_kernel_version(makefile: str) -> tuple[int, int]:
    """Version and patch level of a tree, by the first lines of its Makefile; (0, 0) when they tell none."""
    found = {}
    for line in makefile.splitlines()[:20]:
        if match := _MAKEFILE_LINE.fullmatch(line):
            found[match[1]] = int(match[2])
    return found.get("VERSION", 0), found.get("PATCHLEVEL", 0)


def _row(table: Table) -> Row:
    kernels = _RANGE.fullmatch(table.text("kernels"))
    if kernels is None:
        raise table.error("kernels is no range", remedy="write 3.10..4.5, ..4.5 or 3.10..")
    tools = {tool.value: tool for tool in Tool}
    tool = tools.get(table.text("tool"))
    since = re.fullmatch(r"(\d+)(?:\.(\d+))?", table.text("since"))
    if tool is None or since is None:
        raise table.error("tool or since is not known", remedy=f"tools are {', '.join(tools)}; since is as 10 or 2.26")
    flags, headers = _pairs(table, "flags"), _pairs(table, "headers")
    if not flags and not headers:
        raise table.error("neither flags nor headers are there", remedy="say what the row is about")
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
        mended=table.text("mended"),
        headers=headers,
    )
    table.close()
    return row


def _pairs(table: Table, key: str) -> tuple[tuple[str, str], ...]:
    """The names and strings of a table that may be missing."""
    if key not in table.names():
        return ()
    pairs = table.table(key)
    return tuple((name, pairs.text(name)) for name in pairs.names())
