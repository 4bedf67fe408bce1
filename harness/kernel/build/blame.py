"""Which patch of a series is to blame for what a build complains of: asked of git, within the series' own commits."""

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

    :param base: what the first one was applied to. :param hashes: one a patch, in their order; never empty.
    """

    repository: Repository
    base: str
    hashes: tuple[str, ...]

    @property
    def range(self) -> str:
        """The series as git wants it named."""
        return f"{self.base}..{self.hashes[-1]}"


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The patch that is most likely to blame.

    :param patch: its number in the series. :param why: empty when it wrote the very line; else as ``the last one that
        touches kernel/x.c``.
    """

    patch: int
    why: str = ""


def blame_lines(commits: Commits, diagnostics: Iterable[Diagnostic], *, deadline: Deadline) -> tuple[Diagnostic, ...]:
    """The same complaints, each about a line that a patch wrote with that patch's number.

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
    """The patch behind an error that :func:`blame_lines` was asked about; None when nothing speaks for one of them.

    :raises HostError: git failed.
    """
    if diagnostic.patch:
        return Suspicion(diagnostic.patch)
    touched = _touched_by(commits, deadline=deadline)
    # ld and objtool name the object; ld at times the bare name of the source.
    name = re.sub(r"\.o$", ".c", diagnostic.file)
    files = [file for file in touched if name and (file == name or file.endswith(f"/{name}"))]
    if files:
        return Suspicion(max(touched[file] for file in files), f"the last one that touches {files[0]}")
    for word in _QUOTED.findall(diagnostic.text):
        said = commits.repository.git("log", "--format=%H", f"-G\\b{word}\\b", commits.range, deadline=deadline)
        if said.text:
            newest = said.text.split()[0]
            return Suspicion(commits.hashes.index(newest) + 1, f"the last one that speaks of {word}")
    return None


def _touched_by(commits: Commits, *, deadline: Deadline) -> dict[str, int]:
    """The files that the series touches, each with the number of the last patch that does."""
    words = ("log", "--reverse", "--format=%x01%H", "--name-only", "--no-renames", "-z", commits.range)
    touched: dict[str, int] = {}
    for part in commits.repository.git(*words, deadline=deadline).text.split("\x01")[1:]:
        commit, *files = part.replace("\n", "\0").split("\0")
        number = commits.hashes.index(commit) + 1
        touched.update(dict.fromkeys(filter(None, files), number))
    return touched


def _writers(commits: Commits, file: str, lines: Iterable[int], deadline: Deadline) -> list[tuple[int, int]]:
    """Of those lines, the ones that a patch wrote, each with its number."""
    numbers: Sequence[int] = sorted(lines)
    places = [word for number in numbers for word in ("-L", f"{number},{number}")]
    words = ("blame", "--porcelain", *places, commits.range, "--", file)
    # A line that is not there makes git fail: the compiler may have been told another name by a #line directive.
    said = commits.repository.git(*words, deadline=deadline, check=False)
    found = ((match[1].decode(), int(match[2])) for match in _BLAMED.finditer(said.stdout))
    return [(line, commits.hashes.index(commit) + 1) for commit, line in found if commit in commits.hashes]
