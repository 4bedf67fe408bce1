# SPDX-License-Identifier: GPL-2.0-only
"""Test the variants of a series: each variant of a patch is compared with the same variant of the base.

The base and the last patch run first. The patches between run only if the variant shows at the ends what the plain
kernel does not show, and then only the cases that showed it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.base.errors import ExitStatus, HarnessError, SeriesError, Stage, UsageError
from harness.base.events import Note
from harness.kernellog.kinds import SplatKind
from harness.model.run_record import RunRecord
from harness.model.series_record import (
    NOT_JUDGED,
    Effect,
    EffectKind,
    Expectedness,
    VariantResult,
    called,
    failed_words,
)
from harness.pipeline import Options
from harness.report.display.events import RunReport
from harness.results.compare import has_verdict
from harness.run.one_kernel import RunSettings, is_without_variant, record_no_kernel
from harness.run.several_kernels import Ready, ready_kernels
from harness.series.applied import AppliedSeries
from harness.series.declared import Declarations
from harness.series.runner import PatchRunner

_FUNCTION = re.compile(r"[A-Za-z_]\w+")

Shown = frozenset[tuple[str, str, str]]
"""What the plain kernels show already: kind, name and value of each effect."""


@dataclass(slots=True)
class VariantWalk:
    """The test of one variant of a series, in progress.

    :param ground: the series on its base.
    :param options: the options of each kernel, with the variant.
    :param settings: the settings of each run.
    :param declared: the declared changes.
    :param report: receives progress.
    :param shown: what the plain kernels show already.
    :param plain_seconds: the time that the plain kernel needed to boot.
    :param results: the result on each patch, by number.
    """

    ground: AppliedSeries
    options: Options
    settings: RunSettings
    declared: Declarations
    report: RunReport
    shown: Shown
    plain_seconds: float
    results: dict[int, VariantResult] = field(default_factory=dict)
    _runner: PatchRunner = field(init=False)

    def __post_init__(self) -> None:
        """Begin without results."""
        self._runner = PatchRunner(
            self.ground, self.settings, self.declared, False, self.report, self.options.variant.name
        )

    @property
    def name(self) -> str:
        """Return the name of the variant."""
        return self.options.variant.name

    @property
    def runs(self) -> Mapping[int, RunRecord]:
        """Return the run of each booted kernel, by patch."""
        return self._runner.runs

    @property
    def status(self) -> ExitStatus:
        """Return the worst status so far, apart from cases that differ."""
        return self._runner.status

    def go(self) -> None:
        """Test the ends, and the patches between if the ends differ."""
        applied = self.ground.applied
        self._test([0])
        if not applied or self.results[0].failed or not self._goes_on:
            return
        self._test([applied])
        if self._goes_on and applied > 1 and self._differs(applied):
            self._runner.only = frozenset(case for one in self._effects(applied) for case in one.cases)
            self._test(range(1, applied))
        for number, run in self._runner.runs.items():
            if number and run.complete:
                self.results[number] = replace(self.results[number], effects=tuple(self._effects(number)))

    @property
    def _goes_on(self) -> bool:
        return self._runner.status is not ExitStatus.INTERRUPTED

    def _differs(self, number: int) -> bool:
        """Return whether a patch shows what the base and the plain kernels do not show."""
        result = self.results[number]
        if result.failed:
            return result.at_fault
        return any(one.standing is Expectedness.UNEXPECTED for one in self._effects(number))

    def _effects(self, number: int) -> list[Effect]:
        """Return the effects of a patch in this variant that the plain kernels do not show."""
        if number not in self._runner.runs:
            return []
        mails = [patch.mail for patch in self.ground.series.patches[:number]]
        return [
            replace(one, variant=self.name, standing=race_standing(one, mails))
            for one in self._runner.effects(number)
            if (one.of.value, one.name, one.after) not in self.shown
        ]

    def _test(self, numbers: Sequence[int]) -> None:
        each = [replace(self.options, kernel=self.ground.kernel(number), coverage=False) for number in numbers]
        names = [f"{self.ground.called(number)} ({self.name})" for number in numbers]
        with ready_kernels(each, self.settings, self.report, names=names, plain_seconds=self.plain_seconds) as ready:
            for number, one in zip(numbers, ready, strict=False):
                self.results[number] = self._take(number, one)
                if not self._goes_on:
                    break

    def _take(self, number: int, ready: Ready) -> VariantResult:
        """Test one kernel that is ready, or record why there is none."""
        if ready.prepared is None or ready.folder is None:
            assert ready.error is not None
            return self._refuse(number, ready.error, ready)
        began = time.monotonic()
        try:
            same_as = self._runner.test(number, ready.prepared, ready.folder)
        except HarnessError as error:
            return self._refuse(number, error, ready)
        run = self._runner.runs[number]
        judged = [case for case in run.cases if has_verdict(case)]
        return VariantResult(
            self.name,
            same_as=same_as,
            run=ready.folder.path.name if same_as < 0 else self.results[same_as].run,
            asked=len(judged),
            failing=sum(case.is_failure for case in judged),
            slowness=round(ready.prepared.slowness, 1),
            seconds=time.monotonic() - began,
        )

    def _refuse(self, number: int, error: HarnessError, ready: Ready) -> VariantResult:
        """Record a kernel that could not be prepared; the other variants go on."""
        name = f"{called(number)} ({self.name})"
        self.report(Note(f"{name}: {error.what}"))
        if is_without_variant(error, self.name):
            return VariantResult(self.name, failed=NOT_JUDGED, at_fault=False, what=_with_hint(error))
        if ready.folder is not None and not ready.folder.has_record:
            kernel, command = self.ground.kernel(number), self.settings.command
            record_no_kernel(kernel, error, folder=ready.folder, command=command, variant=self.name)
        # The base of the variant was built with the same arguments.
        at_fault = bool(number) and isinstance(error, SeriesError | UsageError)
        stage = error.stage or (Stage.CONFIGURE if isinstance(error, UsageError) else Stage.BOOT)
        effects = (_stage_effect(self.name, stage, error),) if at_fault else ()
        if not at_fault and not isinstance(error, SeriesError):
            self._runner.status = max(self._runner.status, error.exit_status)
        return VariantResult(
            self.name,
            failed=stage.value,
            at_fault=at_fault,
            what=error.what,
            evidence=error.evidence,
            log=str(error.log or ""),
            run=ready.folder.path.name if ready.folder else "",
            effects=effects,
        )


def _with_hint(error: HarnessError) -> str:
    return f"{error.what}; {error.remedy}" if error.remedy else error.what


def _stage_effect(variant: str, stage: Stage, error: HarnessError) -> Effect:
    """Return the effect of a patch whose variant fails a stage that the base passes."""
    text = error.what
    return Effect(
        EffectKind.STAGE, stage.value, "", failed_words(stage.value), Expectedness.UNEXPECTED, text, variant=variant
    )


def race_standing(effect: Effect, mails: Iterable[bytes]) -> Expectedness:
    """Return the standing of an effect in a variant: a data race elsewhere is no evidence against a series.

    KCSAN watches a sample of the accesses, so two runs of one kernel report different races of those that it has.

    :param effect: the effect.
    :param mails: the patches up to the one with the effect.
    """
    if effect.of is not EffectKind.SPLAT or effect.after != SplatKind.KCSAN:
        return effect.standing
    names = [name.encode() for name in _FUNCTION.findall(effect.text.rpartition(" in ")[2])]
    is_near = any(re.search(rb"\b" + name + rb"\b", mail) for mail in mails for name in names)
    return effect.standing if is_near else Expectedness.ALLOWED


def effects_shown(effects: Iterable[Effect]) -> Shown:
    """Return kind, name and value of effects."""
    return frozenset((one.of.value, one.name, one.after) for one in effects)


def results_of(number: int, applied: int, walks: Sequence[VariantWalk]) -> tuple[VariantResult, ...]:
    """Return the results of all variants on a patch.

    :param number: the number of the patch; 0 for the base.
    :param applied: the number of patches that apply.
    :param walks: the walk of each variant.
    """
    return tuple(one.results.get(number) or _untested(number, applied, one) for one in walks)


def _untested(number: int, applied: int, walk: VariantWalk) -> VariantResult:
    """Return the result of a patch that was not tested in a variant, with the reason."""
    base, last = walk.results.get(0), walk.results.get(applied)
    if base is None:
        what = "not tested yet"
    elif base.failed:
        what = base.what
    elif number > applied:
        what = f"patch {applied + 1} does not apply"
    elif last is not None and not last.failed and walk.status is not ExitStatus.INTERRUPTED:
        return VariantResult(walk.name, is_between=True)
    else:
        what = "the test was interrupted" if walk.status is ExitStatus.INTERRUPTED else "not tested yet"
    return VariantResult(walk.name, failed=NOT_JUDGED, at_fault=False, what=what)
