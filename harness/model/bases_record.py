# SPDX-License-Identifier: GPL-2.0-only
"""Define the record of a series on several bases. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.model.series_record import PatchRecord, PatchState, SeriesRecord


class BaseCell(StrEnum):
    """The result of a patch on a base, in one word; the first that holds."""

    NO_APPLY = "no apply"
    NO_CONFIG = "no config"
    NO_BUILD = "no build"
    NO_BOOT = "no boot"
    DIFFERS = "differs"
    FINDINGS = "findings"
    MERGED = "merged"
    """It applies by a three-way merge only."""
    OK = "ok"
    UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A commit, or a patch of the series, that a patch needs and a base does not have.

    :param patch: the number of the patch that needs it.
    :param file: the file with the lines.
    :param line: one of the lines that the patch expects.
    :param commit: the commit that brought it; empty for a patch of the series, or when it is not known.
    :param subject: of the commit or patch; empty when it is not known.
    """

    patch: int
    file: str
    line: str
    commit: str = ""
    subject: str = ""

    def __str__(self) -> str:
        """Return one sentence without a full stop."""
        if self.commit:
            return f'patch {self.patch} needs commit {self.commit[:12]} ("{self.subject}")'
        if self.subject:
            return f'patch {self.patch} needs the earlier patch "{self.subject}"'
        return f"patch {self.patch} expects a line of {self.file} whose commit is not known: {self.line.strip()}"


@dataclass(frozen=True, slots=True)
class BaseResult:
    """A series on one base.

    :param word: the base, as typed.
    :param record: the record of the series; None when it could not be tested.
    :param problem: why it could not be tested.
    :param merged: the numbers of the patches that apply by a three-way merge only.
    :param dependencies: what the base does not have.
    """

    word: str
    record: SeriesRecord | None = None
    problem: str = ""
    merged: tuple[int, ...] = ()
    dependencies: tuple[Dependency, ...] = ()

    @property
    def is_good(self) -> bool:
        """Return whether all patches apply, build and boot, and nothing undeclared differs."""
        record = self.record
        return record is not None and record.state in (PatchState.SUCCESS, PatchState.WARNING)

    def cell(self, patch: PatchRecord) -> BaseCell:
        """Return the result of a patch."""
        failed = {
            "apply": BaseCell.NO_APPLY,
            "configure": BaseCell.NO_CONFIG,
            "build": BaseCell.NO_BUILD,
            "boot": BaseCell.NO_BOOT,
        }
        if patch.failed:
            return failed.get(patch.failed, BaseCell.UNKNOWN) if patch.at_fault else BaseCell.UNKNOWN
        if patch.unexpected:
            return BaseCell.DIFFERS
        if patch.state is PatchState.WARNING:
            return BaseCell.FINDINGS
        return BaseCell.MERGED if patch.number in self.merged else BaseCell.OK
