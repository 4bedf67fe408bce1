# SPDX-License-Identifier: GPL-2.0-only
"""Test a series patch by patch: the base and the last patch first, with all cases, then the patches between.

The next kernel is built while the cases of one run. The record is written after each patch, so that a kill does not
lose it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HarnessError, SeriesError, Stage, UsageError
from harness.base.events import Note, PhaseStarted
from harness.checks.frame.bench import Bench, read_patches
from harness.checks.frame.check import Check
from harness.checks.runner import run_checks
from harness.kernel.build.product import read_built
from harness.model.finding import CheckResult
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
from harness.model.variant import Variant
from harness.pipeline import Options, Prepared
from harness.report.display.events import RunReport
from harness.report.formats.coverage_html import render_patches
from harness.results.compare import has_verdict
from harness.results.find_run import KERNELS_NAME, FoundRun
from harness.results.folder import RunFolder
from harness.run.one_kernel import RunSettings, record_no_kernel
from harness.run.several_kernels import Ready, ready_kernels, remember_run
from harness.series.applied import AppliedSeries
from harness.series.coverage import SeriesLines, read_series_lines
from harness.series.declared import Declarations
from harness.series.effects import conclude
from harness.series.reach import find_reaches
from harness.series.runner import PatchRunner
from harness.series.variants import VariantWalk, effects_shown, results_of

_UNTITLED = "*** SUBJECT HERE ***"
"""The placeholder of git-format-patch(1) in a cover letter without a subject."""

LINES_NAME = "lines.html"
"""The page with each patch and what ran its lines, in the folder of the series."""
_LINES_SECONDS = 600.0
_CHECKS_SECONDS = 24 * 3600.0

Style = Mapping[int, tuple[StyleFinding, ...]]


@dataclass(frozen=True, slots=True)
class SeriesOutcome:
    """The outcome of testing a series.

    :param record: the record of the series.
    :param folder: the folder of its files.
    :param runs: the run of each booted kernel, by patch.
    :param status: the exit status, apart from the state of the record.
    :param error: why it could not be tested completely; None if it was.
    :param variant_runs: the run of each booted variant, by patch and name.
    """

    record: SeriesRecord
    folder: RunFolder
    runs: Mapping[int, RunRecord]
    status: ExitStatus
    error: HarnessError | None = None
    variant_runs: Mapping[tuple[int, str], RunRecord] = field(default_factory=dict)


@dataclass(slots=True)
class Walk:
    """A test of a series, in progress.

    :param ground: the series on its base.
    :param options: the options of each kernel.
    :param settings: the settings of each run.
    :param declared: the declared changes.
    :param style: the findings of checkpatch.pl by patch, or why there are none.
    :param is_full: whether all cases run on each patch.
    :param is_strict: whether findings fail the series.
    :param report: receives progress.
    :param checks: the checks to run after the kernels were built.
    :param variants: the variants to test after the plain kernels.
    """

    ground: AppliedSeries
    options: Options
    settings: RunSettings
    declared: Declarations
    style: Style | str
    is_full: bool
    is_strict: bool
    report: RunReport
    checks: tuple[Check, ...] = ()
    variants: tuple[Variant, ...] = ()
    folder: RunFolder = field(init=False)
    _started: float = field(default_factory=time.time)
    _clock: float = field(default_factory=time.monotonic)
    _patches: dict[int, PatchRecord] = field(default_factory=dict)
    _warned: dict[int, tuple[tuple[int, StyleFinding], ...]] = field(default_factory=dict)
    _runner: PatchRunner = field(init=False)
    _lines: SeriesLines | None = None
    _variant_walks: list[VariantWalk] = field(default_factory=list)
    _plain_seconds: float = 0.0
    _checked: Mapping[int, tuple[CheckResult, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin without results."""
        self._runner = PatchRunner(self.ground, self.settings, self.declared, self.is_full, self.report)

    def go(self) -> SeriesOutcome:
        """Build and boot the kernel of each patch and run cases on it.

        :raises HarnessError: the base cannot be tested, or no case can be run.
        """
        count = self.ground.applied + 1
        self.folder = RunFolder.joint(self.settings.results, count, self._started, name=_slug(self.ground))
        numbers = _order(self.ground.applied)
        each = [self._options_of(number) for number in numbers]
        error: HarnessError | None = None
        try:
            names = [self.ground.called(number) for number in numbers]
            with ready_kernels(each, self.settings, self.report, names=names) as ready:
                for number, one in zip(numbers, ready, strict=False):
                    self._take(number, one)
                    if number == self.ground.applied:
                        self._read_reaches()
                    self._write()
                    if self._runner.status is ExitStatus.INTERRUPTED:
                        break
        except HarnessError as found:
            if 0 not in self._runner.runs:
                self.folder.discard()
                raise
            error = found
        except KeyboardInterrupt:
            # The results so far are reported, and pending checks are not left pending.
            self._runner.status = ExitStatus.INTERRUPTED
        self._read_lines()
        self._test_variants()
        self._check()
        record = self._write()
        of_variants = {(number, one.name): run for one in self._variant_walks for number, run in one.runs.items()}
        return SeriesOutcome(record, self.folder, dict(self._runner.runs), self._runner.status, error, of_variants)

    def _test_variants(self) -> None:
        """Test the variants one after the other; an interrupt leaves the results so far."""
        if self._runner.status is ExitStatus.INTERRUPTED:
            return
        for variant in self.variants:
            options = replace(self.options, variant=variant)
            shown = effects_shown(one for number in self._runner.runs if number for one in self._runner.effects(number))
            one = VariantWalk(
                self.ground, options, self.settings, self.declared, self.report, shown, self._plain_seconds
            )
            self._variant_walks.append(one)
            try:
                one.go()
            except KeyboardInterrupt:
                self._runner.status = ExitStatus.INTERRUPTED
                return
            self._runner.status = max(self._runner.status, one.status)
            self._write()

    def _options_of(self, number: int) -> Options:
        """Return the options of a kernel: coverage is that of the last patch, on which all cases run.

        With patches between the ends, the base has coverage as well, to choose the cases of these patches.
        """
        is_end = number == self.ground.applied or (number == 0 and self.ground.applied > 1 and not self.is_full)
        covers = self.options.coverage if is_end else bool(self.options.coverage)
        return replace(self.options, kernel=self.ground.kernel(number), coverage=covers)

    def _read_reaches(self) -> None:
        """Find out which cases reach the patches between the ends, once both ends have run with coverage."""
        count = self.ground.applied
        numbers = (0, count)
        runs = [self._runner.runs.get(number) for number in numbers]
        if self.is_full or count < 2 or any(run is None or not run.coverage.template for run in runs):
            return
        context = Context(self.settings.store, Deadline.after(_LINES_SECONDS), self.report)
        first, last = (
            FoundRun(self.settings.results / self._patches[number].run, self._runner.runs[number]) for number in numbers
        )
        try:
            options = (self._options_of(0), self._options_of(count))
            reaches = find_reaches(context, (first, last), options)
        except HarnessError as error:
            self.report(Note(f"the cases between the ends are not chosen by coverage: {error.what}"))
            return
        self._runner.reaches = {number: reaches[number - 1] for number in range(1, count)}

    def _read_lines(self) -> None:
        """Find out which lines of the series were run, if the last patch was run with coverage."""
        last = self._patches.get(self.ground.applied)
        run = self._runner.runs.get(self.ground.applied)
        if last is None or run is None or not self.ground.applied or self._runner.status is ExitStatus.INTERRUPTED:
            return
        if run.coverage.problem:
            self.report(Note(f"which lines were run is not known: {run.coverage.problem}"))
        if not run.coverage.template or last.same_as >= 0:
            return
        self.report(PhaseStarted("reading which lines of the series were run"))
        context = Context(self.settings.store, Deadline.after(_LINES_SECONDS), self.report)
        found = FoundRun(self.settings.results / last.run, run)
        try:
            self._lines = read_series_lines(context, found, self._options_of(self.ground.applied))
        except HarnessError as error:
            # The results of the cases stand without it.
            self.report(Note(f"which lines were run is not known: {error.what}"))

    def _check(self) -> None:
        """Run the checks, which start from the objects of the kernels; an interrupt leaves the results of the cases."""
        if not self.checks or self._runner.status is ExitStatus.INTERRUPTED:
            return
        ground = self.ground
        context = Context(self.settings.store, Deadline.after(_CHECKS_SECONDS), self.report)
        try:
            commits = ground.commits[: ground.applied]
            patches = read_patches(context, ground.base, ground.series.patches, commits)
            with Bench(context, ground.base, patches, self.options.building) as bench:
                self._checked = run_checks(bench, self.checks)
        except KeyboardInterrupt:
            self._runner.status = ExitStatus.INTERRUPTED

    def _take(self, number: int, ready: Ready) -> None:
        """Test one kernel that is ready, or record why there is none."""
        if ready.prepared is None or ready.folder is None:
            assert ready.error is not None
            self._refuse(number, ready.error, ready.folder)
            return
        for note in ready.prepared.notes if number == 0 else ():
            self.report(Note(note))
        self._plain_seconds = self._plain_seconds or ready.prepared.guest_seconds
        self._check_base(number, ready.prepared)
        self._warned[number] = read_warnings(ready.prepared.request.image.parent)
        began = time.monotonic()
        same_as = self._runner.test(number, ready.prepared, ready.folder)
        run = self._runner.runs[number]
        if not run.complete:
            # Some of its cases were not run: what they would show must not count as changed or missing.
            del self._runner.runs[number]
            why = "the test was interrupted while its cases ran"
            found = _begun(self.ground, self.style, number)
            self._patches[number] = replace(found, failed=NOT_JUDGED, at_fault=False, what=why)
            return
        judged = [case for case in run.cases if has_verdict(case)]
        self._patches[number] = replace(
            _begun(self.ground, self.style, number),
            image_digest=ready.prepared.kernel.image_digest,
            same_as=same_as,
            run=ready.folder.path.name if same_as < 0 else self._patches[same_as].run,
            asked=len(judged),
            failing=sum(case.is_failure for case in judged),
            seconds=time.monotonic() - began,
        )
        if same_as < 0 and number in (0, self.ground.applied):
            # The history must not take patches in between as the newest builds of their line.
            remember_run(ready.folder, run, self.settings.results, self.report)

    def _refuse(self, number: int, error: HarnessError, folder: RunFolder | None) -> None:
        """Record a kernel that could not be prepared.

        :raises HarnessError: it is the base.
        """
        if number == 0:
            if folder is not None:
                folder.discard()
            error.what = f"the series cannot be tested, because its base cannot: {error.what}"
            raise error
        if folder is not None:
            record_no_kernel(self.ground.kernel(number), error, folder=folder, command=self.settings.command)
        # The base was configured with the same arguments, so this is not a usage error.
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
            self._runner.status = max(self._runner.status, error.exit_status)

    def _check_base(self, number: int, prepared: Prepared) -> None:
        """Check that a tree with uncommitted files has not changed while its kernels are built.

        :raises UsageError: it has changed.
        """
        found, expected = prepared.kernel.build.base, self.ground.base.commit
        if self.ground.may_move and found != expected:
            raise UsageError(
                f"the tree of --base changed during the test: {called(number)} is based on another commit",
                evidence=f"it was {expected[:12]}, now it is {found[:12]}",
                remedy="name a revision: --base TREE@REVISION",
            )

    def _write(self) -> SeriesRecord:
        """Write the record of the results so far, and return it."""
        patches = [
            self._patches.get(one.number, one) for one in begin_record(self.ground, self.style, command="").patches
        ]
        base = self._runner.known_before(1) if 0 in self._runner.runs else None
        for at, patch in enumerate(patches):
            if base is not None and patch.number in self._runner.runs and patch.number:
                patches[at] = replace(
                    patch,
                    effects=self._runner.effects(patch.number),
                    warnings=new_warnings(patch.number, self._warned),
                )
        patches = [replace(one, checks=self._checked.get(one.number, ())) for one in patches]
        patches = [self._with_variants(one) for one in patches]
        if (lines := self._lines) is not None:
            patches = [replace(one, lines=lines.patches.get(one.number)) for one in patches]
        record = replace(
            begin_record(self.ground, self.style, command=self.settings.command),
            patches=tuple(patches),
            lines=lines.whole if lines else None,
            started=self._started,
            seconds=time.monotonic() - self._clock,
            declared=self.declared.entries,
            is_full=self.is_full,
            is_strict=self.is_strict,
            options=self.settings.options,
            is_interrupted=self._runner.status is ExitStatus.INTERRUPTED,
        )
        settings = self.settings
        record = conclude(
            record,
            self._runner.runs,
            base=base,
            declared=self.declared,
            semantics=settings.semantics,
            noise=settings.suite.noise,
        )
        self.folder.write_file(SERIES_NAME, dump_series(record))
        if lines is not None:
            self.folder.write_file(LINES_NAME, _lines_page(record, lines))
        runs = dict.fromkeys(one.run for one in record.patches if one.run)
        runs |= dict.fromkeys(one.run for patch in record.patches for one in patch.variants if one.run)
        self.folder.write_file(KERNELS_NAME, json.dumps(list(runs)) + "\n")
        return record

    def _with_variants(self, patch: PatchRecord) -> PatchRecord:
        """Return the record of a patch with the results and effects of its variants."""
        results = results_of(patch.number, self.ground.applied, self._variant_walks)
        effects = tuple(effect for one in results for effect in one.effects)
        return replace(patch, variants=results, effects=(*patch.effects, *effects))


