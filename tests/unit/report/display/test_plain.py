# SPDX-License-Identifier: GPL-2.0-only
"""Check the plain display for files and CI logs, and the choice of the display."""

from __future__ import annotations

import io
import os
import pty
import queue
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.events import Note, PhaseStarted, Progress
from harness.model.verdict import Outcome
from harness.report.display import plain
from harness.report.display.events import BUSY, CaseEnded, CaseStarted, HostBusy, Lines, RunFinished, RunStarted
from harness.report.display.live import LiveDisplay
from harness.report.display.plain import PlainDisplay, RunDisplay, choose_display
from harness.report.tables.traits import trait_lines
from harness.report.text import columns
from tests.unit.report.golden import assert_golden
from tests.unit.report.sample import CASES, RUN, case

JUNIT = Path("results/2026-09-21T141320Z-6.1.0-56-cloud-amd64/junit.xml")
TERMINAL = {"TERM": "xterm-256color"}


def show(display: RunDisplay) -> None:
    """Send the events of the sample run to a display."""
    with display:
        display.show(PhaseStarted("booting the template on q35"))
        display.show(RunStarted(replace(RUN, cases=(), traits=()), len(CASES)))
        for one in CASES:
            display.show(CaseStarted(one.id, "gw0"))
            if one.outcome is Outcome.LOST:
                display.show(Note("the template could not be cloned after QEMU was killed; booting afresh"))
            display.show(CaseEnded(one))
        display.show(RunFinished(RUN, JUNIT))


@contextmanager
def terminal() -> Iterator[TextIO]:
    """Open the terminal side of a real pseudo-terminal."""
    master, slave = pty.openpty()
    with os.fdopen(master, "rb", buffering=0), os.fdopen(slave, "w", encoding="utf-8") as stream:
        yield stream


@pytest.mark.parametrize("width", [80, 200])
def test_plain_output_matches_the_golden_file(width: int) -> None:
    """A whole run in plain lines is compared."""
    stream = io.StringIO()
    show(PlainDisplay(stream, width=width, clock=lambda: 0.0))

    assert_golden(f"plain-{width}.txt", stream.getvalue())


def test_plain_output_has_no_control_character() -> None:
    """There is no escape and no carriage return, and only lines of cases are wider than 80 columns."""
    stream = io.StringIO()
    show(PlainDisplay(stream))
    text = stream.getvalue()
    free = tuple(f"{word:<4} " for word in ("ok", "DIFF", "TIME", "KERN", "LOST", "skip", "ERR", "note", "     "))

    assert not {one for one in text if ord(one) < 32} - {"\n"}
    assert all(columns(line) <= 80 for line in text.splitlines() if not line.startswith(free))


def test_traits_of_several_kernels_are_one_table() -> None:
    """Tables of each kernel would push the common one off the screen; a single kernel has its own."""
    stream = io.StringIO()
    display = PlainDisplay(stream, is_for_several=True)
    show(display)
    told = stream.getvalue()
    display.show(Lines(lambda width: trait_lines(RUN, width)))

    assert "Traits of" not in told
    assert "nearest       mainline-6.1: 2 of 4 traits differ" in told
    assert (
        "Traits of 6.1.0-56-cloud-amd64, compared with profile mainline-6.1: 1 differs, 1\nunconfirmed"
        in stream.getvalue()
    )


def test_matched_case_is_one_line() -> None:
    """The line has outcome, time, id and title."""
    stream = io.StringIO()
    PlainDisplay(stream).show(CaseEnded(CASES[1]))

    assert stream.getvalue() == (
        "ok      1.23s  cases/views/siblings.session  A sibling's cgroup is shown relative to one's own root\n"
    )


def test_header_is_shown_once_for_each_run() -> None:
    """Two workers that report the start give one header; the next run has its own."""
    stream = io.StringIO()
    display = PlainDisplay(stream)
    display.show(RunStarted(RUN, 3))
    display.show(RunStarted(RUN, 3))
    once = stream.getvalue().count("config ")
    display.show(RunFinished(RUN, None))
    display.show(RunStarted(RUN, 3))

    assert (once, stream.getvalue().count("config ")) == (1, 2)


