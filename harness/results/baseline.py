# SPDX-License-Identifier: GPL-2.0-only
"""Judge a run by comparison with an earlier one, its baseline."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.errors import HarnessError
from harness.model.run_record import BaselineRecord, CaseRecord, KernelRecord, RunRecord
from harness.results.compare import ChangeKind, Comparison, compare
from harness.results.find_run import FoundRun, complete_runs, find_run
from harness.results.folder import load_run
from harness.results.history import opened_history
from harness.results.kernel_line import kernel_line
from harness.session.noise import NOISE, Noise

LAST = "last"
"""The newest complete run of the same kernel line."""

_EXCUSED = {
    ChangeKind.SAME: "failed in the baseline as well",
    ChangeKind.OTHERWISE: "failed in the baseline as well, differently",
    ChangeKind.FLAKY: "did not fail in the baseline on the same image: a flake",
}


@dataclass(frozen=True, slots=True)
class Baseline:
    """The baseline that ``--baseline`` names.

    :param word: the argument as typed.
    :param results: the folder of run folders.
    :param found: the run; None for ``last``, which names a different run for each kernel.
    """

    word: str
    results: Path
    found: FoundRun | None

    def of(self, kernel: KernelRecord, suite: str = "") -> FoundRun | None:
        """Return the run to compare a run of that kernel with; None if its line has no complete run yet.

        :param kernel: the kernel of the new run.
        :param suite: the suite of the new run, as its record names it; ``last`` skips runs of another suite.
        """
        if self.found is not None:
            return self.found
        line = kernel_line(kernel)
        for folder in self._folders_of(line):
            with suppress(HarnessError):  # a run that cannot be read is not a baseline
                run = load_run(folder)
                if run.complete and kernel_line(run.kernel) == line and suite in ("", run.suite):
                    return FoundRun(folder, run)
        return None

    def _folders_of(self, line: str) -> Iterator[Path]:
        """List the run folders of a kernel line, newest first.

        The history knows them without reading every run record.
        """
        try:
            with opened_history(self.results, say=lambda text: None) as history:
                history.bring_up_to_date(self.results)
                runs = [one for one in history.runs() if one.line == line and one.is_complete]
        except HarnessError:
            # A damaged history must not stop the search for a baseline.
            yield from (one.folder for one in complete_runs(self.results))
        else:
            yield from (folder for one in reversed(runs) if (folder := self.results / one.folder).is_dir())


def find_baseline(word: str, *, results: Path) -> Baseline:
    """Find the baseline that an argument names: ``last``, or a run as ``harness diff`` names it.

    :param word: the argument of ``--baseline``.
    :param results: the folder of run folders.
    :raises UsageError: no such run exists.
    """
    return Baseline(word, results, None if word == LAST else find_run(word, results=results))


def judge_by(
    baseline: FoundRun, run: RunRecord, *, config: str, noise: Noise = NOISE, needed: Collection[str] = ()
) -> tuple[RunRecord, Comparison]:
    """Compare a run with its baseline; return the run with the excuses that follow, and the comparison.

    A case that failed in the baseline too is excused, and so is a flake; :attr:`RunRecord.baseline` records the rest.

    :param config: the text of the kernel's configuration; empty if unknown.
    :param noise: the output of the suite that differs from run to run.
    :param needed: options of the configuration that cases name.
    """
    comparison = compare(baseline.run, run, configs=(baseline.config, config), noise=noise, needed=needed)
    changes = {one.id: one.change for one in comparison.cases}
    cases = tuple(_excused(case, changes[case.id], baseline.name) for case in run.cases)
    ids = {change: tuple(one.id for one in comparison.cases if one.change is change) for change in ChangeKind}
    record = BaselineRecord(
        run=baseline.name,
        kernel=baseline.run.kernel.spec,
        release=baseline.run.kernel.release,
        image_digest=baseline.run.kernel.image_digest,
        regressed=comparison.regressions,
        failures=comparison.failures,
        **{str(change): ids[change] for change in _KEPT},
    )
    return replace(run, cases=cases, baseline=record), comparison


_KEPT: Sequence[ChangeKind] = (ChangeKind.FLAKY, ChangeKind.FIXED, ChangeKind.NEW, ChangeKind.GONE)


def _excused(case: CaseRecord, change: ChangeKind, name: str) -> CaseRecord:
    if not case.is_failure or change not in _EXCUSED:
        return case
    return replace(case, excused=f"{_EXCUSED[change]} ({name})")
