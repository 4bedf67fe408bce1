# SPDX-License-Identifier: GPL-2.0-only
"""Check the live display through a terminal in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.events import Note, PhaseStarted
from harness.model.run_record import Problem, ProblemKind
from harness.model.verdict import Outcome
from harness.report.display.events import CaseEnded, CaseStarted, RunFinished, RunStarted
from harness.report.display.live import LiveDisplay
from harness.report.text import columns
from tests.unit.report.display.screen import Screen
from tests.unit.report.golden import assert_golden
from tests.unit.report.sample import CASES, RUN, case

JUNIT = Path("results/2026-09-21T141320Z-6.1.0-56-cloud-amd64/junit.xml")
TERMINAL = {"TERM": "xterm-256color"}
BEGUN = replace(RUN, cases=(), traits=())


class Clock:
    """A clock that advances by a quarter of a second each time a case begins."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def display_on(screen: Screen, *, clock: Clock | None = None, height: int = 40, color: bool = True) -> LiveDisplay:
    """Return a live display on a screen that redraws only on events."""
    return LiveDisplay(
        screen,
        TERMINAL if color else {**TERMINAL, "NO_COLOR": "1"},
        size=lambda: (screen.width, height),
        redraws_per_second=0,
        clock=clock or Clock(),
    )


@pytest.mark.parametrize("width", [80, 200])
def test_live_run_matches_the_golden_file(width: int) -> None:
    """The terminal is compared while the sixth case runs, and at the end."""
    screen, clock = Screen(width), Clock()
    with display_on(screen, clock=clock) as display:
        display.show(PhaseStarted("booting the template on q35"))
        clock.now += 5.5
        display.show(PhaseStarted("cloning"))
        booting = screen.text
        display.show(RunStarted(BEGUN, len(CASES)))
        for at, one in enumerate(CASES):
            display.show(CaseStarted(one.id, f"gw{at % 2}"))
            clock.now += 0.25
            if at == 5:
                display.show(CaseStarted(CASES[6].id, "gw0"))
                display.show(Note("booted afresh: the template could not be cloned after QEMU was killed"))
                running = screen.text
            display.show(CaseEnded(one))
        display.show(RunFinished(RUN, JUNIT))
    assert_golden(f"live-{width}-running.txt", f"{booting}\n{running}")
    assert_golden(f"live-{width}-end.txt", screen.text)

    assert screen.cursor_shown
    assert not any(line.startswith("gw") or "━" in line for line in screen.lines)
    copied = (f"TIME  {CASES[4].id}", CASES[4].folder)
    whole = "\n".join(screen.lines)
    assert all(text in whole.replace("\n", "") for text in copied)


def test_every_line_fits_80_columns() -> None:
    """Neither the redrawn part nor a line of a table is folded by the terminal at 80 columns."""
    screen = Screen(1000)  # folds nothing, so that a line that is too long shows
    redrawn: list[str] = []
    with LiveDisplay(screen, TERMINAL, size=lambda: (80, 40), redraws_per_second=0) as display:
        display.show(PhaseStarted("p" * 100))
        redrawn += screen.lines[-1:]
        display.show(RunStarted(BEGUN, 1510))
        for number in range(140):
            outcome = list(Outcome)[number % len(Outcome)]
            display.show(CaseStarted(CASES[4].id, "a-worker-with-a-name"))
            display.show(CaseEnded(case(f"cases/{number}.session", outcome, title="t" * 100)))
            redrawn += screen.lines[-2:]
        display.show(RunFinished(RUN, JUNIT))
    wide = [line.strip() for line in screen.lines if columns(line) > 80]

    assert redrawn[0].endswith("pp     0.0s")
    assert len(redrawn) == 281
    assert all(columns(line) <= 80 for line in redrawn)
    assert wide == [f"TIME  {CASES[4].id}"]


def test_bar_counts_by_outcome() -> None:
    """The last row shows the number of ended cases and all cases, the count of each outcome, and the time."""
    screen, clock = Screen(80), Clock()
    with display_on(screen, clock=clock) as display:
        display.show(RunStarted(BEGUN, 12))
        for one in CASES[:5]:
            display.show(CaseEnded(one))
        clock.now += 83
        display.show(CaseStarted("cases/x.session", "gw1"))
        rows = screen.lines[-2:]

    assert rows[0].split() == ["gw1", "cases/x.session", "0.0s"]
    assert rows[1].endswith("5/12  3 ok  1 DIFF  1 TIME  1:23")
    assert rows[1].startswith("━━━━")