def test_stream_without_utf8_gets_ascii() -> None:
    """Characters of a title, a diff or a path that the stream cannot encode become escapes."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1")
    PlainDisplay(stream).show(
        CaseEnded(case("cases/a.session", Outcome.MISMATCH, title="naïve", reason="– 漢字 \udc80"))
    )

    assert raw.getvalue().decode("ascii").splitlines()[:2] == [
        "DIFF    1.00s  cases/a.session  na\\xefve",
        "      \\u2013 \\u6f22\\u5b57 <0x80>",
    ]


def test_hostile_output_is_shown_as_text() -> None:
    """Escape sequences, carriage returns and markup of a guest are removed or shown as characters."""
    stream = io.StringIO()
    hostile = case(
        "cases/a.session", Outcome.MISMATCH, reason="\x1b[2J[red]x[/red]", diff="+a\rb\x1b]0;t\x07\n+\u202e\n"
    )
    PlainDisplay(stream).show(CaseEnded(hostile))

    assert stream.getvalue().splitlines()[1:5] == ["      [red]x[/red]", "", "      +a<U+000D>b", "      +<U+202E>"]


def test_each_line_is_flushed(tmp_path: Path) -> None:
    """A reader of the file sees a case as soon as it ends."""
    with (tmp_path / "log").open("w") as stream:
        PlainDisplay(stream).show(CaseEnded(CASES[0]))

        assert CASES[0].id in (tmp_path / "log").read_text()


def test_closed_pipe_does_not_end_the_run() -> None:
    """With ``harness run | head`` the display stops writing."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        display = PlainDisplay(stream)
        display.show(Note("nobody reads"))
        display.show(Note("nor this"))
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)  # what stays in the buffer goes there at the end


def test_full_disk_is_a_host_error() -> None:
    """ENOSPC, as the kernel reports it for /dev/full, is a host error."""
    stream = Path("/dev/full").open("w")  # noqa: SIM115 (its closing fails as well)
    with pytest.raises(HostError, match="the output of the run cannot be written") as caught:
        PlainDisplay(stream).show(Note("too much"))
    with pytest.raises(OSError, match="No space left"):
        stream.close()

    assert "No space left on device" in caught.value.evidence


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        (TERMINAL, LiveDisplay),
        ({**TERMINAL, "CI": ""}, LiveDisplay),
        ({**TERMINAL, "CI": "false"}, LiveDisplay),
        ({**TERMINAL, "NO_COLOR": "1"}, LiveDisplay),
        ({**TERMINAL, "CI": "true"}, PlainDisplay),
        ({**TERMINAL, "CI": "1"}, PlainDisplay),
        ({"TERM": "dumb"}, PlainDisplay),
        ({"TERM": "unknown"}, PlainDisplay),
        ({}, PlainDisplay),
    ],
)
def test_choose_display_for_a_terminal(environment: dict[str, str], kind: type) -> None:
    """On a terminal the display is live, unless CI is set or the terminal is dumb."""
    with terminal() as stream:
        assert type(choose_display(stream, environment)) is kind


@pytest.mark.parametrize(("columns_", "width"), [("", 80), ("132", 132), ("x", 80), ("3", 40)])
def test_choose_display_for_a_file(columns_: str, width: int) -> None:
    """A stream that is not a terminal gets plain lines, whatever TERM is; COLUMNS may set the width of tables."""
    stream = io.StringIO()
    display = choose_display(stream, {**TERMINAL, "COLUMNS": columns_})
    display.show(RunFinished(RUN, JUNIT))

    assert type(display) is PlainDisplay
    assert max(
        columns(line) for line in stream.getvalue().splitlines() if line[:6] != "TIME  " and "results" not in line
    ) in (range(width - 12, width + 1))


def test_plain_display_does_not_import_rich() -> None:
    """Importing rich costs a tenth of a second, which plain lines do not need."""
    program = (
        "import sys, os; from harness.report.display.plain import choose_display;"
        "from harness.base.events import Note; choose_display(sys.stdout, os.environ).show(Note('x'));"
        "sys.exit(any(name.partition('.')[0] in ('rich', 'pytest', 'junit_xml') for name in sys.modules))"
    )
    done = process.run([sys.executable, "-c", program], deadline=Deadline.after(60))

    assert done.stdout == b"note: x\n"


