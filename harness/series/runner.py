# SPDX-License-Identifier: GPL-2.0-only
"""Run cases on the kernels of a series: choose the cases, reuse results of equal images, rerun new failures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from harness.base.errors import ExitStatus
from harness.base.events import Note
from harness.model.run_record import NO_COVERAGE, CaseRecord, RunRecord
from harness.model.series_record import Effect, Expectedness
from harness.model.verdict import Outcome
from harness.pipeline import Prepared
from harness.report.display.events import RunReport
from harness.report.display.filters import Quiet
from harness.report.text import one_line
from harness.results.folder import RunFolder
from harness.run.one_kernel import Lister, RunSettings, run_cases, with_inventory
from harness.run.rounds import join
from harness.run.selection import files_of
from harness.series.applied import AppliedSeries
from harness.series.declared import Declarations
from harness.series.effects import KnownResults, find_effects
from harness.series.plan import needed_cases, widened_cases
from harness.series.reach import ReachOfPatch

_MOST_DOUBTED = 20
"""If more cases than these begin to fail with a patch, they are not rerun: that is not a flake."""


@dataclass(slots=True)
class PatchRunner:
    """Runs cases on the kernels of a series and keeps their results.

    :param ground: the series on its base.
    :param settings: the settings of each run.
    :param declared: the declared changes.
    :param is_full: whether all cases run on each patch.
    :param report: receives progress.
    :param variant: the name of the variant; empty for the plain kernels.
    """

    ground: AppliedSeries
    settings: RunSettings
    declared: Declarations
    is_full: bool
    report: RunReport
    variant: str = ""
    runs: dict[int, RunRecord] = field(default_factory=dict)
    """The run of each kernel, by patch."""
    reaches: Mapping[int, ReachOfPatch] = field(default_factory=dict)
    """The cases that reach each patch between the ends; empty when that is not known."""
    only: frozenset[str] = frozenset()
    """The cases to run between the ends; empty to choose them by their results at the ends."""
    status: ExitStatus = ExitStatus.AS_EXPECTED
    """The worst status so far, apart from cases that differ."""
    _needed: frozenset[str] = frozenset()
    _effects: dict[tuple[int, ...], tuple[Effect, ...]] = field(default_factory=dict)

    def test(self, number: int, prepared: Prepared, folder: RunFolder) -> int:
        """Run the needed cases on a kernel; the results are in :attr:`runs` then.

        :param number: the number of the patch; 0 for the base.
        :param prepared: its kernel.
        :param folder: its run folder; removed if no case has to run.
        :return: the patch with the same image whose results were reused; -1 if cases ran.
        :raises UsageError: no case was selected.
        :raises CaseError: no case can be read.
        :raises HostError: the results cannot be written.
        """
        is_end = number in (0, self.ground.applied)
        digest = prepared.kernel.image_digest
        same = [one for one, run in self.runs.items() if run.kernel.image_digest == digest]
        if not is_end and self.only:
            self._needed = self.only
        elif not is_end and not self._needed:
            self._needed = needed_cases(
                self._cases(0),
                self._cases(self.ground.applied),
                declared=self.declared.traits,
                noise=self.settings.suite.noise,
            )
        # Results of an equal image are reused; an end reuses all of them or none.
        known = {case.id: case for one in same for case in self.runs[one].cases}
        # If no case shows a trait, there is no basis for a choice.
        wanted = None if is_end or self.is_full or not self._needed else self._reached(number)
        if same:
            missing = (wanted or frozenset()) - known.keys()
            if not missing:
                folder.discard()
                first = self.runs[same[0]]
                self.runs[number] = replace(first, kernel=prepared.kernel, cases=tuple(known.values()))
                return same[0]
            wanted = missing
        if wanted is not None and not wanted:
            self.runs[number] = self._nothing(number, prepared, folder)
            return -1
        run = self._run(prepared, folder, self._called(number), wanted, lister=self.settings.lister)
        run = replace(run, cases=(*known.values(), *(case for case in run.cases if case.id not in known)))
        if number and self.status is not ExitStatus.INTERRUPTED:
            run = self._confirm(number, prepared, folder, run)
            run = run if wanted is None else self._widen(number, prepared, folder, run)
        self.runs[number] = run
        return -1

    def _called(self, number: int) -> str:
        """Return the name of a patch, with the variant."""
        return f"{self.ground.called(number)} ({self.variant})" if self.variant else self.ground.called(number)

    def _reached(self, number: int) -> frozenset[str]:
        """Return the needed cases that reach a patch; in doubt, all that are needed."""
        reach = self.reaches.get(number)
        if reach is None:
            return self._needed
        name = self._called(number)
        if reach.doubt:
            self.report(Note(f"{name}: any case may reach it, because of {one_line(reach.doubt)}"))
            return self._needed
        wanted = self._needed & reach.cases
        self.report(Note(f"{name}: {len(wanted)} of {len(self._needed)} cases reach what it changes"))
        return wanted

    def _nothing(self, number: int, prepared: Prepared, folder: RunFolder) -> RunRecord:
        """Return the record of a kernel whose patch no case reaches."""
        record = replace(self.runs[0], kernel=prepared.kernel, started=time.time(), seconds=0.0, cases=(), traits=())
        record = replace(record, coverage=NO_COVERAGE, is_partial=True, inventory=())
        folder.write(record)
        if (lister := self.settings.lister) is not None and not self.variant:
            report = Quiet(self.report, self._called(number))
            record = with_inventory(record, prepared, lister, folder=folder, report=report)
            self._count_problems(record, self._called(number))
        return record

    def _confirm(self, number: int, prepared: Prepared, folder: RunFolder, run: RunRecord) -> RunRecord:
        """Rerun the cases that began to fail, and return the record: another outcome on the same image is a flake."""
        before = self.known_before(number)
        effects = find_effects(
            before, number, run, base=self.known_before(1), declared=self.declared, noise=self.settings.suite.noise
        )
        doubted = {case for one in effects if one.standing is Expectedness.UNEXPECTED for case in one.cases}
        began = {case.id for case in run.cases if case.id in doubted and case.is_failure} - {
            case.id for case in before.cases.values() if case.is_failure
        }
        if not began or len(began) > _MOST_DOUBTED:
            return run
        again = RunFolder.create(self.settings.results, f"{_slug_of(folder)}-again", time.time())
        second = self._run(prepared, again, f"{self._called(number)}, rerun", began)
        results = {case.id: case for case in second.cases if case.id in began}
        cases = tuple(join(case, results[case.id]) if case.id in results else case for case in run.cases)
        if not any(case.is_flaky for case in cases):
            again.discard()
        return replace(run, cases=cases)

    def _widen(self, number: int, prepared: Prepared, folder: RunFolder, run: RunRecord) -> RunRecord:
        """Run the cases that show the traits that the patch changed, and return the record with them."""
        before = self.known_before(number)
        effects = find_effects(
            before, number, run, base=self.known_before(1), declared=self.declared, noise=self.settings.suite.noise
        )
        wanted = widened_cases(effects, self._cases(0), self._cases(self.ground.applied))
        self._needed |= wanted
        if not (missing := wanted - {case.id for case in run.cases}):
            return run
        more = RunFolder.create(self.settings.results, f"{_slug_of(folder)}-more", time.time())
        name = f"{self._called(number)}, more"
        added = self._run(prepared, more, name, missing)
        cases = [
            replace(case, folder=f"../{more.path.name}/{case.folder}" if case.folder else "") for case in added.cases
        ]
        return replace(run, cases=(*run.cases, *cases), seconds=run.seconds + added.seconds)

    def _run(
        self,
        prepared: Prepared,
        folder: RunFolder,
        name: str,
        ids: Iterable[str] | None,
        lister: Lister | None = None,
    ) -> RunRecord:
        """Run cases; all selected ones if ``ids`` is None."""
        selection = self.settings.selection
        if ids is not None:
            selection = replace(selection, paths=files_of(ids, self.settings.suite))
        settings = replace(self.settings, selection=selection, lister=lister)
        record, status = run_cases(prepared, settings, folder=folder, report=Quiet(self.report, name))
        self._count_problems(record, name)
        # Cases that differ are compared with the results before; a problem of the run counts.
        is_broken = bool(record.problems) or any(case.outcome is Outcome.ERROR for case in record.cases)
        if is_broken or status not in (ExitStatus.AS_EXPECTED, ExitStatus.DIFFERS):
            self.status = max(self.status, status)
        return record

    def _count_problems(self, record: RunRecord, name: str) -> None:
        for problem in record.problems:
            self.report(Note(f"{name}: {one_line(problem.text)}"))
            self.status = max(self.status, ExitStatus.CASE_BROKEN)

    def _cases(self, number: int) -> Mapping[str, CaseRecord]:
        return {case.id: case for case in self.runs[number].cases} if number in self.runs else {}

    def known_before(self, number: int) -> KnownResults:
        """Return the known results before a patch."""
        base = self.runs[0]
        known = KnownResults(0, base, {case.id: case for case in base.cases}, {case.id: 0 for case in base.cases})
        for one in sorted(self.runs):
            if 0 < one < number:
                known = known.followed_by(one, self.runs[one])
        return known

    def _find(self, before: KnownResults, number: int, run: RunRecord, base: KnownResults) -> tuple[Effect, ...]:
        noise = self.settings.suite.noise
        return find_effects(before, number, run, base=base, declared=self.declared, noise=noise)

    def effects(self, number: int) -> tuple[Effect, ...]:
        """Return the effects of a patch, from the results so far."""
        base = self.known_before(1)
        judged = tuple(one for one in sorted(self.runs) if one <= number)
        if judged not in self._effects:
            before, run = self.known_before(number), self.runs[number]
            self._effects[judged] = find_effects(
                before, number, run, base=base, declared=self.declared, noise=self.settings.suite.noise
            )
        return self._effects[judged]


def _slug_of(folder: RunFolder) -> str:
    """Return the name of a run folder without its time."""
    return folder.path.name.partition("Z-")[2]
