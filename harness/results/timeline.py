# SPDX-License-Identifier: GPL-2.0-only
"""Trace a case or a trait over the builds of a kernel line: when it changed, for how long and how often. Pure.

A build is one image under one test: the same image, guest, profile and text of the case. A difference within a build
is a flake, not a change of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.model.run_record import is_known

_SPARKS = "▁▂▃▄▅▆▇█"
NOT_ASKED = "·"


@dataclass(frozen=True, slots=True)
class Entry:
    """The result of one case or trait in one run.

    :param run: the name of the run folder.
    :param started: seconds since the epoch.
    :param line: the kernel line.
    :param release: the release of the kernel.
    :param image: the digest of the kernel image.
    :param question: the other conditions of a build: guest image, profile, text of the case.
    :param said: the outcome of the case, or the value of the trait; empty if it was not seen.
    :param asked: the number of times it was run and got a verdict.
    :param failed: the number of these that failed.
    """

    run: str
    started: float
    line: str
    release: str
    image: str
    question: str
    said: str
    asked: int = 1
    failed: int = 0


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run as the history records it.

    :param asked: the number of cases with a verdict.
    :param failed: the number of these that failed.
    """

    folder: str
    started: float
    line: str
    spec: str
    release: str
    image: str
    is_complete: bool
    asked: int
    failed: int


class BuildState(StrEnum):
    """The result of a build."""

    GOOD = "good"
    BAD = "bad"
    FLAKY = "flaky"
    UNKNOWN = "not run"


@dataclass(frozen=True, slots=True)
class Build:
    """One build and all of its runs, oldest first."""

    entries: tuple[Entry, ...]

    @property
    def first(self) -> Entry:
        """Return the first run."""
        return self.entries[0]

    @property
    def last(self) -> Entry:
        """Return the newest run."""
        return self.entries[-1]

    @property
    def asked(self) -> int:
        """Return the number of times it was run and got a verdict."""
        return sum(one.asked for one in self.entries)

    @property
    def failed(self) -> int:
        """Return the number of times it failed."""
        return sum(one.failed for one in self.entries)

    @property
    def values(self) -> tuple[str, ...]:
        """Return the distinct outcomes or values of its runs."""
        return tuple(dict.fromkeys(one.said for one in self.entries if one.said))

    @property
    def state(self) -> BuildState:
        """Return good, bad, flaky (both), or unknown if it was not run."""
        if not self.asked:
            return BuildState.UNKNOWN
        if 0 < self.failed < self.asked:
            return BuildState.FLAKY
        return BuildState.BAD if self.failed else BuildState.GOOD


@dataclass(frozen=True, slots=True)
class Timeline:
    """One case or trait on one kernel line, build by build, oldest first."""

    line: str
    builds: tuple[Build, ...]

    @property
    def profile(self) -> str:
        """Return the profile that judged the newest run; empty if it is not known."""
        words = self.builds[-1].last.question.split(" ")
        return words[1] if len(words) > 1 else ""

    @property
    def asked_builds(self) -> tuple[Build, ...]:
        """Return the builds on which it was run."""
        return tuple(one for one in self.builds if one.state is not BuildState.UNKNOWN)

    @property
    def stretch(self) -> tuple[Build, ...]:
        """Return the newest consecutive builds in the last state; a flaky build does not end a bad stretch."""
        builds = self.asked_builds
        if not builds:
            return ()
        state = builds[-1].state
        taken: list[Build] = []
        for one in reversed(builds):
            if one.state is not state and not (state is BuildState.BAD and one.state is BuildState.FLAKY):
                break
            taken.append(one)
        while taken and taken[-1].state is not state:
            taken.pop()
        return tuple(reversed(taken))

    @property
    def first_bad(self) -> Build | None:
        """Return the first build of the current bad stretch; None if the newest build is not bad."""
        stretch = self.stretch
        return stretch[0] if stretch and stretch[0].state is BuildState.BAD else None

    @property
    def times_broken(self) -> int:
        """Return the number of times it went from good to bad, or was bad from the start."""
        states = [one.state for one in self.asked_builds if one.state is not BuildState.FLAKY]
        return sum(
            now is BuildState.BAD and before is not BuildState.BAD
            for before, now in zip([None, *states], states, strict=False)
        )

    @property
    def flakes(self) -> tuple[Build, ...]:
        """Return the builds on which it failed only sometimes."""
        return tuple(one for one in self.builds if one.state is BuildState.FLAKY)

    @property
    def value_changes(self) -> tuple[Build, ...]:
        """Return the builds with another value than the one before, and the first build with a value."""
        changes: list[Build] = []
        for one in self.builds:
            if one.values and (not changes or one.values != changes[-1].values):
                changes.append(one)
        return tuple(changes)


def timelines(entries: Iterable[Entry]) -> tuple[Timeline, ...]:
    """Group entries into timelines, one for each kernel line; the line that was run last comes last."""
    lines: dict[str, dict[tuple[str, str], list[Entry]]] = {}
    newest: dict[str, float] = {}
    for one in sorted(entries, key=lambda entry: (entry.started, entry.run)):
        # An image without a known digest may differ from run to run.
        image = one.image if is_known(one.image) else one.run
        lines.setdefault(one.line, {}).setdefault((image, one.question), []).append(one)
        newest[one.line] = one.started
    return tuple(
        Timeline(line, tuple(Build(tuple(runs)) for runs in lines[line].values()))
        for line in sorted(lines, key=lambda line: newest[line])
    )


def spark(rates: Sequence[float | None]) -> str:
    """Return a sparkline: each number from 0 to 1 as a bar, None as a dot."""
    return "".join(NOT_ASKED if rate is None else _SPARKS[_height(rate)] for rate in rates)


def _height(rate: float) -> int:
    """Return the index of a rate's bar; only 0 has the lowest bar and only 1 the highest."""
    if rate <= 0 or rate >= 1:
        return 0 if rate <= 0 else len(_SPARKS) - 1
    return min(len(_SPARKS) - 2, max(1, round(rate * (len(_SPARKS) - 1))))


def rate_of(build: Build) -> float | None:
    """Return the share of failures of a build, from 0 to 1; None if it was not run."""
    return build.failed / build.asked if build.asked else None


def value_levels(timeline: Timeline, expected: str = "") -> tuple[tuple[str, float], ...]:
    """Return each value with its height in a sparkline from 0 to 1: the expected one first and lowest.

    :param timeline: the timeline of a trait.
    :param expected: the value that its profile expects, seen or not; empty for the order of appearance.
    """
    seen = (value for build in timeline.builds for value in build.values)
    values = tuple(dict.fromkeys([*filter(None, [expected]), *seen]))
    return tuple((value, at / max(1, len(values) - 1)) for at, value in enumerate(values))
