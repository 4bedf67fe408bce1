# SPDX-License-Identifier: GPL-2.0-only
"""Test a series on several bases, one after the other; a base on which it cannot be tested hinders no other one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HarnessError, UsageError
from harness.base.events import Note
from harness.kernel.git.command import git
from harness.kernel.git.user_repository import find_user_repository
from harness.kernel.source.locate import find_named
from harness.model.bases_record import BaseResult
from harness.model.kernel_spec import PathReading, SpecKind, parse_spec
from harness.report.display.events import RunReport
from harness.series.applied import AppliedSeries
from harness.series.backport import find_dependencies
from harness.series.request import SeriesWords, read_brief
from harness.series.walk import SeriesOutcome

_MERGED = re.compile(r"patch (\d+)/\d+ .* was applied by a three-way merge")
_GIT_SECONDS = 60.0
_SEARCH_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class BasesOutcome:
    """The outcome on several bases.

    :param results: in the order of the bases.
    :param outcomes: of those on which the series could be tested, by position.
    :param status: the worst exit status.
    """

    results: tuple[BaseResult, ...]
    outcomes: dict[int, SeriesOutcome]
    status: ExitStatus


def expand_bases(words: Sequence[str], tags: Sequence[str], newest: int) -> tuple[str, ...]:
    """Return the arguments of bases: a revision without a tree is of the first tree, a pattern gives its newest tags.

    :param words: the arguments of ``--base``.
    :param tags: patterns of tags.
    :param newest: how many tags of each pattern.
    :raises UsageError: there is no tree, or no such tag.
    """
    if len(words) == 1 and not tags:
        return (words[0],)
    first = _reading(words[0])
    found: list[str] = []
    for word in words:
        reading = _reading(word) if word == words[0] or Path(word.partition("@")[0]).expanduser().exists() else None
        if reading is None and first is not None and parse_spec(word).kind is SpecKind.PATH:
            found.append(f"{first.path}@{word}")
        elif not (tags and reading is not None and not reading.revision):
            found.append(word)
    for pattern in tags:
        if first is None:
            raise UsageError(
                f"--each-tag {pattern} needs a tree, and {words[0]} is none", remedy="name one: --base ~/linux"
            )
        found += (f"{first.path}@{tag}" for tag in _tags(Path(first.path), pattern, newest))
    return tuple(dict.fromkeys(found))


def walk_bases(words: SeriesWords, bases: Sequence[str], report: RunReport) -> BasesOutcome:
    """Test a series on each base."""
    grounds: dict[int, AppliedSeries] = {}
    results: list[BaseResult] = []
    outcomes: dict[int, SeriesOutcome] = {}
    status = ExitStatus.AS_EXPECTED
    for at, base in enumerate(bases):
        report(Note(f"base {at + 1} of {len(bases)}: {base}"))
        try:
            brief = read_brief(replace(words, base=base), report)
            grounds[at] = brief.ground
            outcomes[at] = brief.walk(report)
        except HarnessError as error:
            report(Note(f"{base}: {error.what}"))
            results.append(BaseResult(base, problem=error.what))
            status = max(status, error.exit_status)
            continue
        outcome = outcomes[at]
        merged = tuple(int(found[1]) for note in brief.ground.notes if (found := _MERGED.match(note)))
        results.append(BaseResult(base, outcome.record, merged=merged))
        fails = ExitStatus.DIFFERS if not results[-1].is_good else ExitStatus.AS_EXPECTED
        status = max(status, outcome.status, fails, outcome.error.exit_status if outcome.error else fails)
        if outcome.status is ExitStatus.INTERRUPTED:
            break
    with_needs = list(_with_needs(results, grounds, report))
    return BasesOutcome(tuple(with_needs), outcomes, status)


def _with_needs(
    results: Sequence[BaseResult], grounds: dict[int, AppliedSeries], report: RunReport
) -> Iterator[BaseResult]:
    """Yield the results with what each base does not have."""
    deadline = Deadline.after(_SEARCH_SECONDS)
    for at, result in enumerate(results):
        ground = grounds.get(at)
        if ground is None or ground.conflict is None:
            yield result
            continue
        others = [one for place, one in grounds.items() if place != at]
        try:
            needs = find_dependencies(ground, others, deadline=deadline)
        except HarnessError as error:
            report(Note(f"{result.word}: what it needs is not known: {error.what}"))
            needs = ()
        yield replace(result, dependencies=needs)


def _reading(word: str) -> PathReading | None:
    """Return how an argument names a tree; None for any other argument."""
    spec = parse_spec(word)
    named = find_named(spec) if spec.kind is SpecKind.PATH else None
    return named if isinstance(named, PathReading) else None


def _tags(tree: Path, pattern: str, newest: int) -> list[str]:
    """Return the newest tags of a pattern, the newest first; release candidates come before their release.

    :raises UsageError: the tree has no such tag.
    """
    deadline = Deadline.after(_GIT_SECONDS)
    theirs = find_user_repository(tree, deadline=deadline)
    words = ("-c", "versionsort.suffix=-rc", "tag", "--list", "--sort=-version:refname", "--", pattern)
    tags = git(theirs.git_dir, *words, deadline=deadline).text.split() if theirs else []
    if not tags:
        raise UsageError(f"{tree} has no tag {pattern}", remedy=f"list them: git -C {tree} tag --list")
    return tags[:newest]
