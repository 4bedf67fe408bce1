# SPDX-License-Identifier: GPL-2.0-only
"""Name what a base does not have and a patch needs: commits that brought the lines that it expects, earlier patches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.base.deadline import Deadline
from harness.kernel.git.apply_check import read_entries, read_files
from harness.kernel.mail.diff import read_changes
from harness.kernel.patches.series import Patch
from harness.model.bases_record import Dependency
from harness.series.applied import AppliedSeries

_MOST_LINES = 6
_SHORTEST = 8
_SEARCH_SECONDS = 60.0


def find_dependencies(
    ground: AppliedSeries, whole: Sequence[AppliedSeries], *, deadline: Deadline
) -> tuple[Dependency, ...]:
    """Return what the first patch that does not apply needs.

    For each line that it expects and its file does not have, the commit is searched that brought it, between the base
    and a base of the same tree on which the patch applies; an earlier patch of the series is named before.

    :param ground: the series on a base on which it does not apply whole.
    :param whole: the series on other bases.
    :raises HostError: git failed, or the deadline came.
    """
    if ground.conflict is None:
        return ()
    number = ground.applied + 1
    patch = ground.series.patches[number - 1]
    later = [one for one in whole if one.applied >= number and one.base.repository == ground.base.repository]
    # The series itself ends at the last patch before; what the base has with those patches is what counts.
    at = ground.commits[-1] if ground.commits else ground.base.commit
    found: dict[str, Dependency] = {}
    for file, line in _missing_lines(ground, patch, at, deadline=deadline):
        need = _earlier(ground, number, file, line)
        for one in later if need is None else ():
            need = need or _commit(
                one, ground.base.commit, number, file, line, deadline=deadline.sooner(_SEARCH_SECONDS)
            )
        need = need or Dependency(number, file, line)
        found.setdefault(need.commit or need.subject or need.line, need)
    known = [one for one in found.values() if one.commit or one.subject]
    return tuple(known or list(found.values())[:1])


def _missing_lines(ground: AppliedSeries, patch: Patch, at: str, *, deadline: Deadline) -> Iterator[tuple[str, str]]:
    """Yield the longest lines that a patch expects and its file does not have."""
    entries = read_entries(ground.base.repository, at, patch.files, deadline=deadline)
    contents = read_files(ground.base.repository, entries, deadline=deadline)
    found: list[tuple[str, str]] = []
    for change in read_changes(patch.mail):
        for file in change.files:
            has = set(contents.get(file, b"").decode(errors="replace").split("\n"))
            expected = [line for hunk in change.hunks for line in hunk.expected]
            found += [(file, line) for line in expected if line not in has and len(line.strip()) >= _SHORTEST]
    found.sort(key=lambda one: -len(one[1]))
    yield from list(dict.fromkeys(found))[:_MOST_LINES]


def _earlier(ground: AppliedSeries, number: int, file: str, line: str) -> Dependency | None:
    """Return the dependency on an earlier patch of the series that adds the line, if that one does not apply either."""
    for patch in ground.series.patches[ground.applied : number - 1]:
        for change in read_changes(patch.mail):
            if file in change.files and any(f"+{line}".encode() in hunk.body for hunk in change.hunks):
                return Dependency(number, file, line, subject=patch.subject)
    return None


def _commit(
    other: AppliedSeries, base: str, number: int, file: str, line: str, *, deadline: Deadline
) -> Dependency | None:
    """Find the newest commit between two bases that changed how often a file has the line (git-log(1), -S)."""
    words = ("log", "--no-merges", "--max-count=1", "--format=%H%x00%s", f"-S{line}", f"{base}..{other.base.commit}")
    done = other.base.repository.git(*words, "--", file, deadline=deadline, check=False)
    commit, _, subject = done.text.strip().partition("\0")
    return Dependency(number, file, line, commit, subject) if done.status == 0 and commit else None
