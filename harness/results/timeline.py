"""How a case or a trait went over the builds of a kernel line: what came when, for how long, how often. Pure.

A build is one image asked one question: the same image, guest, profile and text of the case. What differs within a
build is no change of the kernel but a flake.
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
    """What one run said of one case or trait.

    :param run: name of the run folder.
    :param started: seconds since the epoch.
    :param line: the kernel line.
    :param release: of the kernel.
    :param image: digest of the kernel image.
    :param question: what else was the same: guest image, profile, text of the case.
    :param said: the outcome of the case, or the value of the trait; empty when it was not seen.
    :param asked: how many times it was asked and came to a verdict.
    :param failed: how many of these it failed.
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
    """One run as the history keeps it.

    :param asked: how many cases came to a verdict,
    :param failed: failed.
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
    """What a build came to."""

    GOOD = "good"
    BAD = "bad"
    FLAKY = "flaky"
    UNKNOWN = "not asked"


@dataclass(frozen=True, slots=True)
class Build:
    """One build and all runs of it, in their order."""

    entries: tuple[Entry, ...]

    @property
    def first(self) -> Entry:
        """Its first run."""
        return self.entries[0]

    @property
    def last(self) -> Entry:
        """Its newest run."""
        return self.entries[-1]

    @property
    def asked(self) -> int:
        """How many times it was asked."""
        return sum(one.asked for one in self.entries)

    @property
    def failed(self) -> int:
        """How many times it failed."""
        return sum(one.failed for one in self.entries)

    @property
    def values(self) -> tuple[str, ...]:
        """What its runs said, each once."""
        return tuple(dict.fromkeys(one.said for one in self.entries if one.said))

    @property
    def state(self) -> BuildState:
        """Good, bad, or sometimes this and sometimes that."""
        if not self.asked:
            return BuildState.UNKNOWN
        if 0 < self.failed < self.asked:
            return BuildState.FLAKY
        return BuildState.BAD if self.failed else BuildState.GOOD


@dataclass(frozen=True, slots=True)
class Timeline:
    """One case or trait on one kernel line, build by build, the oldest first."""

    line: str
    builds: tuple[Build, ...]

    @property
    def asked_builds(self) -> tuple[Build, ...]:
        """Those that it was asked of."""
        return tuple(one for one in self.builds if one.state is not BuildState.UNKNOWN)

    @property
    def stretch(self) -> tuple[Build, ...]:
        """The newest builds that came to the same as the last one; a flaky build ends no bad stretch."""
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
        """The first build of the stretch that is still bad; None when the newest is not bad."""
        stretch = self.stretch
        return stretch[0] if stretch and stretch[0].state is BuildState.BAD else None

    @property
    def times_broken(self) -> int:
        """How often it went from good to bad (or was bad from the start)."""
        states = [one.state for one in self.asked_builds if one.state is not BuildState.FLAKY]
        return sum(
            now is BuildState.BAD and before is not BuildState.BAD
            for before, now in zip([None, *states], states, strict=False)
        )

    @property
    def flakes(self) -> tuple[Build, ...]:
        """The builds that sometimes failed."""
        return tuple(one for one in self.builds if one.state is BuildState.FLAKY)

    @property
    def value_changes(self) -> tuple[Build, ...]:
        """The builds of which another value was said than of the one before, the first one with it."""
        changes: list[Build] = []
        for one in self.builds:
            if one.values and (not changes or one.values != changes[-1].values):
                changes.append(one)
        return tuple(changes)


def timelines(entries: Iterable[Entry]) -> tuple[Timeline, ...]:
    """The entries as timelines, one a kernel line; the line that was run last comes last."""
    lines: dict[str, dict[tuple[str, str], list[Entry]]] = {}
    newest: dict[str, float] = {}
    for one in sorted(entries, key=lambda entry: (entry.started, entry.run)):
        # An image that nobody could read may be another one each time.
        image = one.image if is_known(one.image) else one.run
        lines.setdefault(one.line, {}).setdefault((image, one.question), []).append(one)
        newest[one.line] = one.started
    return tuple(
        Timeline(line, tuple(Build(tuple(runs)) for runs in lines[line].values()))
        for line in sorted(lines, key=lambda line: newest[line])
    )


def spark(rates: Sequence[float | None]) -> str:
    """A sparkline: each number from 0 to 1 as a bar, None as a dot."""
    return "".join(NOT_ASKED if rate is None else _SPARKS[_height(rate)] for rate in rates)


def _height(rate: float) -> int:
    """The bar of a rate; only 0 has the lowest and only 1 the highest."""
    if rate <= 0 or rate >= 1:
        return 0 if rate <= 0 else len(_SPARKS) - 1
    return min(len(_SPARKS) - 2, max(1, round(rate * (len(_SPARKS) - 1))))


def rate_of(build: Build) -> float | None:
    """How often a build failed, from 0 to 1; None when it was not asked."""
    return build.failed / build.asked if build.asked else None


def value_levels(timeline: Timeline) -> tuple[tuple[str, float], ...]:
    """Each value that was seen, in the order in which it came, with the height that a sparkline gives it."""
    values = tuple(dict.fromkeys(value for build in timeline.builds for value in build.values))
    return tuple((value, at / max(1, len(values) - 1)) for at, value in enumerate(values))
