"""A run judged by comparison with an earlier one."""

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
    """A run whose cases came out like this."""
    cases = tuple(case(f"cases/{at}.session", outcome) for at, outcome in enumerate(outcomes))
    return replace(CALM, kernel=kernel, cases=cases)  # type: ignore[arg-type]


def judged(before: RunRecord, after: RunRecord) -> RunRecord:
    """The second run, judged by the first."""
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
def test_the_exit_status_goes_by_the_comparison(
    before: tuple[Outcome, ...], after: tuple[Outcome, ...], status: ExitStatus
) -> None:
    """What failed before fails nothing now; a failure that nothing excuses does, as does a new splat."""
    done = judged(run(*before), run(*after, kernel=OTHER))

    assert exit_status(done, interrupted=False, broken=False) is status


def test_a_flake_fails_nothing() -> None:
    """The same image, another outcome."""
    done = judged(run(Outcome.MATCH), run(Outcome.MISMATCH))

    assert exit_status(done, interrupted=False, broken=False) is ExitStatus.AS_EXPECTED
    assert done.baseline.flaky == ("cases/0.session",)
    assert "a flake" in done.cases[0].excused


def test_the_record_and_junit_say_what_it_was_compared_with() -> None:
    """A CI server sees red for regressions only, and which they are."""
    done = judged(run(Outcome.MATCH, Outcome.MISMATCH), run(Outcome.MISMATCH, Outcome.MISMATCH, kernel=OTHER))
    junit = render_junit([done])

    assert load_run_record(dump_run(done)) == done
    assert done.baseline.regressed == done.baseline.failures == ("cases/0.session",)
    assert 'failures="1"' in junit
    assert 'skipped="1"' in junit
    assert "failed in the baseline as well (before)" in junit
    assert '<property name="baseline.regressed" value="cases/0.session" />' in junit


def save(results: Path, number: int, record: RunRecord) -> None:
    """A run folder, later than the one before."""
    RunFolder.create(results, "k", STARTED + number).write(record)


def test_last_is_the_newest_complete_run_of_the_same_line(tmp_path: Path) -> None:
    """Not of another kernel, and not one that was killed."""
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


def test_a_damaged_history_hides_no_baseline(tmp_path: Path) -> None:
    """The runs themselves are read then; and a run that the history knows and somebody has removed is passed over."""
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


def test_a_run_that_there_is_not_is_told_at_once(tmp_path: Path) -> None:
    """Before anything is built; ``last`` may be the first run of its line."""
    with pytest.raises(UsageError, match="there is no such run"):
        find_baseline("2026-01-01T000000Z-deb", results=tmp_path)

    assert find_baseline(LAST, results=tmp_path).of(KERNEL) is None
