# SPDX-License-Identifier: GPL-2.0-only
"""Events and requests between the process of a round and the one that watches."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.events import Note, PhaseStarted, Progress
from harness.model.run_record import CaseRecord, RunRecord, no_kernel
from harness.model.verdict import Outcome
from harness.report.display.events import CaseEnded, CaseStarted, HostBusy, Lines, RunEvent, RunFinished, RunStarted
from harness.report.lines import Line, Tone
from harness.watch.wire import Request, dump_event, dump_request, files_of, load_event, load_request

CASE = CaseRecord("s/a.session", "s", "a.session", Outcome.MISMATCH, reason="differs: \udc80\n\u2028")
RUN = RunRecord(no_kernel("linux"), 1.0, cases=(CASE,))


@pytest.mark.parametrize(
    "event",
    [
        PhaseStarted("building"),
        Progress("building, 4%", 4, 100, 2.5),
        Note("a note"),
        RunStarted(RUN, 12),
        CaseStarted("s/a.session", "gw1"),
        CaseEnded(CASE),
        RunFinished(RUN, Path("/results/x/junit.xml")),
        RunFinished(RUN, None),
        HostBusy(True),
    ],
)
def test_an_event_is_read_as_it_was_written(event: RunEvent) -> None:
    """On one line, whatever a guest printed."""
    text = dump_event(event, width=80)

    assert text.count("\n") == 1
    assert load_event(text) == event


def test_lines_are_made_for_the_width_of_the_receiver() -> None:
    """They are a function, which only the sender can call."""
    event = load_event(dump_event(Lines(lambda width: [Line("x" * width, Tone.BAD, 2)]), width=12))

    assert isinstance(event, Lines)
    assert event.make(99) == [Line("x" * 12, Tone.BAD, 2)]


def test_a_request_is_read_as_it_was_written() -> None:
    """With ids of any characters."""
    request = Request(("s/a.session", "s/test_b.py::test_c[v 2]"))

    assert load_request(dump_request(request)) == request


def test_files_of_names_each_file_once() -> None:
    """Python files hold several cases."""
    assert files_of(("s/a.session", "s/t.py::one", "s/t.py::two[x]")) == ("s/a.session", "s/t.py")
