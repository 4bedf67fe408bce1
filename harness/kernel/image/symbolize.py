# SPDX-License-Identifier: GPL-2.0-only
"""Find the line of the source for the frames of a call trace, with nm(1) and addr2line(1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.process import run
from harness.kernellog.frames import Frame

_REMEDY = "name the vmlinux with debug information of the very kernel that printed the log; sudo apt install binutils"
_LOCATION = re.compile(r"(?P<name>.+)\+0x(?P<offset>[0-9a-f]+)/0x(?P<size>[0-9a-f]+)\Z")
_SYMBOL = re.compile(r"(?P<address>[0-9a-f]+) (?:(?P<size>[0-9a-f]+) )?[tTwW] (?P<name>\S+)")
_ADDRESS = re.compile(r"0x[0-9a-f]+\Z")


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One place in the source.

    :param function: the function, which may be inlined into that of the frame.
    :param place: file and line.
    """

    function: str
    place: str


def symbolize(frames: Iterable[Frame], vmlinux: Path, *, deadline: Deadline) -> Mapping[Frame, tuple[SourceLine, ...]]:
    """Return the places of frames, innermost inlined function first; frames that vmlinux does not have are left out.

    :param frames: frames of the kernel's own functions; those of modules are left out.
    :param vmlinux: the kernel that printed them, with debug information.
    :raises UsageError: there is no such file.
    :raises HostError: nm or addr2line is missing or fails.
    """
    if not vmlinux.is_file():
        raise UsageError(f"{vmlinux}: no such file", remedy=_REMEDY)
    wanted = {frame for frame in frames if not frame.module}
    symbols = _symbols(vmlinux, {_name(frame) for frame in wanted}, deadline)
    addresses = {frame: address for frame in wanted if (address := _address(frame, symbols)) is not None}
    places = _places(vmlinux, sorted(set(addresses.values())), deadline)
    return {frame: places[address] for frame, address in addresses.items() if places.get(address)}


def _name(frame: Frame) -> str:
    return frame.location.partition("+")[0]


def _symbols(vmlinux: Path, names: set[str], deadline: Deadline) -> dict[str, list[tuple[int, int]]]:
    """Return address and size of each function of these names; a name may have several."""
    listed = run(["nm", "--print-size", "--defined-only", vmlinux], deadline=deadline, remedy=_REMEDY).text
    found: dict[str, list[tuple[int, int]]] = {}
    for line in listed.splitlines():
        symbol = _SYMBOL.fullmatch(line)
        if symbol and symbol["name"] in names:
            found.setdefault(symbol["name"], []).append((int(symbol["address"], 16), int(symbol["size"] or "0", 16)))
    return found


def _address(frame: Frame, symbols: Mapping[str, Sequence[tuple[int, int]]]) -> int | None:
    location = _LOCATION.match(frame.location)
    known = symbols.get(_name(frame))
    if location is None or not known:
        return None
    size = int(location["size"], 16)
    # The kernel counts a function up to the next symbol, so its size is that of the symbol or a little more.
    begin, _ = min(known, key=lambda symbol: abs(symbol[1] - size))
    # What a frame shows is the address behind the call, which may be another line.
    return begin + int(location["offset"], 16) - (0 if frame.is_pointer else 1)


def _places(vmlinux: Path, addresses: Sequence[int], deadline: Deadline) -> dict[int, tuple[SourceLine, ...]]:
    if not addresses:
        return {}
    asked = "".join(f"{address:#x}\n" for address in addresses).encode()
    argv = ["addr2line", "--addresses", "--functions", "--inlines", f"--exe={vmlinux}"]
    lines = run(argv, stdin=asked, deadline=deadline, remedy=_REMEDY).text.splitlines()
    places: dict[int, list[SourceLine]] = {}
    current: list[SourceLine] = []
    at = 0
    while at < len(lines):
        if _ADDRESS.match(lines[at]):
            current = places.setdefault(int(lines[at], 16), [])
            at += 1
        else:
            place = lines[at + 1].partition(" (")[0] if at + 1 < len(lines) else "??"
            if not place.startswith("??"):
                current.append(SourceLine(lines[at], place))
            at += 2
    return {address: tuple(found) for address, found in places.items()}
