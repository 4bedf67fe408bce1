# SPDX-License-Identifier: GPL-2.0-only
"""Show the splats of logs as lines and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from harness.base.json_records import Table
from harness.kernellog.frames import Frame
from harness.kernellog.reader import Splat
from harness.report.lines import Line, Tone
from harness.report.text import elide, fold, one_line, plain_text

FRAMES_SHOWN = 10

Places = Callable[[Frame], Sequence[str]]
"""Returns where a frame is in the source, such as ``fs/read_write.c:341``, the innermost inlined function first."""


class LogSplats(NamedTuple):
    """The splats of one log.

    :param name: the name of the log, as it was given.
    """

    name: str
    splats: Sequence[Splat]


def splat_lines(logs: Sequence[LogSplats], places: Places, width: int) -> list[Line]:
    """Return each splat with its place in the log, its title, its fingerprint and its frames, and the number of all."""
    return [
        *(line for log in logs for splat in log.splats for line in _one(log.name, splat, places, width)),
        _sum(logs),
    ]


def _one(name: str, splat: Splat, places: Places, width: int) -> Iterator[Line]:
    kind = f"{splat.kind.value}{', fatal' if splat.fatal else ''}"
    yield Line(f"{one_line(name)}:{splat.line}: {kind}", Tone.FAINT)
    yield from (Line(f"  {text}", Tone.BAD) for text in fold(one_line(splat.title), width - 2))
    yield Line(f"  fingerprint {splat.fingerprint}")
    for frame in splat.frames[:FRAMES_SHOWN]:
        module = f" [{frame.module}]" if frame.module else ""
        yield Line(elide(f"    {one_line(frame.location)}{module}", width))
        yield from (Line(elide(f"      {one_line(where)}", width)) for where in places(frame))
    if len(splat.frames) > FRAMES_SHOWN:
        yield Line(f"    [... {len(splat.frames) - FRAMES_SHOWN} more frames ...]", Tone.FAINT)
    yield Line("")


def _sum(logs: Sequence[LogSplats]) -> Line:
    number = sum(len(log.splats) for log in logs)
    distinct = len({splat.fingerprint for log in logs for splat in log.splats})
    found = f"{number} splat{'' if number == 1 else 's'}" if number else "no splat"
    bugs = f", {distinct} distinct" if distinct != number else ""
    return Line(f"{found}{bugs} in {len(logs)} log{'' if len(logs) == 1 else 's'}", Tone.STRONG)


def splats_json(logs: Sequence[LogSplats], places: Places) -> list[Table]:
    """Return the splats of all logs as JSON."""
    return [
        {
            "log": log.name,
            "line": splat.line,
            "kind": splat.kind.value,
            "title": splat.title,
            "function": splat.function,
            "fingerprint": splat.fingerprint,
            "fatal": splat.fatal,
            "frames": [
                {"function": frame.name, "location": frame.location, "module": frame.module, "source": [*places(frame)]}
                for frame in splat.frames
            ],
            "text": plain_text(splat.text),
        }
        for log in logs
        for splat in log.splats
    ]
