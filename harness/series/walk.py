"""A series judged patch by patch: the base and the last patch first, with all cases, then what lies between them.

While the cases of one kernel run, the next is built. What is known is written after each patch, so that whoever is
killed leaves it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from harness.base.errors import ExitStatus, HarnessError, SeriesError, Stage, UsageError
from harness.base.events import Note
from harness.kernel.build.product import read_built
from harness.kernel.patches.checkpatch import NO_SCRIPT
from harness.model.run_record import RunRecord
from harness.model.series_record import (
    NOT_JUDGED,
    SERIES_NAME,
    Level,
    PatchRecord,
    SeriesRecord,
    StyleFinding,
    called,
    dump_series,
)
from harness.pipeline import Options, Prepared
from harness.report.display.events import RunReport
from harness.results.compare import has_verdict
from harness.results.find_run import KERNELS_NAME
from harness.results.folder import RunFolder
from harness.run.one_kernel import RunSettings, record_no_kernel
from harness.run.several_kernels import Ready, ready_kernels, remember_run
from harness.series.applied import AppliedSeries
from harness.series.declared import Declarations
from harness.series.effects import conclude
from harness.series.runner import PatchRunner

_UNTITLED = "*** SUBJECT HERE ***"
"""What git-format-patch(1) gives a cover letter that nobody wrote."""

Style = Mapping[int, tuple[StyleFinding, ...]]


@dataclass(frozen=True, slots=True)
class SeriesOutcome:
    """A series that was judged.

    :param folder: where its own files are.
    :param runs: the record of each kernel that was booted, by patch.
    :param error: why it could not be judged to its end; None when it was.
    """

    record: SeriesRecord
    folder: RunFolder
    runs: Mapping[int, RunRecord]
    status: ExitStatus
    error: HarnessError | None = None


@dataclass(slots=True)
class Walk:
    """One walk over a series.

    :param options: of each kernel.
    :param declared: what the series means to change.
    :param style: what checkpatch.pl says of each patch; None when the base has no such script.
    :param is_full: ask each patch all cases.
    :param is_strict: complaints fail the series.
    """

    ground: AppliedSeries
    options: Options
    asked: RunSettings
    declared: Declarations
    style: Style | None
    is_full: bool
    is_strict: bool
    report: RunReport
    folder: RunFolder = field(init=False)
    _started: float = field(default_factory=time.time)
    _clock: float = field(default_factory=time.monotonic)
    _patches: dict[int, PatchRecord] = field(default_factory=dict)
    _warned: dict[int, tuple[tuple[int, StyleFinding], ...]] = field(default_factory=dict)
    _asking: PatchRunner = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing asked."""
        self._asking = PatchRunner(self.ground, self.asked, self.declared, self.is_full, self.report)

    def go(self) -> SeriesOutcome:
        """Build, boot and ask the kernel of each patch.

        :raises HarnessError: the base cannot be judged, or no case can be asked.
        """
        count = self.ground.applied + 1
        self.folder = RunFolder.joint(self.asked.results, count, self._started, name=_slug(self.ground))
        numbers = _order(self.ground.applied)
        each = [replace(self.options, kernel=self.ground.kernel(number)) for number in numbers]
        error: HarnessError | None = None
        try:
            names = [self.ground.called(number) for number in numbers]
            with ready_kernels(each, self.asked, self.report, names=names) as ready:
                for number, one in zip(numbers, ready, strict=False):
                    self._take(number, one)
                    self._write()
                    if self._asking.status is ExitStatus.INTERRUPTED:
                        break
        except HarnessError as found:
            if 0 not in self._asking.runs:
                self.folder.discard()
                raise
            error = found
        except KeyboardInterrupt:
            # What is known is told, and whoever was promised a check is not left waiting for it.
            self._asking.status = ExitStatus.INTERRUPTED
        record = self._write()
        return SeriesOutcome(record, self.folder, dict(self._asking.runs), self._asking.status, error)

    def _take(self, number: int, ready: Ready) -> None:
        """One kernel that is ready, or why there is none."""
        if ready.prepared is None or ready.folder is None:
            assert ready.error is not None
            self._refuse(number, ready.error, ready.folder)
            return
        for note in ready.prepared.notes if number == 0 else ():
            self.report(Note(note))
        self._check_base(number, ready.prepared)
        self._warned[number] = read_warnings(ready.prepared.request.image.parent)
        began = time.monotonic()
        same_as = self._asking.ask(number, ready.prepared, ready.folder)
        run = self._asking.runs[number]
        asked = [case for case in run.cases if has_verdict(case)]
        self._patches[number] = replace(
            _begun(self.ground, self.style, number),
            image_digest=ready.prepared.kernel.image_digest,
            same_as=same_as,
            run=ready.folder.path.name if same_as < 0 else self._patches[same_as].run,
            asked=len(asked),
            failing=sum(case.is_failure for case in asked),
            seconds=time.monotonic() - began,
        )
        if same_as < 0 and number in (0, self.ground.applied):
            # Those in between are no builds that anybody keeps: they would be told as the newest of their line.
            remember_run(ready.folder, run, self.asked.results, self.report)

    def _refuse(self, number: int, error: HarnessError, folder: RunFolder | None) -> None:
        """A kernel that there is not."""
        if number == 0:
            if folder is not None:
                folder.discard()
            error.what = f"nothing can be said of the series, as of the base: {error.what}"
            raise error
        if folder is not None:
            record_no_kernel(self.ground.kernel(number), error, folder=folder, command=self.asked.command)
        # The base was configured with the same words, so they are no slip of the fingers.
        at_fault = isinstance(error, SeriesError | UsageError)
        stage = error.stage or (Stage.CONFIGURE if isinstance(error, UsageError) else Stage.BOOT)
        self._patches[number] = replace(
            _begun(self.ground, self.style, number),
            failed=stage.value,
            at_fault=at_fault,
            what=error.what,
            evidence=error.evidence,
            log=str(error.log or ""),
            run=folder.path.name if folder else "",
        )
        self.report(Note(f"{called(number)}: {error.what}"))
        if not at_fault:
            self._asking.status = max(self._asking.status, error.exit_status)

    def _check_base(self, number: int, prepared: Prepared) -> None:
        """A tree of files as they are may be changed while kernels of it are built.

        :raises UsageError: it was.
        """
        found, expected = prepared.kernel.build.base, self.ground.base.commit
        if self.ground.may_move and found != expected:
            raise UsageError(
                f"the tree of --base moved while the series was judged: {called(number)} stands on another commit",
                evidence=f"it was {expected[:12]}, and is {found[:12]}",
                remedy="name a revision, --base TREE@REVISION, and run it again",
            )

    def _write(self) -> SeriesRecord:
        """The record of what is known by now; it is on disk then."""
        patches = [
            self._patches.get(one.number, one) for one in begin_record(self.ground, self.style, command="").patches
        ]
        base = self._asking.known_before(1) if 0 in self._asking.runs else None
        for at, patch in enumerate(patches):
            if base is not None and patch.number in self._asking.runs and patch.number:
                patches[at] = replace(
                    patch,
                    effects=self._asking.effects(patch.number),
                    warnings=new_warnings(patch.number, self._warned),
                )
        record = replace(
            begin_record(self.ground, self.style, command=self.asked.command),
            patches=tuple(patches),
            started=self._started,
            seconds=time.monotonic() - self._clock,
            declared=self.declared.entries,
            is_full=self.is_full,
            is_strict=self.is_strict,
        )
        asked = self.asked
        record = conclude(
            record,
            self._asking.runs,
            base=base,
            declared=self.declared,
            semantics=asked.semantics,
            noise=asked.suite.noise,
        )
        self.folder.write_file(SERIES_NAME, dump_series(record))
        runs = dict.fromkeys(one.run for one in record.patches if one.run)
        self.folder.write_file(KERNELS_NAME, json.dumps(list(runs)) + "\n")
        return record


