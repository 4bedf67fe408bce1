"""When which bytes went over which wire of a machine, so that its logs can be read side by side. Pure.

The log of a wire holds its bytes and no times. ``wires.times``, beside the logs, says of each stretch of bytes when it
came: a first line with the format and the epoch, then a line a stretch, in the order in which they came::

    times 1 1795305043.924
    118 admin > 31
    131 admin < 12

Milliseconds since the epoch of the first line, the port, ``>`` for what was typed and ``<`` for what came, and how many
bytes. The stretches of a port are its log, one after the other. What comes within a few milliseconds is one stretch.
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
"""No more are kept: what comes after has the time of the last one of its port."""


@dataclass(slots=True)
class _Stretch:
    """Bytes that went over one wire together; it may still grow."""

    milliseconds: int
    port: str
    is_typed: bool
    size: int


class Moments:
    """The stretches of one machine, gathered as they come.

    :param epoch: the first moment, seconds since the epoch (UTC).
    """

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        self._stretches: list[_Stretch] = []
        self._newest: dict[str, _Stretch] = {}

    def add(self, port: str, size: int, *, milliseconds: int, is_typed: bool = False) -> None:
        """Some bytes went over a wire at that time."""
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
        """The text of ``wires.times``."""
        lines = (
            f"{one.milliseconds} {one.port} {'>' if one.is_typed else '<'} {one.size}\n" for one in self._stretches
        )
        return f"{_FORMAT} {self._epoch:.3f}\n{''.join(lines)}"


@dataclass(frozen=True, slots=True)
class Course:
    """When the bytes of one port's log came, stretch by stretch.

    :param moments: milliseconds since the machine's first moment.
    :param begins: where in the log each stretch begins,
        and at last where the last one ends.
    :param typed: where the typed ones begin, with their moments.
    """

    moments: Sequence[int]
    begins: Sequence[int]
    typed: Sequence[tuple[int, int]]


def parse_moments(text: str) -> dict[str, Course]:
    """The course of each port in a text that :meth:`Moments.render` made; none of a text that is none, or newer.

    A line that is damaged ends it: the lines before it still hold. A report reads thousands of them, so this is made of
    few steps.
    """
    first, _, rest = text.partition("\n")
    if not first.startswith(f"{_FORMAT} "):
        return {}
    words = rest.split()
    if len(words) != 4 * rest.count("\n") or not _WAYS.issuperset(words[2::4]) or not _are_numbers(words):
        words = rest[: _WHOLE.match(rest).end()].split()  # type: ignore[union-attr]  # it matches nothing, too
    ports = words[1::4]
    whole = list(zip(ports, map(int, words[0::4]), words[2::4], map(int, words[3::4]), strict=True))
    return {port: _course([one for one in whole if one[0] == port]) for port in dict.fromkeys(ports)}


def _course(stretches: Sequence[tuple[str, int, str, int]]) -> Course:
    begins = list(accumulate([size for _, _, _, size in stretches], initial=0))
    moments = [moment for _, moment, _, _ in stretches]
    typed = [(begin, one[1]) for begin, one in zip(begins, stretches, strict=False) if one[2] == ">"]
    return Course(moments, begins, typed)


def _are_numbers(words: Sequence[str]) -> bool:
    return "".join([*words[0::4], *words[3::4]] or "0").isdecimal()
