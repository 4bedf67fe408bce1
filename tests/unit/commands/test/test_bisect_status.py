# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the exit status of ``harness run --bisect-status``, which git-bisect(1) reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.errors import ExitStatus
from harness.commands.test.judging_options import bisect_status
from harness.model.run_record import CaseRecord, RunRecord
from harness.model.verdict import Outcome
from tests.command_line import call
from tests.unit.report.sample import RUN

NO_KERNEL = replace(RUN, cases=(CaseRecord("kernel/boots", "kernel", "boots", Outcome.KERNEL),))
ALL_SKIPPED = replace(RUN, cases=tuple(replace(case, outcome=Outcome.SKIPPED) for case in RUN.cases))


@pytest.mark.parametrize(
    ("status", "records", "expected"),
    [
        (ExitStatus.AS_EXPECTED, [RUN], 0),
        (ExitStatus.DIFFERS, [RUN], 1),
        (ExitStatus.DIFFERS, [NO_KERNEL], 125),
        (ExitStatus.DIFFERS, [], 125),
        (ExitStatus.AS_EXPECTED, [ALL_SKIPPED], 125),
        (ExitStatus.HOST, [RUN], 128),
        (ExitStatus.CASE_BROKEN, [RUN], 128),
        (ExitStatus.USAGE, [], 128),
        (ExitStatus.INTERRUPTED, [RUN], 130),
    ],
)
def test_bisect_status_maps_results_for_git(status: ExitStatus, records: list[RunRecord], expected: int) -> None:
    """A result is good, bad, to be skipped, or the end of the bisection; a host error is never a bad commit."""
    assert bisect_status(status, records) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ("--no-such-option",),
        ("--cases", "/nonexistent"),
        ("deb:_",),
        ("/nonexistent",),
        ("deb", "deb"),
        ("--profile", "nonsense"),
    ],
)
def test_usage_error_stops_the_bisection(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """git reads the statuses 1 to 127 as a bad commit, so a usage error has another one."""
    result = call("run", "--bisect-status", "--results", tmp_path, *arguments)

    assert result.status is ExitStatus.STOP
    assert call("run", "--results", tmp_path, "--no-such-option").status is ExitStatus.USAGE
