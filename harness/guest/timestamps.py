# SPDX-License-Identifier: GPL-2.0-only
"""Record when bytes went over the wires of a machine, so that its logs can be read side by side. Pure.

The log of a wire holds its bytes without times. ``wires.times``, beside the logs, holds the time of each stretch of
bytes: a first line with the format and the epoch, then a line for each stretch, in the order of their arrival::

    times 1 1795305043.924
    118 admin > 31
    131 admin < 12

Each line has the milliseconds since the epoch of the first line, the port, ``>`` for input or ``<`` for output, and the
number of bytes. The stretches of a port, one after the other, are its log. Bytes that come within a few milliseconds
are one stretch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

TIMES_NAME = "wires.times"
_FORMAT = "times 1"
_TOGETHER_MILLISECONDS = 5
_WAYS = frozenset("<>")
_WHOLE = re.compile(r"(?:[0-9]{1,12} [a-z]+ [<>] [0-9]{1,12}\n)*")
STRETCH_LIMIT = 20_000
"""Largest number of stretches; later bytes get the time of the last stretch of their port."""


@dataclass(slots=True)
class _Stretch:
    """Bytes that went over one wire at one time; more may be added."""

    milliseconds: int
    port: str
    is_typed: bool
    size: int


class Moments:
    """The stretches of one machine, collected as they come.

    :param epoch: start of the machine, in seconds since the epoch (UTC).
    """

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        self._stretches: list[_Stretch] = []
        self._newest: dict[str, _Stretch] = {}

    def add(self, port: str, size: int, *, milliseconds: int, is_typed: bool = False) -> None:
        """Add bytes that went over a wire.

        :param port: name of the port.
        :param size: number of bytes.
        :param milliseconds: time since the start of the machine.
        :param is_typed: whether the bytes were input of the guest.
        """
        last = self._stretches[-1] if self._stretches else None
        if (
            last is not None
            and (last.port, last.is_typed) == (port, is_typed)
            and milliseconds - last.milliseconds <= _TOGETHER_MILLISECONDS
        ):
            last.size += size
            return
        if len(self._stretches) >= STRETCH_LIMIT and port in self._newest:
            self._newest[port].size += size
            return
        one = _Stretch(milliseconds, port, is_typed, size)
        self._newest[port] = one
        self._stretches.append(one)

    def render(self) -> str:
        """Render the text of ``wires.times``."""
        lines = (
            f"{one.milliseconds} {one.port} {'>' if one.is_typed else '<'} {one.size}\n" for one in self._stretches
        )
        return f"{_FORMAT} {self._epoch:.3f}\n{''.join(lines)}"


@dataclass(frozen=True, slots=True)
class Course:
    """The times of the bytes in one port's log.

    :param moments: time of each stretch, in milliseconds since the start of the machine.
    :param begins: offset in the log where each stretch begins, and last the offset where the last one ends.
    :param typed: offset and time of each stretch of input.
    """

    moments: Sequence[int]
    begins: Sequence[int]
    typed: Sequence[tuple[int, int]]


def parse_moments(text: str) -> dict[str, Course]:
    """Parse the text that :meth:`Moments.render` made.

    Reading stops at a damaged line. A report reads thousands of these files, so the parser splits the text only once.

    :return: the course of each port; empty for a text of another or of a newer format.
    """
    first, _, rest = text.partition("\n")
    if not first.startswith(f"{_FORMAT} "):
        return {}
    fields = rest.split()
    if len(fields) != 4 * rest.count("\n") or not _WAYS.issuperset(fields[2::4]) or not _are_numbers(fields):
        fields = rest[: _WHOLE.match(rest).end()].split()  # type: ignore[union-attr]  # it also matches an empty text
    ports = fields[1::4]
    whole = list(zip(ports, map(int, fields[0::4]), fields[2::4], map(int, fields[3::4]), strict=True))
    return {port: _course([one for one in whole if one[0] == port]) for port in dict.fromkeys(ports)}


def _course(stretches: Sequence[tuple[str, int, str, int]]) -> Course:
    begins = list(accumulate([size for _, _, _, size in stretches], initial=0))
    moments = [moment for _, moment, _, _ in stretches]
    typed = [(begin, one[1]) for begin, one in zip(begins, stretches, strict=False) if one[2] == ">"]
    return Course(moments, begins, typed)


def _are_numbers(fields: Sequence[str]) -> bool:
    return "".join([*fields[0::4], *fields[3::4]] or "0").isdecimal()
