"""Which problems of a run end a bisection: by their kind, whatever the words are."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.errors import CaseError, ExitStatus
from harness.base.store import Store
from harness.bisect import runner
from harness.bisect.runner import CommitRunner
from harness.model.run_record import Problem, ProblemKind, RunRecord
from harness.model.verdict import Outcome
from harness.pipeline import Options
from harness.report.display.plain import PlainDisplay
from harness.run.selection import Selection
from harness.suite.load import default_suite, suite_semantics
from tests.unit.report.sample import CASES, RUN


def ask(folder: Path, monkeypatch: pytest.MonkeyPatch, problem: Problem) -> RunRecord:
    """Ask a prepared kernel all cases, in a run that has that problem."""
    cases = tuple(case for case in CASES if case.outcome is not Outcome.ERROR)
    record = replace(RUN, problems=(problem,), cases=cases)
    monkeypatch.setattr(runner, "run_cases", lambda *_, **__: (record, ExitStatus.CASE_BROKEN))
    monkeypatch.setattr(CommitRunner, "image_of", lambda *_, **__: "image")
    show = PlainDisplay(io.StringIO()).show
    asker = CommitRunner(
        Options(), Selection(), suite_semantics(default_suite()), Store(folder), folder, show, "harness bisect"
    )
    monkeypatch.setattr(asker, "_prepared", {"word": None})
    return asker.ask_all("word", name="good end")[1]


def test_a_contradiction_ends_no_bisection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trait counts as not seen, and the other targets are traced."""
    assert ask(tmp_path, monkeypatch, Problem(ProblemKind.CONTRADICTION, "two answers")).problems


def test_a_broken_file_ends_a_bisection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one whose text is that of a contradiction."""
    with pytest.raises(CaseError, match="a case file is broken"):
        ask(tmp_path, monkeypatch, Problem(ProblemKind.BROKEN_FILE, "cases contradict each other"))
