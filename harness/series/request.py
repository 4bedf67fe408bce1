# SPDX-License-Identifier: GPL-2.0-only
"""Test a series from its arguments: find base and patches, run checkpatch.pl, test the patches."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.errors import ExitStatus, HarnessError, UsageError
from harness.base.events import Note, PhaseStarted
from harness.base.process import patient_deadline
from harness.base.store import digest_of
from harness.checks.frame.check import Check
from harness.kernel.patches.checkpatch import check_style
from harness.model.series_record import SERIES_NAME, SeriesRecord
from harness.model.variant import Variant
from harness.pipeline import PREPARE_SECONDS, Options
from harness.report.display.events import RunReport
from harness.results.records import load_series
from harness.run.one_kernel import RunSettings
from harness.series.applied import AppliedSeries, find_ground
from harness.series.declaration_files import read_declarations
from harness.series.declared import NOTHING, Declarations, joined
from harness.series.walk import SeriesOutcome, Style, Walk, begin_record

_JUDGED = "series-judged"


@dataclass(frozen=True, slots=True)
class SeriesWords:
    """The arguments of a series.

    :param series: a mailbox, a folder of patches or a range, as typed.
    :param base: a KERNEL argument without a series.
    :param options: the options of each kernel; their ``kernel`` is not used.
    :param settings: the settings of each run.
    :param expected: the declarations of the command line.
    :param is_full: whether all cases run on each patch.
    :param is_strict: whether findings fail the series.
    :param checks: the checks of each patch.
    :param variants: the variants of each kernel to test as well.
    """

    series: str
    base: str
    options: Options
    settings: RunSettings
    expected: Declarations = NOTHING
    is_full: bool = False
    is_strict: bool = False
    checks: tuple[Check, ...] = ()
    variants: tuple[Variant, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedSeries:
    """A series that was found and read, before any kernel is built.

    :param words: the arguments.
    :param ground: the series on its base.
    :param declared: the declared changes.
    :param style: the findings of checkpatch.pl by patch, or why there are none.
    """

    words: SeriesWords
    ground: AppliedSeries
    declared: Declarations
    style: Style | str

    def walk(self, report: RunReport) -> SeriesOutcome:
        """Build and boot the kernel of each patch and run cases on it.

        :raises HarnessError: the base cannot be tested, or no case can be run.
        """
        words = self.words
        return Walk(
            self.ground,
            words.options,
            words.settings,
            self.declared,
            self.style,
            words.is_full,
            words.is_strict,
            report,
            words.checks,
            words.variants,
        ).go()

    def record(self) -> SeriesRecord:
        """Return the record before any kernel: which patches apply, and the findings of checkpatch.pl."""
        return begin_record(self.ground, self.style, command=self.words.settings.command)

    @property
    def key(self) -> str:
        """Return the digest of everything that determines the result except chance: base, patches, cases, options."""
        selection = self.words.settings.selection
        files = sorted(
            {file for path in selection.paths or (self.words.settings.suite.folder,) for file in _files(path)}
        )
        return digest_of(
            self.ground.base.commit,
            self.ground.series.digest,
            repr((selection, self.words.options, self.words.is_full, self.words.is_strict)),
            *(one.name for one in self.words.checks),
            *map(repr, self.words.variants),
            json.dumps([asdict(one) for one in self.declared.entries]),
            *files,
        )


def read_brief(words: SeriesWords, report: RunReport) -> PreparedSeries:
    """Find the base, read the series and its declarations, and run checkpatch.pl.

    :param words: the arguments.
    :param report: receives progress.
    :raises UsageError: see :func:`find_ground`, :func:`check_style`.
    :raises SeriesError: see :func:`find_ground`, :func:`check_style`.
    :raises HostError: see :func:`find_ground`, :func:`check_style`.
    """
    ground = find_ground(
        Context(words.settings.store, patient_deadline(PREPARE_SECONDS), report),
        words.base,
        words.series,
    )
    if ground.conflict is not None:
        report(Note(ground.conflict.what))
    subjects = [patch.subject for patch in ground.series.patches]
    declared = joined(read_declarations(words.series, subjects, words.settings.semantics), words.expected)
    _check_numbers(declared, ground)
    report(PhaseStarted("scripts/checkpatch.pl"))
    style = check_style(
        Context(words.settings.store, patient_deadline(PREPARE_SECONDS)),
        ground.base,
        ground.series.patches,
        trusted=words.options.build.is_trusted,
    )
    return PreparedSeries(words, ground, declared, style)


def judge_once(brief: PreparedSeries, report: RunReport) -> SeriesRecord:
    """Test a series unless it was tested before with the same base, patches, cases and options; return its record.

    If another process is testing it, this one waits.

    :raises HarnessError: as :meth:`PreparedSeries.walk`; also the error that ended the walk.
    """
    settings, key = brief.words.settings, brief.key
    with settings.store.lock(_JUDGED, key):
        kept = (settings.store.recall(_JUDGED, key) or {}).get("folder")
        with contextlib.suppress(OSError, HarnessError):
            file = Path(str(kept)) / SERIES_NAME
            return load_series(file.read_text(encoding="utf-8"), source=str(file))
        judged = brief.walk(report)
        if judged.error is not None:
            raise judged.error
        if judged.status in (ExitStatus.AS_EXPECTED, ExitStatus.DIFFERS):
            settings.store.remember(_JUDGED, key, {"folder": str(judged.folder.path.absolute())})
        return judged.record


def _check_numbers(declared: Declarations, ground: AppliedSeries) -> None:
    """Check that the series has each patch that a declaration names.

    :raises UsageError: a declaration names an unknown patch.
    """
    count = len(ground.series.patches)
    for one in declared.entries:
        if one.patch > count:
            raise UsageError(
                f"--expect {one.patch}:{one.name}={one.value}: the series has no patch {one.patch}",
                remedy=f"give a number from 1 to {count}",
            )


def _files(path: Path) -> list[Path]:
    """Return the case files at a path, and the files that determine how they run and are judged."""
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.suffix in _SUFFIXES]


_SUFFIXES = (".session", ".py", ".toml", ".c", ".config")