def _lines_page(record: SeriesRecord, lines: SeriesLines) -> str:
    """Return the page with each patch and what ran its lines."""
    patches = [
        (f"{called(one.number)}: {one.subject}", str(lines.patches[one.number]), lines.gutters[one.number])
        for one in record.patches
        if one.number in lines.gutters
    ]
    return render_patches(record.title, patches)


def begin_record(ground: AppliedSeries, style: Style | str, *, command: str) -> SeriesRecord:
    """Return the record of a series before any kernel: which patches apply, and the findings of checkpatch.pl.

    :param ground: the series on its base.
    :param style: the findings by patch, or why there are none.
    :param command: the command as typed.
    """
    title = ground.series.title
    if _UNTITLED in title:
        title = ground.series.patches[0].subject
    return SeriesRecord(
        title=title,
        version=ground.series.version,
        suffix=ground.series.suffix,
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


def _begun(ground: AppliedSeries, style: Style | str, number: int) -> PatchRecord:
    """Return the record of a patch before its kernel is built."""
    if number == 0:
        return PatchRecord(0, ground.described, ground.kernel(0))
    patch = ground.series.patches[number - 1]
    return PatchRecord(
        number,
        patch.subject,
        ground.kernel(number),
        patch.message_id,
        style=() if isinstance(style, str) else style.get(number, ()),
        style_note=style if isinstance(style, str) else "",
    )


def _not_judged(ground: AppliedSeries, style: Style | str, number: int) -> PatchRecord:
    """Return the record of a patch without a kernel: it does not apply, follows such a patch, or was not built yet."""
    begun = _begun(ground, style, number)
    conflict, first = ground.conflict, ground.applied + 1
    if conflict is not None and number == first:
        return replace(begun, failed=Stage.APPLY.value, applies=False, what=conflict.what, evidence=conflict.evidence)
    if number > first:
        why = f"patch {first} does not apply"
        return replace(begun, failed=NOT_JUDGED, at_fault=False, applies=False, what=why)
    return replace(begun, failed=NOT_JUDGED, at_fault=False, what="its kernel was not built yet")


def _order(applied: int) -> list[int]:
    """Return the order of the patches: the ends first, as they determine the cases for those in between."""
    return [0, applied, *range(1, applied)] if applied else [0]


def _slug(ground: AppliedSeries) -> str:
    name = ground.series_word.partition("?")[0].rstrip("/").rpartition("/")[2]
    return f"series-{name.removesuffix('.gz').removesuffix('.mbox')}"


Warned = tuple[tuple[int, StyleFinding], ...]
"""Each warning about a line that the series wrote, with the patch that wrote it."""


def read_warnings(folder: Path) -> Warned:
    """Read the warnings of a built kernel from its folder; none if it was not built."""
    built = read_built(folder)
    found = built.warnings if built else ()
    return tuple((one.patch, StyleFinding(Level.WARNING, one.file, one.line, one.text)) for one in found)


def new_warnings(number: int, warned: Mapping[int, Warned]) -> tuple[StyleFinding, ...]:
    """Return the new warnings of a patch: about its own lines, and about older lines without a warning before.

    For example, a patch may remove the last user of a function that an earlier patch added.

    :param number: the number of the patch.
    :param warned: the warnings of each kernel, by patch.
    """
    before = {(one.file, one.text) for earlier in warned if earlier < number for _, one in warned[earlier]}
    return tuple(one for patch, one in warned.get(number, ()) if patch == number or (one.file, one.text) not in before)
