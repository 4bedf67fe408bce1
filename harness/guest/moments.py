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
from dataclasses import dataclass
from typing import NamedTuple

TIMES_NAME = "wires.times"
_FORMAT = "times 1"
_TOGETHER_MILLISECONDS = 5
_WHOLE = re.compile(r"(?:[0-9]{1,12} [a-z]+ [<>] [0-9]{1,12}\n)*")
STRETCH_LIMIT = 20_000
"""No more are kept: what comes after has the time of the last one of its port."""


class Stretch(NamedTuple):
    """Bytes that went over one wire together. (A NamedTuple: a report reads a hundred thousand of them.)

    :param milliseconds: since the machine's first moment. :param is_typed: they were sent by the harness.
    """

    milliseconds: int
    port: str
    is_typed: bool
    size: int


@dataclass(slots=True)
class _Growing:
    """A stretch that is not at its end yet."""

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
        self._stretches: list[_Growing] = []
        self._newest: dict[str, _Growing] = {}

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
        one = _Growing(milliseconds, port, is_typed, size)
        self._newest[port] = one
        self._stretches.append(one)

    def render(self) -> str:
        """The text of ``wires.times``."""
        lines = (
            f"{one.milliseconds} {one.port} {'>' if one.is_typed else '<'} {one.size}\n" for one in self._stretches
        )
        return f"{_FORMAT} {self._epoch:.3f}\n{''.join(lines)}"


def parse_moments(text: str) -> list[Stretch]:
    """The stretches of a text that :meth:`Moments.render` made; none of a text that is something else, or newer.

    A line that is damaged ends it: the lines before it still hold.
    """
    first, _, rest = text.partition("\n")
    if not first.startswith(f"{_FORMAT} "):
        return []
    if _WHOLE.fullmatch(rest) is None:
        rest = rest[: _WHOLE.match(rest).end()]  # type: ignore[union-attr]  # it matches nothing, too
    words = rest.split()
    is_typed = [way == ">" for way in words[2::4]]
    return list(map(Stretch, map(int, words[0::4]), words[1::4], is_typed, map(int, words[3::4])))
