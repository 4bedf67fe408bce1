# SPDX-License-Identifier: GPL-2.0-only
"""Check which problems of a run end a bisection: by their kind, whatever the text."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.errors import CaseError, ExitStatus
from harness.base.store import Store
from harness.bisect import runner as runner_module
from harness.bisect.runner import CommitRunner
from harness.model.run_record import Problem, ProblemKind, RunRecord
from harness.model.verdict import Outcome
from harness.pipeline import Options
from harness.report.display.plain import PlainDisplay
from harness.run.selection import Selection
from harness.suite.load import default_suite, suite_semantics
from tests.unit.report.sample import CASES, RUN


def observe_all(folder: Path, monkeypatch: pytest.MonkeyPatch, problem: Problem) -> RunRecord | None:
    """Run all cases on a prepared kernel, in a run with a problem."""
    cases = tuple(case for case in CASES if case.outcome is not Outcome.ERROR)
    record = replace(RUN, problems=(problem,), cases=cases)
    monkeypatch.setattr(runner_module, "run_cases", lambda *_, **__: (record, ExitStatus.CASE_BROKEN))
    monkeypatch.setattr(CommitRunner, "image_of", lambda *_, **__: "image")
    show = PlainDisplay(io.StringIO()).show
    runner = CommitRunner(
        Options(), Selection(), suite_semantics(default_suite()), Store(folder), folder, show, "harness bisect"
    )
    monkeypatch.setattr(runner, "_prepared", {"word": None})
    return runner.observe_all("word", name="good end")[1]


def test_broken_case_file_ends_a_bisection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mixed trait is no problem of a run, so any problem ends the bisection; its text does not matter."""
    with pytest.raises(CaseError, match="a case file is broken"):
        observe_all(tmp_path, monkeypatch, Problem(ProblemKind.BROKEN_FILE, "cases contradict each other"))
