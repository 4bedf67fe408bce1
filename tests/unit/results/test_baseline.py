# SPDX-License-Identifier: GPL-2.0-only
"""Judge a run by comparison with an earlier one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.errors import ExitStatus, UsageError
from harness.model.run_record import RunRecord, dump_run
from harness.model.verdict import Outcome
from harness.report.formats.junit import render_junit
from harness.results.baseline import LAST, find_baseline, judge_by
from harness.results.find_run import FoundRun
from harness.results.folder import RunFolder, load_run
from harness.results.history import HISTORY_NAME
from harness.results.records import load_run_record
from harness.run.one_kernel import exit_status
from tests.unit.report.sample import KERNEL, RUN, STARTED, case

OTHER = replace(KERNEL, image_digest="77" * 32)
CALM = replace(RUN, traits=(), problems=())


def run(*outcomes: Outcome, kernel: object = KERNEL) -> RunRecord:
    """Return a run whose cases have these outcomes."""
    cases = tuple(case(f"cases/{at}.session", outcome) for at, outcome in enumerate(outcomes))
    return replace(CALM, kernel=kernel, cases=cases)  # type: ignore[arg-type]


def judged(before: RunRecord, after: RunRecord) -> RunRecord:
    """Return the second run, judged by the first."""
    done, _ = judge_by(FoundRun(Path("results/before"), before), after, config="")
    return done


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        ((Outcome.MATCH,), (Outcome.MISMATCH,), ExitStatus.DIFFERS),
        ((Outcome.MISMATCH,), (Outcome.MISMATCH,), ExitStatus.AS_EXPECTED),
        ((Outcome.MISMATCH,), (Outcome.LOST,), ExitStatus.AS_EXPECTED),
        ((Outcome.MATCH,), (Outcome.MATCH, Outcome.MISMATCH), ExitStatus.DIFFERS),
        ((Outcome.SKIPPED,), (Outcome.MISMATCH,), ExitStatus.DIFFERS),
        ((Outcome.MATCH, Outcome.MATCH), (Outcome.MATCH,), ExitStatus.AS_EXPECTED),
        ((Outcome.MISMATCH,), (Outcome.ERROR,), ExitStatus.HOST),
        ((Outcome.MISMATCH,), (Outcome.KERNEL,), ExitStatus.DIFFERS),
    ],
    ids=["regressed", "failed-before", "otherwise", "new", "not-asked-before", "gone", "error", "new-splat"],
)
def test_exit_status_follows_the_comparison(
    before: tuple[Outcome, ...], after: tuple[Outcome, ...], status: ExitStatus
) -> None:
    """A failure of the baseline does not fail the run; an unexcused failure and a new splat do."""
    done = judged(run(*before), run(*after, kernel=OTHER))

    assert exit_status(done, interrupted=False, broken=False) is status


def test_flake_does_not_fail_the_run() -> None:
    """The outcome differs on the same image."""
    done = judged(run(Outcome.MATCH), run(Outcome.MISMATCH))

    assert exit_status(done, interrupted=False, broken=False) is ExitStatus.AS_EXPECTED
    assert done.baseline.flaky == ("cases/0.session",)
    assert "a flake" in done.cases[0].excused


def test_record_and_junit_name_the_baseline() -> None:
    """A CI server shows only regressions as failures, by name."""
    done = judged(run(Outcome.MATCH, Outcome.MISMATCH), run(Outcome.MISMATCH, Outcome.MISMATCH, kernel=OTHER))
    junit = render_junit([done])

    assert load_run_record(dump_run(done)) == done
    assert done.baseline.regressed == done.baseline.failures == ("cases/0.session",)
    assert 'failures="1"' in junit
    assert 'skipped="1"' in junit
    assert "failed in the baseline as well (before)" in junit
    assert '<property name="baseline.regressed" value="cases/0.session" />' in junit


def save(results: Path, number: int, record: RunRecord) -> None:
    """Write a run folder, later than the one before."""
    RunFolder.create(results, "k", STARTED + number).write(record)


def test_last_is_newest_complete_run_of_the_line(tmp_path: Path) -> None:
    """Runs of other kernels and killed runs do not count."""
    save(tmp_path, 1, run(Outcome.MATCH))
    save(tmp_path, 2, run(Outcome.MISMATCH, kernel=replace(OTHER, release="6.1.0-99")))
    save(tmp_path, 3, run(Outcome.MATCH, kernel=replace(KERNEL, spec="series:x", release="6.1.0")))
    save(tmp_path, 4, replace(run(Outcome.LOST), complete=False))
    save(tmp_path, 5, run(Outcome.MATCH, kernel=replace(KERNEL, release="6.12.1")))
    baseline = find_baseline(LAST, results=tmp_path)
    found = baseline.of(KERNEL)

    assert found is not None
    assert found.run == load_run(found.folder) == run(Outcome.MISMATCH, kernel=replace(OTHER, release="6.1.0-99"))
    assert baseline.of(replace(KERNEL, release="5.10.3")) is None


def test_damaged_history_hides_no_baseline(tmp_path: Path) -> None:
    """The run records are read instead; a run that is in the history but was removed is skipped."""
    save(tmp_path, 1, run(Outcome.MATCH))
    save(tmp_path, 2, run(Outcome.LOST))
    baseline = find_baseline(LAST, results=tmp_path)
    newest = baseline.of(KERNEL)
    assert newest is not None
    shutil.rmtree(newest.folder)
    before = baseline.of(KERNEL)
    (tmp_path / HISTORY_NAME).write_bytes(b"no database" * 99)

    assert newest.run == run(Outcome.LOST)
    assert before is not None
    assert before.run == run(Outcome.MATCH)
    assert baseline.of(KERNEL) == before


def test_unknown_baseline_is_reported_at_once(tmp_path: Path) -> None:
    """The error comes before anything is built; ``last`` may be the first run of its line."""
    with pytest.raises(UsageError, match="no such run"):
        find_baseline("2026-01-01T000000Z-deb", results=tmp_path)

    assert find_baseline(LAST, results=tmp_path).of(KERNEL) is None
