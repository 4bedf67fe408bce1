"""From the words that name a series to its record: find base and patches, ask checkpatch.pl, walk over the patches."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HarnessError, UsageError
from harness.base.events import Note, PhaseStarted
from harness.base.store import digest_of
from harness.kernel.patches.checkpatch import check_style
from harness.model.kernel_spec import parse_patches
from harness.model.series_record import SERIES_NAME, SeriesRecord
from harness.pipeline import PREPARE_SECONDS, Options
from harness.report.display.events import RunReport
from harness.results.case_ids import current_case_id
from harness.results.records import load_series
from harness.run.one_kernel import RunSettings
from harness.series.applied import AppliedSeries, find_ground
from harness.series.declared import FILE_NAME, NOTHING, Declarations, joined, parse_declarations
from harness.series.walk import SeriesOutcome, Style, Walk, begin_record

_JUDGED = "series-judged"


@dataclass(frozen=True, slots=True)
class SeriesWords:
    """What was asked for.

    :param series: a mailbox, a folder of patches or a range, as typed.
    :param base: a KERNEL word without a series.
    :param expected: what the command line declares.
    :param options: of each kernel; its ``kernel`` is not used.
    :param is_full: ask each patch all cases.
    :param is_strict: complaints fail the series.
    """

    series: str
    base: str
    options: Options
    asked: RunSettings
    expected: Declarations = NOTHING
    is_full: bool = False
    is_strict: bool = False


@dataclass(frozen=True, slots=True)
class PreparedSeries:
    """A series that was found and read, and of which no kernel was built yet."""

    words: SeriesWords
    ground: AppliedSeries
    declared: Declarations
    style: Style | None

    def walk(self, report: RunReport) -> SeriesOutcome:
        """Build, boot and ask the kernel of each patch.

        :raises HarnessError: the base cannot be judged, or no case can be asked.
        """
        words = self.words
        return Walk(
            self.ground,
            words.options,
            words.asked,
            self.declared,
            self.style,
            words.is_full,
            words.is_strict,
            report,
        ).go()

    def record(self) -> SeriesRecord:
        """What can be said without any kernel: what applies, and what checkpatch.pl says."""
        return begin_record(self.ground, self.style, command=self.words.asked.command)

    @property
    def key(self) -> str:
        """A digest of all that decides what the series comes to, but for chance: base, patches, cases, options."""
        selection = self.words.asked.selection
        files = sorted({file for path in selection.paths or (self.words.asked.suite.folder,) for file in _files(path)})
        return digest_of(
            self.ground.base.commit,
            self.ground.series.digest,
            repr((selection, self.words.options, self.words.is_full, self.words.is_strict)),
            json.dumps([asdict(one) for one in self.declared.entries]),
            *files,
        )


def read_brief(words: SeriesWords, report: RunReport) -> PreparedSeries:
    """Find the base, read the series and what it declares, and ask checkpatch.pl.

    :raises UsageError, SeriesError, HostError: see :func:`find_ground`, :func:`check_style`.
    """
    ground = find_ground(Context(words.asked.store, Deadline.after(PREPARE_SECONDS), report), words.base, words.series)
    if ground.conflict is not None:
        report(Note(ground.conflict.what))
    declared = joined(_declared_beside(words, ground), words.expected)
    _check_numbers(declared, ground)
    report(PhaseStarted("scripts/checkpatch.pl"))
    style = check_style(
        Context(words.asked.store, Deadline.after(PREPARE_SECONDS)),
        ground.base,
        ground.series.patches,
        trusted=words.options.build.is_trusted,
    )
    return PreparedSeries(words, ground, declared, style)


def judge_once(brief: PreparedSeries, report: RunReport) -> SeriesRecord:
    """The record of a series that may have been judged before: same base, patches, cases and options.

    Who comes while another one judges it waits for that.

    :raises HarnessError: as :meth:`PreparedSeries.walk`; also the error that ended the walk.
    """
    asked, key = brief.words.asked, brief.key
    with asked.store.lock(_JUDGED, key):
        kept = (asked.store.recall(_JUDGED, key) or {}).get("folder")
        with contextlib.suppress(OSError, HarnessError):
            file = Path(str(kept)) / SERIES_NAME
            return load_series(file.read_text(encoding="utf-8"), source=str(file))
        judged = brief.walk(report)
        if judged.error is not None:
            raise judged.error
        if judged.status in (ExitStatus.AS_EXPECTED, ExitStatus.DIFFERS):
            asked.store.remember(_JUDGED, key, {"folder": str(judged.folder.path.absolute())})
        return judged.record


def _declared_beside(words: SeriesWords, ground: AppliedSeries) -> Declarations:
    """What the ``harness.toml`` beside the series declares; nothing when there is none.

    :raises UsageError: it cannot be read.
    :raises SeriesError: it is broken.
    """
    place = Path(parse_patches(words.series).place)
    if not place.exists():  # a range
        return NOTHING
    file = (place if place.is_dir() else place.parent) / FILE_NAME
    if not file.exists():
        return NOTHING
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", evidence=str(error), remedy="mend it, or take it away") from None
    subjects = [patch.subject for patch in ground.series.patches]
    found = parse_declarations(text, path=str(file), subjects=subjects, semantics=words.asked.semantics)
    # What has no value is a case.
    entries = [one if one.value else replace(one, name=current_case_id(one.name)) for one in found.entries]
    return replace(found, entries=tuple(entries))


def _check_numbers(declared: Declarations, ground: AppliedSeries) -> None:
    """

    :raises UsageError: a patch that there is not is said to change something.
    """
    count = len(ground.series.patches)
    for one in declared.entries:
        if one.patch > count:
            raise UsageError(
                f"--expect {one.patch}:{one.name}={one.value}: there is no patch {one.patch}",
                remedy=f"the series has {count}",
            )


def _files(path: Path) -> list[Path]:
    """The case files at a place, and what says how they are judged."""
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.suffix in _SUFFIXES]


_SUFFIXES = (".session", ".py", ".toml", ".c", ".config")
