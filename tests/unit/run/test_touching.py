# SPDX-License-Identifier: GPL-2.0-only
"""Cases that an earlier run knows nothing of: they may reach any change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.results.find_run import FoundRun
from harness.run.touching import unknown_cases
from harness.suite.load import case_id, case_paths, default_suite
from tests.unit.report.sample import RUN

SUITE = default_suite()
FILES = [case_id(path, SUITE) for path in case_paths(SUITE)]
WHOLE = replace(
    RUN,
    complete=True,
    not_run=(),
    is_partial=False,
    cases=tuple(
        replace(RUN.cases[0], id=name if name.endswith(".session") else f"{name}::test_x[1]") for name in FILES
    ),
)


def test_a_whole_run_knows_all_cases() -> None:
    """Cases in Python are known by their files."""
    assert len(FILES) > 100
    assert unknown_cases(FoundRun(Path("base"), WHOLE), SUITE) == []


def test_a_new_case_is_unknown() -> None:
    """A case that was written after the run is named."""
    run = replace(WHOLE, cases=WHOLE.cases[1:])

    assert unknown_cases(FoundRun(Path("base"), run), SUITE) == [FILES[0]]


@pytest.mark.parametrize("change", [{"is_partial": True}, {"complete": False}, {"not_run": ("cgroupns/a.session",)}])
def test_a_run_of_some_cases_does_not_know_the_others(change: dict[str, object]) -> None:
    """Selected cases only, an interrupted run, and one that -x ended."""
    run = replace(WHOLE, **change)  # type: ignore[arg-type]  # fields by name

    assert unknown_cases(FoundRun(Path("base"), run), SUITE) == ["cases that base did not run"]
