"""Cases within a case: what comes of them is told to the case, and counts for nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from harness.guest.console import Unanswered
from harness.model.run_record import CaseRecord
from harness.run.case import RunningCase, conclude, opened, run_session
from harness.session.transcript import parse

PlaySession: TypeAlias = Callable[[str], CaseRecord]
PlayPython: TypeAlias = Callable[[Callable[[RunningCase], None]], CaseRecord]


@pytest.fixture
def short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has to be waited for to be called dead is waited for a shorter time."""
    monkeypatch.setattr("harness.guest.machine.PROBE_SECONDS", 2.0)


@pytest.fixture
def play_session(guest: RunningCase, tmp_path: Path) -> PlaySession:
    """A function that plays the text of a session file on a machine of its own and returns the record."""
    bench = replace(guest.environment, folder=tmp_path)
    numbers = itertools.count(1)

    def play(text: str) -> CaseRecord:
        return run_session(
            parse(text, path="inner.session", preparations=bench.suite.preparations),
            bench,
            folder=f"session-{next(numbers)}",
        )

    return play


@pytest.fixture
def play_python(guest: RunningCase, tmp_path: Path) -> PlayPython:
    """A function that runs a Python case on a machine of its own, as the plug-in does, and returns the record."""
    bench = replace(guest.environment, folder=tmp_path)
    numbers = itertools.count(1)

    def play(body: Callable[[RunningCase], None]) -> CaseRecord:
        raised: Unanswered | None = None
        with opened(bench, "inner.py::test_inner", folder=f"python-{next(numbers)}") as case:
            try:
                body(case)
            except Unanswered as error:
                raised = error
            return conclude(case, raised, title="", trace="")

    return play