def test_second_worker_does_not_begin_again() -> None:
    """The report of a second worker keeps the header, the counts and the running cases."""
    screen = Screen(80)
    with display_on(screen) as display:
        display.show(RunStarted(BEGUN, 9))
        display.show(CaseEnded(CASES[0]))
        display.show(CaseStarted(CASES[1].id, "gw0"))
        display.show(RunStarted(BEGUN, 9))
        display.show(CaseStarted(CASES[2].id, "gw1"))
        rows = screen.lines[-3:]

    assert [row[:3] for row in rows[:2]] == ["gw0", "gw1"]
    assert "1/9  1 ok" in rows[2]
    assert screen.text.count("acceleration") == 1


def test_rows_of_many_workers_are_cut() -> None:
    """On a terminal with few lines the rows of workers are cut, and the others are counted."""
    screen = Screen(80)
    with display_on(screen, height=12) as display:
        display.show(RunStarted(BEGUN, 99))
        for number in range(20):
            display.show(CaseStarted(f"cases/{number}.session", f"gw{number}"))
        rows = screen.lines[-4:]

    assert rows[0].startswith("gw0 ")
    assert rows[2] == "      and 18 more"
    assert "0/99" in rows[3]


def test_hostile_text_is_shown_as_text() -> None:
    """Markup, escape sequences, emoji codes and links of a guest are shown as characters."""
    screen = Screen(200)
    text = "[bold]b[/bold] [link=x]y[/link] :smile: \x1b[2J\x1b]0;t\x07\x1b[999A\x9b2J\r\u202e"
    with display_on(screen) as display:
        display.show(PhaseStarted(text))
        display.show(RunStarted(BEGUN, 2))
        display.show(Note(text))
        display.show(CaseStarted(text, text))
        display.show(CaseEnded(replace(case("cases/a.session", Outcome.MISMATCH, reason=text, diff=text), title=text)))
        display.show(
            RunFinished(replace(RUN, notes=(f"{text} again",), problems=(Problem(ProblemKind.OTHER, text),)), None)
        )
    shown = "[bold]b[/bold] [link=x]y[/link] :smile: <U+000D><U+202E>"

    assert screen.text.count(shown) == 6


def test_no_color_variable_disables_color() -> None:
    """With NO_COLOR the display is live, and uses bold and dim only."""
    with_colour, without = Screen(80), Screen(80)
    for screen, color in ((with_colour, True), (without, False)):
        with display_on(screen, color=color) as display:
            display.show(RunStarted(BEGUN, len(CASES)))
            for one in CASES:
                display.show(CaseStarted(one.id, ""))
                display.show(CaseEnded(one))
            display.show(RunFinished(RUN, JUNIT))

    assert without.text == with_colour.text
    assert any("31" in style or "32" in style for style in with_colour.styles)
    assert without.styles <= {"0", "1", "2"}


def test_interrupt_restores_the_terminal() -> None:
    """After Ctrl-C the ended cases stay, the redrawn part is removed, and the cursor is shown."""
    screen = Screen(80)

    def interrupted() -> None:
        with display_on(screen) as display:
            display.show(RunStarted(BEGUN, 9))
            display.show(CaseEnded(CASES[0]))
            display.show(CaseStarted(CASES[1].id, "gw0"))
            hidden.append(not screen.cursor_shown)
            raise KeyboardInterrupt

    hidden: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert hidden == [True]
    assert screen.cursor_shown
    assert screen.lines[-1].startswith("ok      2.61s  cases/views/manual_page.session")


def test_one_display_shows_several_runs() -> None:
    """After a run has finished, the next kernel begins with its own counts below it."""
    screen = Screen(80)
    with display_on(screen) as display:
        for _ in range(2):
            display.show(PhaseStarted("fetching"))
            display.show(RunStarted(BEGUN, 2))
            display.show(CaseEnded(CASES[0]))
            display.show(CaseStarted(CASES[1].id, ""))
            last = screen.lines[-1]
            display.show(CaseEnded(CASES[1]))
            display.show(RunFinished(RUN, JUNIT))

    assert "1/2  1 ok" in last
    assert screen.text.count("ok      2.61s") == 2
    assert screen.text.count("results: ") == 2
    assert "fetching" not in screen.text


def test_redraw_thread_leaves_no_traces() -> None:
    """A thread that redraws a thousand times a second does not disturb a run that prints."""
    screen = Screen(80)
    with LiveDisplay(screen, TERMINAL, size=lambda: (80, 40), redraws_per_second=1000) as display:
        display.show(RunStarted(BEGUN, 200))
        for number in range(100):
            one = replace(CASES[0], id=f"cases/{number}.session")
            display.show(CaseStarted(one.id, "gw0"))
            display.show(CaseStarted(f"cases/{number}b.session", "gw1"))
            display.show(CaseEnded(one))
            display.show(CaseEnded(replace(one, id=f"cases/{number}b.session")))
        display.show(RunFinished(RUN, JUNIT))

    assert sum(line.startswith("ok ") for line in screen.lines) == 200
    assert not [line for line in screen.lines if line.startswith("gw") or "━" in line]
