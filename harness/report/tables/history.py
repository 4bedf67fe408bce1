# SPDX-License-Identifier: GPL-2.0-only
"""Show the history of a case, a trait, a kernel line or everything as lines. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

from harness.report.lines import Line, Tone, fact_lines
from harness.report.text import elide, fold, one_line
from harness.results.timeline import Build, BuildState, RunSummary, Timeline, rate_of, spark, value_levels

_LEGEND = "one bar per build: low is good, high is bad, between is flaky, a dot is not run"
_SHOWN = 60
_RUNS_SHOWN = 10
_DAY = 86400.0
_IMAGE_DIGITS = 12


def case_history_lines(name: str, lines: Sequence[Timeline], width: int) -> list[Line]:
    """Return the history of a case on each kernel line: builds, first bad build, duration, rate, flakes."""
    shown = [Line(one_line(name), Tone.STRONG)]
    for one in lines:
        shown += [Line(""), *_line_heading(one, spark([rate_of(build) for build in one.builds][-_SHOWN:]))]
        shown += _case_story(one, width)
    return [
        *shown,
        Line(""),
        *(Line(text, Tone.FAINT) for text in fold(_LEGEND, width)),
    ]


def trait_history_lines(
    name: str, lines: Sequence[Timeline], width: int, *, expected: Callable[[str], str] = lambda profile: ""
) -> list[Line]:
    """Return the values of a trait on each kernel line, with the builds at which they changed.

    :param name: the name of the trait.
    :param lines: its timelines.
    :param width: columns.
    :param expected: function that returns the value that a profile expects; it has the lowest bar.
    """
    shown = [Line(one_line(name), Tone.STRONG)]
    for one in lines:
        wanted = expected(one.profile)
        levels = dict(value_levels(one, wanted))
        heights = [levels[build.values[-1]] if build.values else None for build in one.builds]
        shown += [Line(""), *_line_heading(one, spark(heights[-_SHOWN:]))]
        before = ""
        for build in one.value_changes:
            value = " and ".join(map(one_line, build.values))
            tone = Tone.WARNING if before else Tone.PLAIN
            text = f"{before} -> {value}" if before else value
            if len(build.values) > 1:
                text += " (both on one image: a flake)"
            shown += fact_lines("  since", f"{text}, {_build(build)}", width, tone=tone)
            before = value
        bars = [f"{spark([height])} {one_line(value)}" for value, height in levels.items()]
        legend = ", ".join([f"{bars[0]} (expected)", *bars[1:]] if wanted else bars)
        shown += fact_lines("  bars", legend or "no run showed it", width)
    return shown


def run_history_lines(line: str, runs: Sequence[RunSummary], width: int) -> list[Line]:
    """Return the runs of a kernel line: a bar for each run, and the newest runs in full."""
    rates = [one.failed / one.asked if one.asked else None for one in runs]
    shown = [Line(one_line(line), Tone.STRONG), Line(f"  {spark(rates[-_SHOWN:])}  {_counted(len(runs), 'run')}")]
    for one in runs[-_RUNS_SHOWN:]:
        result = f"{one.failed} of {one.asked} failed" if one.asked else "no case was run"
        unfinished = "" if one.is_complete else ", did not finish"
        text = f"{_day(one.started)}  {one.image[:_IMAGE_DIGITS]}  {result}{unfinished}  {one.folder}"
        shown.append(Line(f"  {elide(one_line(text), width - 2)}", Tone.BAD if one.failed else Tone.PLAIN))
    return shown


def flake_lines(flakes: Sequence[tuple[str, int, int]], width: int) -> list[Line]:
    """Return the flaky cases with their failure rates; nothing if there are none."""
    if not flakes:
        return []
    shown = [Line("Flakes: another outcome on the same image", Tone.STRONG)]
    for name, failed, asked in flakes:
        shown.append(Line(elide(f"  {rate_text(failed, asked):<22} {one_line(name)}", width)))
    return shown


def failing_lines(failing: Sequence[tuple[str, Timeline]], width: int) -> list[Line]:
    """Return the failing cases, each with its first bad build; nothing if there are none."""
    if not failing:
        return []
    shown = [Line("Failing now", Tone.STRONG)]
    for name, one in failing:
        shown.append(Line(f"  {one_line(name)}", Tone.BAD))
        shown += [Line(f"  {line.text}", line.tone) for line in _case_story(one, width - 2)]
    return shown


def rate_text(failed: int, asked: int) -> str:
    """Return a failure rate, e.g. ``3 of 10 failed (30%)``."""
    return f"{failed} of {asked} failed ({100 * failed / asked:.0f}%)" if asked else "not run"


def _line_heading(one: Timeline, bars: str) -> list[Line]:
    runs = sum(len(build.entries) for build in one.builds)
    return [
        Line(f"  {one_line(one.line)}", Tone.STRONG),
        Line(f"  {bars}  {_counted(len(one.builds), 'build')}, {_counted(runs, 'run')}"),
    ]


def _case_story(one: Timeline, width: int) -> list[Line]:
    stretch = one.stretch
    if not stretch:
        return [Line("    was never run", Tone.FAINT)]
    lines: list[Line] = []
    asked, failed = sum(build.asked for build in one.builds), sum(build.failed for build in one.builds)
    if (first := one.first_bad) is not None:
        lines += fact_lines("  bad since", _build(first), width, tone=Tone.BAD)
        lines += fact_lines("  for", f"{_counted(len(stretch), 'build')}, {_span(first, stretch[-1])}", width)
        before = one.asked_builds[: -len(stretch)]
        if before:
            lines += fact_lines("  last good", _build(before[-1]), width, tone=Tone.GOOD)
    elif stretch[-1].state is BuildState.GOOD:
        lines += fact_lines("  good since", _build(stretch[0]), width, tone=Tone.GOOD)
    often = f"{rate_text(failed, asked)}; broke {_counted(one.times_broken, 'time')}"
    lines += fact_lines("  how often", often, width)
    if flakes := one.flakes:
        rate = rate_text(sum(build.failed for build in flakes), sum(build.asked for build in flakes))
        lines += fact_lines(
            "  flaky", f"{rate}, on {_counted(len(flakes), 'build')}: {_build(flakes[-1])}", width, tone=Tone.WARNING
        )
    return lines


def _build(build: Build) -> str:
    first = build.first
    return (
        f"{one_line(first.release)} (image {first.image[:_IMAGE_DIGITS]}), {_day(first.started)}, {one_line(first.run)}"
    )


def _span(first: Build, last: Build) -> str:
    days = (last.last.started - first.first.started) / _DAY
    return f"{days:.0f} days" if days >= 1.5 else f"{days * 24:.1f} hours"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _day(started: float) -> str:
    return datetime.datetime.fromtimestamp(started, datetime.UTC).strftime("%Y-%m-%d %H:%M")