def test_display_does_not_use_sys_stdout() -> None:
    """pytest replaces sys.stdout, so the display writes only to its own stream."""
    program = (
        "import os, sys; from tests.unit.report.display.test_plain import show;"
        "from harness.report.display.plain import *;"
        "stream = os.fdopen(os.dup(2), 'w', encoding='utf-8');"
        "show(choose_display(stream, {}))"
    )
    done = process.run([sys.executable, "-c", program], deadline=Deadline.after(60))

    assert done.stdout == b""
    assert b"9 cases in 41.2 s" in done.stderr


class Pipe(io.StringIO):
    """A stream whose reader waits for the next line."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def write(self, text: str) -> int:
        """Take a line."""
        self.lines.put(text)
        return len(text)

    def next_line(self) -> str:
        """Return the next line; fail if none comes for a minute."""
        return self.lines.get(timeout=60)


def test_a_long_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without events, a line names the phase, then the cases that run, with the time since the start."""
    monkeypatch.setattr(plain, "PROGRESS_SECONDS", 0.05)
    stream = Pipe()
    now = iter(range(0, 100_000, 61))
    with PlainDisplay(stream, clock=lambda: float(next(now))) as display:
        display.show(PhaseStarted("checking out"))
        assert re.fullmatch(r"1:01  checking out\n", stream.next_line())
        assert re.fullmatch(r"\d+:\d\d +still checking out\n", stream.next_line())
        assert re.fullmatch(r"\d+:\d\d +still checking out\n", stream.next_line())
        display.show(CaseStarted("b", "gw1"))
        display.show(CaseStarted("a", "gw0"))
        while "checking out" in (line := stream.next_line()):
            pass
        assert re.fullmatch(r"\d+:\d\d +still running (b|a, b)\n", line)


def test_the_silence_is_broken_with_the_newest_progress() -> None:
    """Progress that came too early for a line of its own is shown when the silence ends, once."""
    stream = io.StringIO()
    now = [0.0]
    display = PlainDisplay(stream, clock=lambda: now[0])
    display.show(PhaseStarted("building"))
    now[0] = 29.0
    display.show(Progress("building, 41%"))
    now[0] = 30.0
    display._show_that_it_goes_on()
    now[0] = 60.0
    display._show_that_it_goes_on()

    assert stream.getvalue().splitlines() == ["0:00  building", "0:30  building, 41%", "1:00  still building, 41%"]


def test_a_display_is_silent_after_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving the display ends the thread that breaks the silence, also after an error."""
    monkeypatch.setattr(plain, "PROGRESS_SECONDS", 0.01)
    before = threading.active_count()

    def interrupted() -> None:
        with PlainDisplay(Pipe()) as display:
            display.show(PhaseStarted("checking out"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert threading.active_count() == before


def test_nothing_is_shown_between_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the end of a run nothing is said to go on."""
    stream = io.StringIO()
    display = PlainDisplay(stream)
    show(display)
    written = stream.getvalue()
    display._show_that_it_goes_on()

    assert stream.getvalue() == written


def test_notes_are_shown_once() -> None:
    """A note that was shown when it was found is not repeated at the end; the others are shown there."""
    stream = io.StringIO()
    display = PlainDisplay(stream)
    display.show(Note("built with -w"))
    display.show(RunFinished(replace(RUN, notes=("built with -w", "found at the end")), None))

    assert stream.getvalue().count("built with -w") == 1
    assert "note          found at the end" in stream.getvalue()


def test_nearest_lines_are_whole_in_a_file() -> None:
    """The traits that differ are the point of these lines: they are folded and not cut."""
    traits = ", ".join(f"trait_number_{number}" for number in range(12))
    stream = io.StringIO()
    PlainDisplay(stream).show(RunFinished(replace(RUN, nearest=(f"v3: 12 of 55 traits differ: {traits}",)), None))

    assert " ".join(stream.getvalue().split()).count(traits) == 1


def test_a_busy_host_is_reported_at_most_twice_a_minute() -> None:
    """It may come and go every few seconds."""
    now = 0.0
    stream = io.StringIO()
    display = PlainDisplay(stream, clock=lambda: now)
    for now in (1.0, 2.0, 3.0, 40.0):  # noqa: B007 - the clock reads it
        display.show(HostBusy(True))
        display.show(HostBusy(False))

    assert stream.getvalue() == f"{BUSY}\n{BUSY}\n"
