# SPDX-License-Identifier: GPL-2.0-only
"""Make the stories of traits and the history of cases and traits for the page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.report.page.overview import Value
from harness.report.tables.trait_story import decisions
from harness.report.text import one_line
from harness.results.timeline import Build, BuildState, Entry, RunSummary, Timeline, timelines, value_levels
from harness.semantics.observers import Observer
from harness.semantics.traits import Semantics

CASE, TRAIT = "case", "trait"
"""The kinds of the history, as in ``harness/results/history.py``."""
BUILDS_SHOWN = 60
_IMAGE_DIGITS = 12
_STATES = {BuildState.GOOD: 0, BuildState.BAD: 1, BuildState.FLAKY: 2, BuildState.UNKNOWN: 3}
_DAY = 86400.0


def trait_stories(
    semantics: Semantics, names: Iterable[str], *, observers: Mapping[str, Sequence[Observer]]
) -> dict[str, Value]:
    """Return values, story, decisions and observing cases of each trait that the semantics have."""
    stories: dict[str, Value] = {}
    for name in names:
        if (trait := semantics.traits.get(name)) is None:
            continue
        stories[name] = {
            "values": dict(trait.values),
            "story": [" ".join(part.split()) for part in trait.story.split("\n\n") if part.strip()],
            "decisions": [
                {
                    "date": one.date,
                    "version": one.version,
                    "value": one.expectation.value,
                    "confirmed": one.expectation.confirmed,
                    "source": " ".join(one.expectation.source.split()),
                    "also": list(one.also),
                }
                for one in decisions(semantics, name)
            ],
            "cases": [[one.path, one.line] for one in observers.get(name, ())],
        }
    return stories


def case_histories(entries: Mapping[tuple[str, str], Sequence[Entry]]) -> dict[str, list[Value]]:
    """Return the history of each case, a table for each kernel line.

    :param entries: the entries by kind and name.
    """
    return {
        one_line(name): [_timeline(line, {}, _facts(line)) for line in timelines(found)]
        for (of, name), found in entries.items()
        if of == CASE
    }


def trait_histories(entries: Mapping[tuple[str, str], Sequence[Entry]], semantics: Semantics) -> dict[str, list[Value]]:
    """Return the history of each trait, a table for each kernel line; the expected value has the lowest bar.

    :param entries: the entries by kind and name.
    :param semantics: the traits and profiles of the suite.
    """
    return {
        one_line(name): [
            _timeline(line, dict(value_levels(line, semantics.expected(name, line.profile))), _changes(line))
            for line in timelines(found)
        ]
        for (of, name), found in entries.items()
        if of == TRAIT
    }


def line_histories(runs: Iterable[RunSummary], lines: Iterable[str]) -> dict[str, list[Value]]:
    """Return the history of each kernel line: the share of failed cases of its runs."""
    of = {line: [one for one in runs if one.line == line] for line in dict.fromkeys(lines)}
    return {
        one_line(line): [
            {
                "line": one_line(line),
                "left": max(0, len(found) - BUILDS_SHOWN),
                "builds": [_run(one) for one in found[-BUILDS_SHOWN:]],
                "facts": [],
            }
        ]
        for line, found in of.items()
        if found
    }


def _run(one: RunSummary) -> list[object]:
    """Return a bar for a run, in the form of :func:`_build`."""
    state = BuildState.UNKNOWN if not one.asked else BuildState.BAD if one.failed else BuildState.GOOD
    result = f"{one.failed} of {one.asked} cases failed" if one.asked else "no case was run"
    name = one_line(f"{one.release}, image {one.image[:_IMAGE_DIGITS]}, {one.folder}")
    return [_STATES[state], round(100 * one.failed / max(1, one.asked)), result, name, one.started]


def _timeline(line: Timeline, levels: Mapping[str, float], facts: list[list[str]]) -> Value:
    builds = line.builds[-BUILDS_SHOWN:]
    return {
        "line": one_line(line.line),
        "left": len(line.builds) - len(builds),
        "builds": [_build(one, levels) for one in builds],
        "facts": facts,
    }


def _build(build: Build, levels: Mapping[str, float]) -> list[object]:
    """Return a bar for a build: state, height from 0 to 100 (failure rate, or value of a trait), and texts."""
    first = build.first
    if build.values and levels:
        height = 100 * levels[build.values[-1]]
    else:
        height = 100 * build.failed / build.asked if build.asked else 0
    result = " and ".join(map(one_line, build.values)) or "not run"
    often = f"; {build.failed} of {build.asked} failed" if build.failed else ""
    image = first.image[:_IMAGE_DIGITS]
    return [
        _STATES[build.state],
        round(height),
        one_line(f"{result}{often}"),
        one_line(f"{first.release}, image {image}, {first.run}"),
        first.started,
    ]


def _changes(line: Timeline) -> list[list[str]]:
    """Return each value of a trait and the build at which it appeared."""
    return [["since", f"{' and '.join(map(one_line, one.values))}: {_name(one)}"] for one in line.value_changes]


def _facts(line: Timeline) -> list[list[str]]:
    """Return first bad build, last good build, failure rate and flakes."""
    stretch = line.stretch
    asked, failed = sum(one.asked for one in line.builds), sum(one.failed for one in line.builds)
    facts: list[list[str]] = []
    if not stretch:
        return [["run", "never"]]
    if (first := line.first_bad) is not None:
        facts.append(["bad since", f"{_name(first)}{_length(stretch)}"])
        if before := line.asked_builds[: -len(stretch)]:
            facts.append(["last good", _name(before[-1])])
    if failed:
        often = f"{failed} of {asked} times; broke {line.times_broken} time{'' if line.times_broken == 1 else 's'}"
        facts.append(["failed", often])
    if flakes := line.flakes:
        facts.append(["flaky", f"{len(flakes)} build{'' if len(flakes) == 1 else 's'}, the last {_name(flakes[-1])}"])
    return facts


def _length(stretch: Sequence[Build]) -> str:
    """Return the number of builds and the duration; nothing for a single build."""
    if len(stretch) < 2:
        return ""
    days = (stretch[-1].last.started - stretch[0].first.started) / _DAY
    return f"; {len(stretch)} builds, {f'{days:.0f} days' if days >= 1.5 else f'{days * 24:.1f} hours'}"


def _name(build: Build) -> str:
    return one_line(f"{build.first.release} (image {build.first.image[:_IMAGE_DIGITS]}), {build.first.run}")
