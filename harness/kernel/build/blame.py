# SPDX-License-Identifier: GPL-2.0-only
"""Find the patch that caused a diagnostic of a build, by git blame and git log within the commits of the series."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.base.deadline import Deadline
from harness.kernel.build.diagnostics import Diagnostic
from harness.kernel.git.repository import Repository

_BLAMED = re.compile(rb"^([0-9a-f]{40,64}) \d+ (\d+)", re.MULTILINE)
_QUOTED = re.compile(r"[`‘'\"](\w{2,})['’\"]")
_MOST_LINES = 200


@dataclass(frozen=True, slots=True)
class Commits:
    """The commits of a series.

    :param base: the commit that the first patch was applied to.
    :param hashes: one commit per patch, in series order; never empty.
    """

    repository: Repository
    base: str
    hashes: tuple[str, ...]

    @property
    def range(self) -> str:
        """Return the revision range of the series, as git takes it."""
        return f"{self.base}..{self.hashes[-1]}"


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The patch that most likely caused an error.

    :param patch: its number in the series, from 1.
    :param why: empty when the patch wrote the line itself; else for example ``the last patch that touches kernel/x.c``.
    """

    patch: int
    why: str = ""


def blame_lines(commits: Commits, diagnostics: Iterable[Diagnostic], *, deadline: Deadline) -> tuple[Diagnostic, ...]:
    """Return the diagnostics with the number of the patch that wrote the line of each; 0 when no patch did.

    :raises HostError: git failed.
    """
    found = tuple(diagnostics)
    touched = _touched_by(commits, deadline=deadline)
    lines: dict[str, set[int]] = defaultdict(set)
    for one in found[:_MOST_LINES]:
        if one.line and one.file in touched:
            lines[one.file].add(one.line)
    writers = {(file, line): patch for file in lines for line, patch in _writers(commits, file, lines[file], deadline)}
    return tuple(replace(one, patch=writers.get((one.file, one.line), 0)) for one in found)


def suspect(commits: Commits, diagnostic: Diagnostic, *, deadline: Deadline) -> Suspicion | None:
    """Find the patch that most likely caused an error.

    :param diagnostic: one that :func:`blame_lines` returned.
    :return: None when nothing points to a single patch.
    :raises HostError: git failed.
    """
    if diagnostic.patch:
        return Suspicion(diagnostic.patch)
    touched = _touched_by(commits, deadline=deadline)
    # ld and objtool name the object; ld sometimes names the source without its folder.
    name = re.sub(r"\.o$", ".c", diagnostic.file)
    files = [file for file in touched if name and (file == name or file.endswith(f"/{name}"))]
    if files:
        return Suspicion(max(touched[file] for file in files), f"the last patch that touches {files[0]}")
    for symbol in _QUOTED.findall(diagnostic.text):
        result = commits.repository.git("log", "--format=%H", f"-G\\b{symbol}\\b", commits.range, deadline=deadline)
        if result.text:
            newest = result.text.split()[0]
            return Suspicion(commits.hashes.index(newest) + 1, f"the last patch that mentions {symbol}")
    return None


def _touched_by(commits: Commits, *, deadline: Deadline) -> dict[str, int]:
    """Return the files that the series touches, each with the number of the last patch that touches it."""
    arguments = ("log", "--reverse", "--format=%x01%H", "--name-only", "--no-renames", "-z", commits.range)
    touched: dict[str, int] = {}
    for part in commits.repository.git(*arguments, deadline=deadline).text.split("\x01")[1:]:
        commit, *files = part.replace("\n", "\0").split("\0")
        number = commits.hashes.index(commit) + 1
        touched.update(dict.fromkeys(filter(None, files), number))
    return touched


def _writers(commits: Commits, file: str, lines: Iterable[int], deadline: Deadline) -> list[tuple[int, int]]:
    """Return the lines that a patch wrote, each with the number of that patch."""
    numbers: Sequence[int] = sorted(lines)
    ranges = [argument for number in numbers for argument in ("-L", f"{number},{number}")]
    arguments = ("blame", "--porcelain", *ranges, commits.range, "--", file)
    # git fails for a line beyond the end of the file: a #line directive may give the compiler another file name.
    result = commits.repository.git(*arguments, deadline=deadline, check=False)
    found = ((match[1].decode(), int(match[2])) for match in _BLAMED.finditer(result.stdout))
    return [(line, commits.hashes.index(commit) + 1) for commit, line in found if commit in commits.hashes]
