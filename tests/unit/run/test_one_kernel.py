# SPDX-License-Identifier: GPL-2.0-only
"""A run's exit status, and the record of a kernel that could not be prepared."""

from __future__ import annotations

from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness.base.errors import ExitStatus, HarnessError, HostError, SeriesError
from harness.model.run_record import CaseRecord, KernelRecord, Problem, ProblemKind, RunRecord
from harness.model.verdict import Outcome
from harness.results.folder import RunFolder, load_run
from harness.run.one_kernel import exit_status, record_no_kernel

KERNEL = KernelRecord("deb", "package", "6.1.0", "x86_64", "abc", "def", "beside the image")


def run_of(*outcomes: Outcome, problems: tuple[Problem, ...] = ()) -> RunRecord:
    """A run whose cases came out like this."""
    cases = tuple(CaseRecord(f"c{number}", "c", str(number), outcome) for number, outcome in enumerate(outcomes))
    return RunRecord(KERNEL, 0.0, complete=True, suite="cgroupns", cases=cases, problems=problems)


@pytest.mark.parametrize(
    ("run", "status"),
    [
        (run_of(Outcome.MATCH, Outcome.SKIPPED), ExitStatus.AS_EXPECTED),
        (run_of(Outcome.MATCH, Outcome.MISMATCH), ExitStatus.DIFFERS),
        (run_of(Outcome.TIMEOUT), ExitStatus.DIFFERS),
        (run_of(Outcome.KERNEL), ExitStatus.DIFFERS),
        (run_of(Outcome.LOST), ExitStatus.DIFFERS),
        (run_of(Outcome.MISMATCH, Outcome.ERROR), ExitStatus.HOST),
        (
            run_of(Outcome.MATCH, problems=(Problem(ProblemKind.UNKNOWN_VALUE, "a: no trait b"),)),
            ExitStatus.CASE_BROKEN,
        ),
    ],
)
def test_exit_status_says_who_must_act(run: RunRecord, status: ExitStatus) -> None:
    """A kernel's fault, a broken case and the host's fault have numbers of their own."""
    assert exit_status(run, interrupted=False, broken=False) is status


def test_interrupted_and_broken_come_first() -> None:
    """An interrupted run is no verdict on anything; a file that nobody could read is not overlooked."""
    run = run_of(Outcome.MATCH)

    assert exit_status(run, interrupted=True, broken=True) is ExitStatus.INTERRUPTED
    assert exit_status(run, interrupted=False, broken=True) is ExitStatus.CASE_BROKEN


@pytest.mark.parametrize(
    ("error", "failures", "errors"), [(SeriesError("does not boot"), 1, 0), (HostError("no QEMU"), 0, 1)]
)
def test_a_kernel_that_does_not_boot_is_a_failure(
    tmp_path: Path, error: HarnessError, failures: int, errors: int
) -> None:
    """A run without a case leaves a record and a junit.xml; only the host's own fault is an error in it."""
    folder = RunFolder.create(tmp_path, "k", 0.0)
    record_no_kernel("bzImage", error, folder=folder, command="harness run bzImage")

    suite = next(iter(JUnitXml.fromfile(str(folder.path / "junit.xml"))))
    assert (suite.tests, suite.failures, suite.errors) == (1, failures, errors)
    assert load_run(tmp_path / "latest").cases[0].reason == error.what
