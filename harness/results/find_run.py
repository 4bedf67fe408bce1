# SPDX-License-Identifier: GPL-2.0-only
"""Find the run that an argument names: a run folder, its name, ``last``, or one kernel of a joint run.

last            the newest complete run
last~2          the complete run two before that one
last:KERNEL     the newest complete run of that KERNEL argument, as it was typed then
FOLDER          a run folder, or its name in the results folder
FOLDER:B        kernel B of a run with several kernels, as its table names it; or FOLDER:KERNEL
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.base.errors import HarnessError, UsageError
from harness.model.run_record import NO_KERNEL_ID, RunRecord
from harness.results.folder import CONFIG_NAME, LATEST_NAME, RUN_NAME, load_run
from harness.results.kernel_line import kernel_letters

KERNELS_NAME = "kernels.json"
"""The file in the folder of a joint run that lists the run folder of each kernel, in the order of the table."""

_LAST = re.compile(r"last(?:~([0-9]{1,4}))?(?::(.+))?", re.DOTALL)
_NAME_BEGINS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T")


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run and its folder."""

    folder: Path
    run: RunRecord

    @property
    def name(self) -> str:
        """Return the name of the run folder."""
        return self.folder.name

    @property
    def config(self) -> str:
        """Read the kernel's configuration; empty if the folder has none."""
        with suppress(OSError):
            return (self.folder / CONFIG_NAME).read_text(errors="replace")
        return ""


def find_runs(words: Sequence[str], *, results: Path) -> tuple[FoundRun, FoundRun]:
    """Find the two runs that one or two arguments name.

    One argument names a joint run of two kernels, or a run that ``last`` is compared with.

    :param words: the arguments.
    :param results: the folder of run folders.
    :raises UsageError: an argument names no run, or both name the same run.
    """
    if len(words) == 1 and (folder := _folder(words[0], results)) is not None and (folder / KERNELS_NAME).exists():
        members = joint_members(folder)
        if len(members) != 2:
            remedy = f"name two of them: harness diff {words[0]}:A {words[0]}:B"
            raise UsageError(f"{words[0]} is a run of {len(members)} kernels", evidence=_listed(members), remedy=remedy)
        before, after = (FoundRun(one, _load(one)) for one in members)
        return before, after
    before, after = (find_run(word, results=results) for word in (*words, "last")[:2])
    if before.folder.resolve() == after.folder.resolve():
        what = f"{' and '.join((*words, 'last')[:2])} are the same run"
        raise UsageError(what, evidence=str(after.folder), remedy="name another, e.g. last~1")
    return before, after


def find_run(word: str, *, results: Path) -> FoundRun:
    """Find the run that an argument names, finished or not; the top of this module lists the forms.

    :param word: the argument.
    :param results: the folder of run folders.
    :raises UsageError: no such run exists, or its record is damaged or of a newer format.
    """
    if (folder := _folder(word, results)) is not None:
        return _run_in(folder, word)
    name, _, kernel = word.partition(":")
    if kernel and name != "last" and not name.startswith("last~") and (folder := _folder(name, results)) is not None:
        return _member(folder, kernel, word)
    if found := _LAST.fullmatch(word):
        return _find_last(int(found[1] or 0), found[2] or "", results=results)
    raise UsageError(
        f"{word}: no such run",
        evidence=f"looked for a folder of that name, also in {results}",
        remedy=f"name a run folder, e.g. {results}/{LATEST_NAME}, or last",
    )


def run_folders(results: Path) -> list[Path]:
    """List the run folders in a results folder, newest first."""
    with suppress(OSError):
        names = [one for one in results.iterdir() if _NAME_BEGINS.match(one.name) and (one / RUN_NAME).exists()]
        return sorted(names, key=lambda one: one.name, reverse=True)
    return []


def complete_runs(results: Path) -> Iterator[FoundRun]:
    """Yield the complete runs in a results folder, newest first; runs that cannot be read are skipped."""
    for folder in run_folders(results):
        with suppress(HarnessError):
            run = _load(folder)
            if run.complete and not is_without_kernel(run):
                yield FoundRun(folder, run)


def joint_members(folder: Path) -> list[Path]:
    """Return the run folders of a joint run.

    :raises UsageError: the file that lists them is damaged.
    """
    file = folder / KERNELS_NAME
    try:
        names = json.loads(file.read_text())
        return [folder.parent / Path(str(name)).name for name in list(names)]
    except (OSError, ValueError, TypeError) as error:
        remedy = "name the run folders of its kernels"
        raise UsageError(f"{file} is damaged", evidence=str(error), remedy=remedy) from None


def find_runs_of(word: str, *, results: Path) -> list[FoundRun]:
    """Find the run that an argument names; for a joint run, the run of each kernel.

    :raises UsageError: as :func:`find_run`.
    """
    folder = _folder(word, results)
    if folder is None or (folder / RUN_NAME).exists() or not (folder / KERNELS_NAME).exists():
        return [find_run(word, results=results)]
    return [FoundRun(one, _load(one)) for one in joint_members(folder)]


def _folder(word: str, results: Path) -> Path | None:
    for path in (Path(word), results / word):
        if word not in ("", "last") and path.is_dir():
            return path.resolve() if path.is_symlink() else path
    return None


def _run_in(folder: Path, word: str) -> FoundRun:
    if not (folder / RUN_NAME).exists() and (folder / KERNELS_NAME).exists():
        evidence = _listed(joint_members(folder))
        raise UsageError(f"{word} is a run of several kernels", evidence=evidence, remedy=f"name one: {word}:A")
    return FoundRun(folder, _load(folder))


def _member(folder: Path, kernel: str, word: str) -> FoundRun:
    if not (folder / KERNELS_NAME).exists():
        raise UsageError(f"{word}: {folder} is not a run of several kernels", remedy=f"name {folder} alone")
    members = joint_members(folder)
    for letter, one in zip(kernel_letters(len(members)), members, strict=True):
        if letter == kernel or (one.is_dir() and _load(one).kernel.spec == kernel):
            return FoundRun(one, _load(one))
    evidence = _listed(members)
    raise UsageError(f"{word}: that run has no kernel {kernel}", evidence=evidence, remedy="name one of these letters")


def _listed(members: Sequence[Path]) -> str:
    return "\n".join(f"{letter}  {one.name}" for letter, one in zip(kernel_letters(len(members)), members, strict=True))


def _find_last(number: int, kernel: str, *, results: Path) -> FoundRun:
    left = number
    for found in complete_runs(results):
        if kernel and found.run.kernel.spec != kernel:
            continue
        if left == 0:
            return found
        left -= 1
    of_kernel = f" of {kernel}" if kernel else ""
    count = f"{number - left} complete run{'' if number - left == 1 else 's'}{of_kernel}"
    raise UsageError(
        f"no such run: last{f'~{number}' if number else ''}{of_kernel}",
        evidence=f"{results} holds {count}",
        remedy="run first: harness run",
    )


def is_without_kernel(run: RunRecord) -> bool:
    """Return whether no case was run because the kernel could not be fetched, built or booted."""
    return [case.id for case in run.cases] == [NO_KERNEL_ID]


def _load(folder: Path) -> RunRecord:
    """Read the run in a folder; a cache avoids reading it again after the search for the last run.

    :raises UsageError: the folder holds no run, or a damaged one.
    """
    try:
        changed = (folder / RUN_NAME).stat().st_mtime_ns
    except OSError:
        return load_run(folder)  # reports the error
    return _loaded(folder, changed)


@lru_cache(maxsize=4)
def _loaded(folder: Path, changed: int) -> RunRecord:
    return load_run(folder)
