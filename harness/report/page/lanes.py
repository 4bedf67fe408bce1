"""The consoles and the kernel log of a case on one time line: each line with its moment and its lane. Pure.

The logs hold bytes as they went over the wires, and ``wires.times`` when they came (``harness/guest/timestamps.py``).
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import NamedTuple

from harness.guest.timestamps import Course
from harness.report.text import elide, plain_text

LANES = ("kernel", "admin", "inside", "observer")
"""The ports, the kernel log first; the index is what a :class:`LaneLine` tells."""
NO_TIME = -1
_COLUMNS = 400
_ANNOUNCEMENT = re.compile(rb"\x1b\]133;[^\x07\x1b\n]*\x07")
_OWN = "HARNESS_NONCE"
"""What the harness types for itself, to tell its shells apart; see ``harness/guest/prompt.py``."""


class LaneLine(NamedTuple):
    """One line of a log.

    :param milliseconds: since the machine's first moment; of a command when it was typed; :data:`NO_TIME` where the
        logs have no times.
    :param track: twice the index into :data:`LANES`, and one more if a command is in it.
    """

    milliseconds: int
    track: int
    text: str


def lanes_of(logs: Mapping[str, bytes], courses: Mapping[str, Course]) -> list[LaneLine]:
    """All lines in the order of their moments.

    :param logs: what each port's log holds.
    :param courses: when it came; without any, the ports come one after the other. What has no time came after what has
        one: the machine was killed, or its times were too many.
    """
    last = max([course.moments[-1] for course in courses.values()], default=NO_TIME)
    lines: list[LaneLine] = []
    for lane, port in enumerate(LANES):
        if log := logs.get(port):
            lines += _lines(log, lane, courses.get(port), last)
    lines.sort(key=_moment)
    return lines


_moment = itemgetter(0)


def _lines(log: bytes, lane: int, course: Course | None, last: int) -> Iterable[LaneLine]:
    """The lines of one log that say something. A report reads a hundred thousand of them: no step is taken for each."""
    # Neither taking announcements out nor making it plain takes or adds the end of a line.
    said = _ANNOUNCEMENT.sub(b"", log) if b"\x1b" in log else log
    texts = plain_text(said.replace(b"\r\n", b"\n").decode(errors="surrogateescape")).split("\n")
    moments, tracks = [last] * len(texts), [2 * lane] * len(texts)
    if course is not None:
        starts = list(accumulate([len(raw) + 1 for raw in log.split(b"\n")[:-1]], initial=0))
        moment_of = [*course.moments, last]  # the last is of what came after the last stretch
        moments = [moment_of[bisect(course.begins, start) - 1] for start in starts]
        for begin, moment in course.typed:
            number = bisect(starts, begin) - 1
            if number < len(tracks) and not tracks[number] & 1:
                moments[number], tracks[number] = moment, 2 * lane + 1
    return [
        LaneLine(moment, track, text if len(text) <= _COLUMNS else elide(text, _COLUMNS))
        for moment, track, text in zip(moments, tracks, texts, strict=False)
        if text and not text.isspace() and _OWN not in text
    ]


def bound_lanes(lines: Sequence[LaneLine], limit: int) -> tuple[Sequence[LaneLine], int]:
    """The first and last of the lines, ``limit`` together, and how many are left out before the last third."""
    if len(lines) <= limit:
        return lines, 0
    tail = limit // 3
    return [*lines[: limit - tail], *lines[len(lines) - tail :]], len(lines) - limit
