"""A series judged patch by patch: the base and the last patch first, with all cases, then what lies between them.

While the cases of one kernel run, the next is built. What is known is written after each patch, so that whoever is
killed leaves it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from harness import places
from harness.compare import is_asked
from harness.errors import ExitStatus, HarnessError, SeriesError, Stage, UsageError
from harness.judge import CONTRADICTION
from harness.kernel.checkpatch import NO_SCRIPT
from harness.kernels import Asked, Ready, ready_kernels, remember_run
from harness.pipeline import Options, Prepared
from harness.report.find_run import KERNELS_NAME
from harness.report.folder import RunFolder
from harness.report.record import CaseRecord, RunRecord
from harness.report.terminal import RunDisplay
from harness.report.text import one_line
from harness.run import record_no_kernel, run_cases
from harness.series.declared import Declarations
from harness.series.effects import Known, find_effects
from harness.series.ground import Ground
from harness.series.outcome import conclude
from harness.series.plan import needed_cases, widened_cases
from harness.series.quiet import QuietDisplay
from harness.series.record import (
    NO_KERNEL_YET,
    NOT_JUDGED,
    SERIES_NAME,
    Complaint,
    Effect,
    PatchRecord,
    SeriesRecord,
    called,
    dumps,
)
from harness.series.warned import new_warnings, read_warnings
from harness.verdict import Outcome

Style = Mapping[int, tuple[Complaint, ...]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A series that was judged.

    :param folder: where its own files are. :param runs: the record of each kernel that was booted, by patch.
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

    :param options: of each kernel. :param declared: what the series means to change.
    :param style: what checkpatch.pl says of each patch; None when the base has no such script.
    :param is_full: ask each patch all cases. :param is_strict: complaints fail the series.
    """

    ground: Ground
    options: Options
    asked: Asked
    declared: Declarations
    style: Style | None
    is_full: bool
    is_strict: bool
    display: RunDisplay
    folder: RunFolder = field(init=False)
    _started: float = field(default_factory=time.time)
    _clock: float = field(default_factory=time.monotonic)
    _runs: dict[int, RunRecord] = field(default_factory=dict)
    _patches: dict[int, PatchRecord] = field(default_factory=dict)
    _warned: dict[int, tuple[tuple[int, Complaint], ...]] = field(default_factory=dict)
    _status: ExitStatus = ExitStatus.AS_EXPECTED
    _needed: frozenset[str] = frozenset()
    _effects_by: dict[tuple[int, ...], tuple[Effect, ...]] = field(default_factory=dict)

    def go(self) -> Judged:
        """Build, boot and ask the kernel of each patch.

        :raises HarnessError: the base cannot be judged, or no case can be asked.
        """
        count = self.ground.applied + 1
        self.folder = RunFolder.joint(self.asked.results, count, self._started, name=_slug(self.ground))
        numbers = _order(self.ground.applied)
        each = [replace(self.options, kernel=self.ground.kernel(number)) for number in numbers]
        error: HarnessError | None = None
        try:
            names = [called_in_full(number, self.ground) for number in numbers]
            with ready_kernels(each, self.asked, self.display, names=names) as ready:
                for number, one in zip(numbers, ready, strict=False):
                    self._take(number, one)
                    self._write()
                    if self._status is ExitStatus.INTERRUPTED:
                        break
        except HarnessError as found:
            if 0 not in self._runs:
                self.folder.discard()
                raise
            error = found
        except KeyboardInterrupt:
            # What is known is told, and whoever was promised a check is not left waiting for it.
            self._status = ExitStatus.INTERRUPTED
        record = self._write()
        return Judged(record, self.folder, dict(self._runs), self._status, error)

    def _take(self, number: int, ready: Ready) -> None:
        """One kernel that is ready, or why there is none."""
        self._patches[number] = _begun(self.ground, self.style, number)
        if ready.prepared is None or ready.folder is None:
            assert ready.error is not None
            self._refuse(number, ready.error, ready.folder)
            return
        for note in ready.prepared.notes if number == 0 else ():
            self.display.note(note)
        self._check_base(number, ready.prepared)
        self._warned[number] = read_warnings(ready.prepared.request.image.parent)
        began = time.monotonic()
        run, same_as = self._ask(number, ready.prepared, ready.folder)
        self._runs[number] = run
        asked = [case for case in run.cases if is_asked(case)]
        self._patches[number] = replace(
            self._patches[number],
            image_digest=ready.prepared.kernel.image_digest,
            same_as=same_as,
            run=ready.folder.path.name if same_as < 0 else self._patches[same_as].run,
            asked=len(asked),
            failing=sum(case.is_failure for case in asked),
            seconds=time.monotonic() - began,
        )
        if same_as < 0 and number in (0, self.ground.applied):
            # Those in between are no builds that anybody keeps: they would be told as the newest of their line.
            remember_run(ready.folder, run, self.asked.results, self.display)

    def _ask(self, number: int, prepared: Prepared, folder: RunFolder) -> tuple[RunRecord, int]:
        """The record of a kernel's cases, and the patch with the same image that it was taken over from, or -1."""
        is_end = number in (0, self.ground.applied)
        digest = prepared.kernel.image_digest
        same = [one for one, run in self._runs.items() if run.kernel.image_digest == digest]
        if not is_end and not self._needed:
            self._needed = needed_cases(self._cases(0), self._cases(self.ground.applied), declared=self.declared.traits)
        # Of an image that is known, the results that are there serve; an end has all of them or takes none.
        known = {case.id: case for one in same for case in self._runs[one].cases}
        wanted = None if is_end or self.is_full else self._needed
        if same:
            missing = (wanted or frozenset()) - known.keys()
            if not missing:
                folder.discard()
                return replace(self._runs[same[0]], kernel=prepared.kernel, cases=tuple(known.values())), same[0]
            wanted = missing
        run = self._run(prepared, folder, called_in_full(number, self.ground), wanted)
        run = replace(run, cases=(*known.values(), *(case for case in run.cases if case.id not in known)))
        if not is_end and not self.is_full and self._status is not ExitStatus.INTERRUPTED:
            run = self._widen(number, prepared, folder, run)
        return run, -1

    def _widen(self, number: int, prepared: Prepared, folder: RunFolder, run: RunRecord) -> RunRecord:
        """The record with the cases that show what the patch turned out to change."""
        before = self._known_before(number)
        effects = find_effects(before, number, run, base=self._known_before(1), declared=self.declared)
        wanted = widened_cases(effects, self._cases(0), self._cases(self.ground.applied))
        self._needed |= wanted
        if not (missing := wanted - {case.id for case in run.cases}):
            return run
        more = RunFolder.create(self.asked.results, f"{folder.path.name.partition('Z-')[2]}-more", time.time())
        name = f"{called_in_full(number, self.ground)}, more"
        added = self._run(prepared, more, name, missing)
        cases = [
            replace(case, folder=f"../{more.path.name}/{case.folder}" if case.folder else "") for case in added.cases
        ]
        return replace(run, cases=(*run.cases, *cases), seconds=run.seconds + added.seconds)

    def _run(self, prepared: Prepared, folder: RunFolder, name: str, ids: Iterable[str] | None) -> RunRecord:
        """Ask cases; all that were selected when ``ids`` is None."""
        selection = self.asked.selection
        if ids is not None:
            selection = replace(selection, paths=_files_of(ids))
        record, status = run_cases(
            prepared,
            selection,
            semantics=self.asked.semantics,
            judging=self.asked.judging,
            folder=folder,
            display=QuietDisplay(self.display, name),
            command=self.asked.command,
        )
        for problem in record.problems:
            self.display.note(f"{name}: {one_line(problem)}")
        # A case that differs, or two that show different values, are judged by what was before; all else is as it is.
        is_broken = any(CONTRADICTION not in problem for problem in record.problems) or any(
            case.outcome is Outcome.ERROR for case in record.cases
        )
        if is_broken or status not in (ExitStatus.AS_EXPECTED, ExitStatus.DIFFERS, ExitStatus.CASE_BROKEN):
            self._status = max(self._status, status)
        return record

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
            self._patches[number],
            failed=stage.value,
            at_fault=at_fault,
            what=error.what,
            evidence=error.evidence,
            run=folder.path.name if folder else "",
        )
        self.display.note(f"{called(number)}: {error.what}")
        if not at_fault:
            self._status = max(self._status, error.exit_status)

    def _check_base(self, number: int, prepared: Prepared) -> None:
        """A tree of files as they are may be changed while kernels of it are built.

        :raises UsageError: it was.
        """
        build = prepared.kernel.build
        expected = self.ground.base.commit
        found = build.base if number else build.commit
        if found and expected not in (found, build.base):
            raise UsageError(
                f"the tree of --base moved while the series was judged: {called(number)} stands on another commit",
                evidence=f"it was {expected[:12]}, and is {found[:12]}",
                remedy="name a revision, --base TREE@REVISION, and run it again",
            )

    def _cases(self, number: int) -> Mapping[str, CaseRecord]:
        return {case.id: case for case in self._runs[number].cases} if number in self._runs else {}

    def _known_before(self, number: int) -> Known:
        """What is known of the kernel before a patch."""
        base = self._runs[0]
        known = Known(0, base, {case.id: case for case in base.cases}, {case.id: 0 for case in base.cases})
        for one in sorted(self._runs):
            if 0 < one < number:
                known = known.followed_by(one, self._runs[one])
        return known

    def _write(self) -> SeriesRecord:
        """The record of what is known by now; it is on disk then."""
        patches = [
            self._patches.get(one.number, one) for one in begin_record(self.ground, self.style, command="").patches
        ]
        base = self._known_before(1) if 0 in self._runs else None
        for at, patch in enumerate(patches):
            if base is not None and patch.number in self._runs and patch.number:
                patches[at] = replace(
                    patch,
                    effects=self._effects(patch.number, base),
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
        record = conclude(record, self._runs, base=base, declared=self.declared, semantics=self.asked.semantics)
        self.folder.write_file(SERIES_NAME, dumps(record))
        runs = dict.fromkeys(one.run for one in record.patches if one.run)
        self.folder.write_file(KERNELS_NAME, json.dumps(list(runs)) + "\n")
        return record

    def _effects(self, number: int, base: Known) -> tuple[Effect, ...]:
        """What a patch changed, by what is known now."""
        judged = tuple(one for one in sorted(self._runs) if one <= number)
        if judged not in self._effects_by:
            before, run = self._known_before(number), self._runs[number]
            self._effects_by[judged] = find_effects(before, number, run, base=base, declared=self.declared)
        return self._effects_by[judged]


def begin_record(ground: Ground, style: Style | None, *, command: str) -> SeriesRecord:
    """What can be said of a series before any kernel: what applies, and what checkpatch.pl says.

    :param style: None when the base has no such script. :param command: the words that the user typed.
    """
    return SeriesRecord(
        title=ground.series.title,
        version=ground.series.version,
        origin=ground.series_word,
        base_word=ground.base_word,
        base=ground.base.source.described,
        base_commit=ground.base.commit,
        patches=tuple(_not_judged(ground, style, number) for number in range(len(ground.series.patches) + 1)),
        message_id=ground.series.message_id,
        command=command,
        started=time.time(),
        notes=ground.notes,
        harness_version=version("kernel-patch-harness"),
    )


def _begun(ground: Ground, style: Style | None, number: int) -> PatchRecord:
    """What is known of a patch before its kernel."""
    if number == 0:
        return PatchRecord(0, ground.base.source.described, ground.kernel(0))
    patch = ground.series.patches[number - 1]
    return PatchRecord(
        number,
        patch.subject,
        ground.kernel(number),
        patch.message_id,
        style=style.get(number, ()) if style is not None else (),
        style_note="" if style is not None else NO_SCRIPT,
    )


def _not_judged(ground: Ground, style: Style | None, number: int) -> PatchRecord:
    """A patch without a kernel: it does not apply, stands on one that does not, or its turn has not come."""
    begun = _begun(ground, style, number)
    conflict, first = ground.conflict, ground.applied + 1
    if conflict is not None and number == first:
        return replace(begun, failed=Stage.APPLY.value, what=conflict.what, evidence=conflict.evidence)
    if number > first:
        return replace(begun, failed=NOT_JUDGED, at_fault=False, what=f"patch {first} does not apply")
    return replace(begun, failed=NOT_JUDGED, at_fault=False, what=NO_KERNEL_YET)


def called_in_full(number: int, ground: Ground) -> str:
    """``patch 3/8``, or ``the base``."""
    return f"patch {number}/{len(ground.series.patches)}" if number else "the base"


def _order(applied: int) -> list[int]:
    """The ends first: they decide what is asked of those in between."""
    return [0, applied, *range(1, applied)] if applied else [0]


def _files_of(ids: Iterable[str]) -> tuple[Path, ...]:
    """The files that hold those cases."""
    names = sorted({case.partition("::")[0] for case in ids})
    places_of = (places.ROOT, Path.cwd(), Path("/"))
    return tuple(next((top / name for top in places_of if (top / name).exists()), places.ROOT / name) for name in names)


def _slug(ground: Ground) -> str:
    name = ground.series_word.partition("?")[0].rstrip("/").rpartition("/")[2]
    return f"series-{name.removesuffix('.gz').removesuffix('.mbox')}"
