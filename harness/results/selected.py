"""What a report is made of: the runs that words name, each by itself or joined, with the places of their logs."""

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

    :param name: what to call the run; another one for each of a report.
    :param config: the text of the kernel's configuration; empty when it is not known.
    :param folders: by the first part of :attr:`CaseRecord.folder`, where it is; for a run by itself the folder is that
        of the run, under the name "".
    """

    name: str
    run: RunRecord
    config: str
    folders: Mapping[str, Path]

    def place(self, case: CaseRecord) -> Path | None:
        """The folder of a case's logs; None when there is none, or it would be outside of the run."""
        if not case.folder:
            return None
        base, inside = self.folders.get(""), case.folder
        if base is None:
            first, _, inside = case.folder.partition("/")
            base = self.folders.get(first)
        # A record from elsewhere must not make a report read other files of this machine.
        if base is None or inside.startswith("/") or ".." in inside.split("/"):
            return None
        return base / inside


def find_reported(words: Sequence[str], *, results: Path) -> tuple[Reported, ...]:
    """The runs that words name, beside each other; none is there twice.

    :raises UsageError: a word names no run, or one that is damaged or of a newer format.
    """
    found, names = _distinct(words, results)
    return tuple(Reported(name, one.run, one.config, {"": one.folder}) for name, one in zip(names, found, strict=True))


def find_merged(words: Sequence[str], *, results: Path, semantics: Semantics) -> tuple[Reported, ...]:
    """The same, joined into one.

    :raises UsageError: as :func:`find_reported`, or they are not of one kernel.
    """
    found, names = _distinct(words, results)
    if not found:
        raise UsageError("there is nothing to join", remedy="name the runs: harness report --merge RUN RUN")
    named = [NamedRun(name, one.run) for name, one in zip(names, found, strict=True)]
    joined = merge_runs(named, semantics=semantics)
    newest = max(found, key=lambda one: one.run.started)
    folders = {name: one.folder for name, one in zip(names, found, strict=True)}
    name = newest.name if len(found) == 1 else f"{newest.name}+{len(found) - 1}"
    return (Reported(name, joined, newest.config, folders),)


def _distinct(words: Sequence[str], results: Path) -> tuple[list[FoundRun], list[str]]:
    """Each run once, and a name for each: runs of two machines may have begun in the same second."""
    found = {one.folder.resolve(): one for word in words for one in find_runs_of(word, results=results)}
    names: list[str] = []
    for one in found.values():
        name, number = one.name, 1
        while name in names:
            number += 1
            name = f"{one.name}-{number}"
        names.append(name)
    return list(found.values()), names
