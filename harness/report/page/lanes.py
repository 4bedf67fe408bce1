# SPDX-License-Identifier: GPL-2.0-only
"""Put the consoles and the kernel log of a case on one timeline: each line with its moment and its lane. Pure.

The logs have the raw bytes, and ``wires.times`` the moments of their arrival (``harness/guest/timestamps.py``).
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
"""The ports, the kernel log first; :class:`LaneLine` uses the index."""
NO_TIME = -1
_COLUMNS = 400
_ANNOUNCEMENT = re.compile(rb"\x1b\]133;[^\x07\x1b\n]*\x07")
_OWN = "HARNESS_NONCE"
"""The mark of commands that the harness types to identify its shells; see ``harness/guest/prompt.py``."""


class LaneLine(NamedTuple):
    """One line of a log.

    :param milliseconds: the time since the machine's start, for a command the time of typing; :data:`NO_TIME` if the
        logs have no times.
    :param track: twice the index into :data:`LANES`, plus one if the line has a command.
    :param text: the line.
    """

    milliseconds: int
    track: int
    text: str


def lanes_of(logs: Mapping[str, bytes], courses: Mapping[str, Course]) -> list[LaneLine]:
    """Return all lines in the order of their moments.

    :param logs: the log of each port.
    :param courses: the times of each port; without times, the ports follow each other. Lines without a time follow
        those with one: the machine was killed, or the number of times was limited.
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
    """Return the lines of one log that are not blank; a report reads a hundred thousand, so no step runs for each."""
    # Neither removing announcements nor plain_text changes the number of lines.
    shown = _ANNOUNCEMENT.sub(b"", log) if b"\x1b" in log else log
    texts = plain_text(shown.replace(b"\r\n", b"\n").decode(errors="surrogateescape")).split("\n")
    moments, tracks = [last] * len(texts), [2 * lane] * len(texts)
    if course is not None:
        starts = list(accumulate([len(raw) + 1 for raw in log.split(b"\n")[:-1]], initial=0))
        moment_of = [*course.moments, last]  # the last is for bytes after the last stretch
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
    """Return the first and last lines, ``limit`` in all, and the number left out before the last third."""
    if len(lines) <= limit:
        return lines, 0
    tail = limit // 3
    return [*lines[: limit - tail], *lines[len(lines) - tail :]], len(lines) - limit