def begin_record(ground: AppliedSeries, style: Style | None, *, command: str) -> SeriesRecord:
    """What can be said of a series before any kernel: what applies, and what checkpatch.pl says.

    :param style: None when the base has no such script.
    :param command: the words that the user typed.
    """
    title = ground.series.title
    if _UNTITLED in title:
        title = ground.series.patches[0].subject
    return SeriesRecord(
        title=title,
        version=ground.series.version,
        origin=ground.series_word,
        base_word=ground.base_word,
        base=ground.described,
        base_commit=ground.base.commit,
        patches=tuple(_not_judged(ground, style, number) for number in range(len(ground.series.patches) + 1)),
        message_id=ground.series.message_id,
        command=command,
        started=time.time(),
        notes=ground.notes,
        harness_version=version("kernel-patch-harness"),
        base_origin=ground.base.source.origin,
        base_series=ground.below,
    )


def _begun(ground: AppliedSeries, style: Style | None, number: int) -> PatchRecord:
    """What is known of a patch before its kernel."""
    if number == 0:
        return PatchRecord(0, ground.described, ground.kernel(0))
    patch = ground.series.patches[number - 1]
    return PatchRecord(
        number,
        patch.subject,
        ground.kernel(number),
        patch.message_id,
        style=style.get(number, ()) if style is not None else (),
        style_note="" if style is not None else NO_SCRIPT,
    )


def _not_judged(ground: AppliedSeries, style: Style | None, number: int) -> PatchRecord:
    """A patch without a kernel: it does not apply, stands on one that does not, or its turn has not come."""
    begun = _begun(ground, style, number)
    conflict, first = ground.conflict, ground.applied + 1
    if conflict is not None and number == first:
        return replace(begun, failed=Stage.APPLY.value, applies=False, what=conflict.what, evidence=conflict.evidence)
    if number > first:
        why = f"patch {first} does not apply"
        return replace(begun, failed=NOT_JUDGED, at_fault=False, applies=False, what=why)
    return replace(begun, failed=NOT_JUDGED, at_fault=False, what="no kernel was built of it yet")


def _order(applied: int) -> list[int]:
    """The ends first: they decide what is asked of those in between."""
    return [0, applied, *range(1, applied)] if applied else [0]


def _slug(ground: AppliedSeries) -> str:
    name = ground.series_word.partition("?")[0].rstrip("/").rpartition("/")[2]
    return f"series-{name.removesuffix('.gz').removesuffix('.mbox')}"


Warned = tuple[tuple[int, StyleFinding], ...]
"""Each warning about a line that the series wrote, with the patch that wrote it."""


def read_warnings(folder: Path) -> Warned:
    """The warnings of a kernel that was built, from its folder; none of one that was not built."""
    built = read_built(folder)
    found = built.warnings if built else ()
    return tuple((one.patch, StyleFinding(Level.WARNING, one.file, one.line, one.text)) for one in found)


def new_warnings(number: int, warned: Mapping[int, Warned]) -> tuple[StyleFinding, ...]:
    """The warnings that a patch brings: about lines that it wrote, and about older ones where nobody was warned before.

    A patch may take away the last user of a function that another one added.

    :param warned: what is known of each kernel, by patch.
    """
    before = {(one.file, one.text) for earlier in warned if earlier < number for _, one in warned[earlier]}
    return tuple(one for patch, one in warned.get(number, ()) if patch == number or (one.file, one.text) not in before)
