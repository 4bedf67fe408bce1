"""The consoles and the kernel log of a case on one time line: each line with its moment and its lane. Pure.

The logs hold bytes as they went over the wires, and ``wires.times`` when they came (``harness/guest/moments.py``).
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import NamedTuple

from harness.guest.moments import Stretch
from harness.report.text import elide, plain_text

LANES = ("kernel", "admin", "inside", "observer")
"""The ports, the kernel log first; the index is what a :class:`LaneLine` tells."""
NO_TIME = -1
_COLUMNS = 400
_ANNOUNCEMENT = re.compile(rb"\x1b\]133;[^\x07\x1b\n]*\x07")
_OWN = "HARNESS_NONCE"
"""What the harness types for itself, to tell its shells apart; see ``harness/session/prompt.py``."""


class LaneLine(NamedTuple):
    """One line of a log.

    :param milliseconds: since the machine's first moment; of a command when it was typed; :data:`NO_TIME` where the
        logs have no times. :param lane: index into :data:`LANES`. :param is_typed: a command is in it.
    """

    milliseconds: int
    lane: int
    is_typed: bool
    text: str


def lanes_of(logs: Mapping[str, bytes], stretches: Sequence[Stretch]) -> list[LaneLine]:
    """All lines in the order of their moments.

    :param logs: what each port's log holds. :param stretches: when it came; without any, the ports come one after the
        other. What has no time came after what has one: the machine was killed, or its times were too many.
    """
    last = stretches[-1].milliseconds if stretches else NO_TIME
    lines: list[LaneLine] = []
    for lane, port in enumerate(LANES):
        if log := logs.get(port):
            lines += _lines(log, lane, [one for one in stretches if one.port == port], last)
    return sorted(lines, key=_moment)


_moment = itemgetter(0)


def _lines(log: bytes, lane: int, stretches: Sequence[Stretch], last: int) -> Iterator[LaneLine]:
    """The lines of one log that say something; ``stretches`` are its own."""
    begins = list(accumulate((one.size for one in stretches), initial=0))  # of each in the log; then the end of all
    # Neither taking announcements out nor making it plain takes or adds the end of a line.
    texts = plain_text(_ANNOUNCEMENT.sub(b"", log).replace(b"\r\n", b"\n").decode(errors="surrogateescape")).split("\n")
    starts = list(accumulate(map(len, log.split(b"\n")), lambda place, size: place + size + 1, initial=0))
    typed: dict[int, int] = {}
    for begin, one in zip(begins, stretches, strict=False):
        if one.is_typed:
            typed.setdefault(bisect(starts, begin) - 1, one.milliseconds)
    end = begins[-1]
    for number, text in enumerate(texts):
        if (shown := text.rstrip()) and _OWN not in shown:
            moment = typed.get(number)
            is_typed = moment is not None
            if moment is None:
                start = starts[number]
                moment = stretches[bisect(begins, start) - 1].milliseconds if start < end else last
            yield LaneLine(moment, lane, is_typed, shown if len(shown) <= _COLUMNS else elide(shown, _COLUMNS))


def bound_lanes(lines: Sequence[LaneLine], limit: int) -> tuple[Sequence[LaneLine], int]:
    """The first and last of the lines, ``limit`` together, and how many are left out before the last third."""
    if len(lines) <= limit:
        return lines, 0
    tail = limit // 3
    return [*lines[: limit - tail], *lines[len(lines) - tail :]], len(lines) - limit
