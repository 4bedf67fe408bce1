# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness diff`` as a command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from harness.base.errors import ExitStatus
from harness.model.run_record import RunRecord
from harness.model.verdict import Outcome
from harness.results.folder import CONFIG_NAME, RunFolder
from tests.command_line import call
from tests.unit.report.sample import KERNEL, RUN, STARTED

GOOD = replace(RUN, cases=RUN.cases[:2], problems=())
BAD = replace(
    GOOD,
    kernel=replace(KERNEL, image_digest="ab" * 32),
    cases=(replace(GOOD.cases[0], outcome=Outcome.MISMATCH, reason="saw /a"), GOOD.cases[1]),
)


def save(results: Path, number: int, run: RunRecord, *, config: str = "") -> str:
    """Write a run folder; return its name."""
    folder = RunFolder.create(results, "deb", STARTED + number)
    folder.write(run)
    if config:
        folder.write_file(CONFIG_NAME, config)
    return folder.path.name


def test_diff_exits_with_1_for_a_regression(tmp_path: Path) -> None:
    """The exit status is 1 if a result regressed, and the text names it."""
    first = save(tmp_path, 1, GOOD, config="CONFIG_A=y\n")
    second = save(tmp_path, 2, BAD, config="CONFIG_A=m\n")
    result = call("diff", first, second, "--results", tmp_path)
    back = call("diff", second, first, "--results", tmp_path)

    assert result.status is ExitStatus.DIFFERS
    assert result.text.endswith(f"REGRESSED: 1\n  {GOOD.cases[0].id}\n")
    assert "CONFIG_A" in result.text
    assert back.status is ExitStatus.AS_EXPECTED
    assert "nothing regressed" in back.text


def test_diff_prints_only_json(tmp_path: Path) -> None:
    """With --json the whole output is JSON; the exit status is unchanged."""
    save(tmp_path, 1, GOOD)
    save(tmp_path, 2, BAD)
    result = call("diff", "last~1", "last", "--json", "--results", tmp_path)

    assert json.loads(result.text)["regressions"] == [GOOD.cases[0].id]
    assert result.status is ExitStatus.DIFFERS


def test_diff_shows_a_flake_with_its_rate(tmp_path: Path) -> None:
    """Another outcome on the same image is a flake with its rate, not a regression."""
    for number, run in enumerate((GOOD, GOOD, replace(BAD, kernel=KERNEL))):
        save(tmp_path, number, run)
    result = call("diff", "last~1", "last", "--results", tmp_path)

    assert result.status is ExitStatus.AS_EXPECTED
    assert "flaky: 1" in result.text
    assert "failed 1 of 3 times on one image" in result.text


def test_diff_refuses_invalid_arguments(tmp_path: Path) -> None:
    """An unknown run, a third run and no run are usage errors."""
    call("diff", "nope", "--results", tmp_path).require_error(ExitStatus.USAGE, "nope: no such run")
    assert call("diff", "a", "b", "c").status is ExitStatus.USAGE
    assert call("diff").status is ExitStatus.USAGE
