# SPDX-License-Identifier: GPL-2.0-only
"""Inner cases: their results are returned to the outer case and do not affect the run."""

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
    """Shorten the wait before a machine counts as dead."""
    monkeypatch.setattr("harness.guest.machine.PROBE_SECONDS", 2.0)


@pytest.fixture
def play_session(guest: RunningCase, tmp_path: Path) -> PlaySession:
    """Return a function that plays the text of a session file on its own machine and returns the record."""
    environment = replace(guest.environment, folder=tmp_path)
    numbers = itertools.count(1)

    def play(text: str) -> CaseRecord:
        return run_session(
            parse(text, path="inner.session", preparations=environment.suite.preparations),
            environment,
            folder=f"session-{next(numbers)}",
        )

    return play


@pytest.fixture
def play_python(guest: RunningCase, tmp_path: Path) -> PlayPython:
    """Return a function that runs a Python case on its own machine, like the plugin, and returns the record."""
    environment = replace(guest.environment, folder=tmp_path)
    numbers = itertools.count(1)

    def play(body: Callable[[RunningCase], None]) -> CaseRecord:
        raised: Unanswered | None = None
        with opened(environment, "inner.py::test_inner", folder=f"python-{next(numbers)}") as case:
            try:
                body(case)
            except Unanswered as error:
                raised = error
            return conclude(case, raised, title="", trace="")

    return play
