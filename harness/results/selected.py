# SPDX-License-Identifier: GPL-2.0-only
"""Select the runs of a report, each by itself or merged, with the folders of their logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError
from harness.model.run_record import CaseRecord, RunRecord
from harness.results.find_run import FoundRun, find_runs_of
from harness.results.merge import NamedRun, merge_runs
from harness.semantics.traits import Semantics


@dataclass(frozen=True, slots=True)
class Reported:
    """One column of a report.

    :param name: the name of the run, unique in a report.
    :param run: the record of the run.
    :param config: the text of the kernel's configuration; empty if unknown.
    :param folders: the run folder by the first part of :attr:`CaseRecord.folder`; a run that is not merged has one
        folder, under the name "".
    """

    name: str
    run: RunRecord
    config: str
    folders: Mapping[str, Path]

    def log_folder(self, case: CaseRecord) -> Path | None:
        """Return the folder of a case's logs; None if it has none, or if the path leads out of the run folder."""
        if not case.folder:
            return None
        base, inside = self.folders.get(""), case.folder
        if base is None:
            first, _, inside = case.folder.partition("/")
            base = self.folders.get(first)
        # A record from another host must not make a report read other files of this host.
        if base is None or inside.startswith("/") or ".." in inside.split("/"):
            return None
        return base / inside


def find_reported(words: Sequence[str], *, results: Path) -> tuple[Reported, ...]:
    """Find the runs of a report; each appears once.

    :param words: the arguments that name runs, see :mod:`harness.results.find_run`.
    :param results: the folder of run folders.
    :raises UsageError: an argument names no run, or a run that is damaged or of a newer format.
    """
    found, names = _distinct(words, results)
    return tuple(Reported(name, one.run, one.config, {"": one.folder}) for name, one in zip(names, found, strict=True))


def find_merged(words: Sequence[str], *, results: Path, semantics: Semantics) -> tuple[Reported, ...]:
    """Find the runs of a report and merge them into one.

    :param words: the arguments that name runs, see :mod:`harness.results.find_run`.
    :param results: the folder of run folders.
    :param semantics: the traits and profiles of the suite.
    :raises UsageError: as :func:`find_reported`, or the runs are not of one kernel.
    """
    found, names = _distinct(words, results)
    if not found:
        raise UsageError("no runs to merge", remedy="name the runs: harness report --merge RUN RUN")
    named = [NamedRun(name, one.run) for name, one in zip(names, found, strict=True)]
    joined = merge_runs(named, semantics=semantics)
    newest = max(found, key=lambda one: one.run.started)
    folders = {name: one.folder for name, one in zip(names, found, strict=True)}
    name = newest.name if len(found) == 1 else f"{newest.name}+{len(found) - 1}"
    return (Reported(name, joined, newest.config, folders),)


def _distinct(words: Sequence[str], results: Path) -> tuple[list[FoundRun], list[str]]:
    """Return each run once and a unique name for each: runs of two hosts may have begun in the same second."""
    found = {one.folder.resolve(): one for word in words for one in find_runs_of(word, results=results)}
    names: list[str] = []
    for one in found.values():
        name, number = one.name, 1
        while name in names:
            number += 1
            name = f"{one.name}-{number}"
        names.append(name)
    return list(found.values()), names
