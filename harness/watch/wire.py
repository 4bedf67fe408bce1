# SPDX-License-Identifier: GPL-2.0-only
"""Send the events of a run from one process to another, a line of JSON each. Pure.

The lines of a ``Lines`` event are made by the sender, for the width of the terminal that it was started for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from harness.base.events import Note, PhaseStarted, Progress
from harness.base.json_records import from_table, parse_json, to_table
from harness.report.display.events import CaseEnded, CaseStarted, HostBusy, Lines, RunEvent, RunFinished, RunStarted
from harness.report.lines import Line, Tone

_KINDS: dict[str, type[RunEvent]] = {
    one.__name__: one
    for one in (PhaseStarted, Progress, Note, RunStarted, CaseStarted, CaseEnded, RunFinished, HostBusy)
}
_SOURCE = "data of the running round"


@dataclass(frozen=True, slots=True)
class Request:
    """The request that starts a round.

    :param only: ids of the cases to run; empty for all that the options select.
    """

    only: tuple[str, ...] = ()


def files_of(only: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the files of some cases, each once."""
    return tuple(dict.fromkeys(one.partition("::")[0] for one in only))


def dump_request(request: Request) -> str:
    """Return a request as one line."""
    return json.dumps(to_table(request)) + "\n"


def load_request(text: str) -> Request:
    """Read the request that :func:`dump_request` wrote.

    :raises UsageError: the text is damaged.
    """
    return from_table(Request, parse_json(text, _SOURCE), name="request", source=_SOURCE)


def dump_event(event: RunEvent, *, width: int) -> str:
    """Return an event as one line.

    :param width: columns of the receiver's terminal.
    """
    if isinstance(event, Lines):
        lines = [[line.text, line.tone.name, line.lead] for line in event.make(width)]
        return json.dumps({"kind": "Lines", "lines": lines}) + "\n"
    return json.dumps({"kind": type(event).__name__, "event": to_table(event)}) + "\n"


def load_event(text: str) -> RunEvent:
    """Read the event that :func:`dump_event` wrote.

    :raises UsageError: the text is damaged.
    """
    table = parse_json(text, _SOURCE)
    assert isinstance(table, dict)
    if table["kind"] == "Lines":
        lines: Sequence[Line] = [Line(words, Tone[tone], lead) for words, tone, lead in table["lines"]]
        return Lines(lambda width: lines)
    return from_table(_KINDS[table["kind"]], table["event"], name="event", source=_SOURCE)
