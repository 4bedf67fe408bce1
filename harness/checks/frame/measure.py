# SPDX-License-Identifier: GPL-2.0-only
"""Read the sizes of functions, sections and stack frames of object files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SCRIPT = """
for object in "$@"; do
	[ -f "$object" ] && [ ! -L "$object" ] || continue
	echo "@ $object"
	nm -S -- "$object"
	size -A -- "$object"
	usage=${object%.o}.su
	[ -f "$usage" ] && [ ! -L "$usage" ] && sed 's/^/stack /' "$usage"
done
:
"""
"""A script of sh that prints what :func:`parse_measures` reads."""
_SYMBOL = re.compile(r"[0-9a-f]+ (?P<size>[0-9a-f]+) [tTwW] (?P<name>\S+)")
_SECTION = re.compile(r"(?P<name>\.\S+)\s+(?P<size>\d+)\s+\d+")
_STACK = re.compile(r"stack \S+?:(?P<line>\d+):\d+:(?P<name>[\w.]+)\t(?P<bytes>\d+)\t(?P<kind>\S+)")
# What the compiler makes of a function gets a number that changes with every edit: fork.constprop.0.
_NUMBERED = re.compile(r"\.(?:\d+|constprop|isra|part|cold|lto_priv)\b(?:\.\d+)?")


@dataclass(slots=True)
class Measures:
    """The sizes of an object file.

    :param functions: size of each function, in bytes.
    :param sections: size of each section, in bytes.
    :param stack: bytes of stack of each function, with its line and the kind that the compiler names.
    """

    functions: dict[str, int] = field(default_factory=dict)
    sections: dict[str, int] = field(default_factory=dict)
    stack: dict[str, tuple[int, int, str]] = field(default_factory=dict)


def parse_measures(lines: Iterable[str]) -> Mapping[str, Measures]:
    """Return the sizes by object file.

    :param lines: the output of :data:`SCRIPT`.
    """
    found: dict[str, Measures] = {}
    own = Measures()
    for line in lines:
        if line.startswith("@ "):
            own = found.setdefault(line[2:], Measures())
        elif symbol := _SYMBOL.fullmatch(line):
            name = _NUMBERED.sub("", symbol["name"])
            own.functions[name] = own.functions.get(name, 0) + int(symbol["size"], 16)
        elif stack := _STACK.fullmatch(line):
            name, size = _NUMBERED.sub("", stack["name"]), int(stack["bytes"])
            if size >= own.stack.get(name, (0, 0, ""))[0]:
                own.stack[name] = size, int(stack["line"]), stack["kind"]
        elif section := _SECTION.fullmatch(line.rstrip()):
            own.sections[section["name"]] = int(section["size"])
    return found
