# SPDX-License-Identifier: GPL-2.0-only
"""Read a series as a history: the base and one commit for each patch."""

from __future__ import annotations

from dataclasses import dataclass

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.bisect.commit_graph import Lineage
from harness.bisect.commits import CommitRange, read_commits
from harness.kernel.patches.shipped import find_shipped
from harness.kernel.source.locate import find_named
from harness.model.kernel_spec import PathReading, SpecKind, parse_spec
from harness.series.applied import AppliedSeries, find_ground


def is_series(word: str) -> bool:
    """Return whether a KERNEL argument names a series, not just a tree.

    :raises UsageError: the argument names nothing.
    """
    spec = parse_spec(word)
    if spec.kind is SpecKind.PATH:
        named = find_named(spec)
        return isinstance(named, PathReading) and bool(named.patches)
    return spec.kind is SpecKind.SERIES or bool(spec.patches)


def walk_patches(context: Context, word: str, *, good: str, bad: str) -> CommitRange:
    """Read the history from the base of a series to its last patch.

    :param word: a source with a series on it, as a KERNEL argument.
    :param good: the number of a patch; 0 or empty for the base.
    :param bad: the number of a patch; empty for the last one.
    :raises UsageError: no such source, series or patch.
    :raises SeriesError: the series cannot be read, or the patches up to the bad end do not apply.
    """
    parts = _parts(word, deadline=context.deadline)
    ground = find_ground(context, parts.base, parts.series)
    numbers = _numbers(ground, good, bad)
    if ground.conflict is not None and numbers[1] > ground.applied:
        raise ground.conflict
    hashes = (ground.base.commit, *ground.commits)
    between = hashes[numbers[0] : numbers[1] + 1]
    commits = read_commits(ground.base.repository, between, deadline=context.deadline)
    at = {commit: number for number, commit in enumerate(hashes)}
    return CommitRange(
        repository=ground.base.repository,
        lineage=Lineage(commits, between[:1]),
        good=between[0],
        bad=between[-1],
        roots=between[:1],
        commits=len(between) - 1,
        kernel=lambda commit: ground.kernel(at[commit]),
        numbers=at,
        fragments=parts.fragments,
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    base: str
    series: str
    fragments: tuple[str, ...] = ()


def _parts(word: str, *, deadline: Deadline) -> _Parts:
    """Split a KERNEL argument into base and series."""
    spec = parse_spec(word)
    if spec.kind is SpecKind.SERIES and not spec.patches:
        shipped = find_shipped(spec.name, deadline=deadline)
        return _Parts(shipped.base, str(paths.SERIES / shipped.name), tuple(map(str, shipped.fragments)))
    if spec.kind is not SpecKind.PATH:
        return _Parts(f"{spec.kind.value}{spec.name}", spec.patches)
    named = find_named(spec)
    assert isinstance(named, PathReading)
    return _Parts(f"{named.path}@{named.revision}" if named.revision else named.path, named.patches)


def _numbers(ground: AppliedSeries, good: str, bad: str) -> tuple[int, int]:
    """Return the numbers of the patches at the ends.

    :raises UsageError: no such patches, or they are in the wrong order.
    """
    last = len(ground.series.patches)
    found = []
    for option, word, usual in (("good", good, 0), ("bad", bad, last)):
        if word and not (word.isdecimal() and int(word) <= last):
            remedy = "write the number of a patch, or leave it out"
            raise UsageError(f"--{option} {word}: the series has patches 1 to {last}, and 0 is its base", remedy=remedy)
        found.append(int(word) if word else usual)
    if found[0] >= found[1]:
        shown = f"good: {found[0]}\nbad:  {found[1]}"
        what = "both ends are the same patch" if found[0] == found[1] else "the good end is newer than the bad end"
        raise UsageError(what, evidence=shown, remedy="name the older one with --good, and the newer one with --bad")
    return found[0], found[1]
