# SPDX-License-Identifier: GPL-2.0-only
"""``harness diff`` on the command line."""

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
    """A run folder; its name."""
    folder = RunFolder.create(results, "deb", STARTED + number)
    folder.write(run)
    if config:
        folder.write_file(CONFIG_NAME, config)
    return folder.path.name


def test_a_regression_is_status_1(tmp_path: Path) -> None:
    """The exit status says whether something regressed, the text what."""
    first = save(tmp_path, 1, GOOD, config="CONFIG_A=y\n")
    second = save(tmp_path, 2, BAD, config="CONFIG_A=m\n")
    result = call("diff", first, second, "--results", tmp_path)
    back = call("diff", second, first, "--results", tmp_path)

    assert result.status is ExitStatus.DIFFERS
    assert result.text.endswith(f"REGRESSED: 1\n  {GOOD.cases[0].id}\n")
    assert "CONFIG_A" in result.text
    assert back.status is ExitStatus.AS_EXPECTED
    assert "nothing regressed" in back.text


def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    """A program can read it; the exit status is the same."""
    save(tmp_path, 1, GOOD)
    save(tmp_path, 2, BAD)
    result = call("diff", "last~1", "last", "--json", "--results", tmp_path)

    assert json.loads(result.text)["regressions"] == [GOOD.cases[0].id]
    assert result.status is ExitStatus.DIFFERS


def test_a_flake_is_told_with_its_rate(tmp_path: Path) -> None:
    """The same image with another outcome: no regression, and how often it was so."""
    for number, run in enumerate((GOOD, GOOD, replace(BAD, kernel=KERNEL))):
        save(tmp_path, number, run)
    result = call("diff", "last~1", "last", "--results", tmp_path)

    assert result.status is ExitStatus.AS_EXPECTED
    assert "flaky: 1" in result.text
    assert "failed 1 of 3 times on one image" in result.text


def test_wrong_words_are_usage(tmp_path: Path) -> None:
    """A run that there is not, and a third run."""
    call("diff", "nope", "--results", tmp_path).require_error(ExitStatus.USAGE, "nope: no such run")
    assert call("diff", "a", "b", "c").status is ExitStatus.USAGE
    assert call("diff").status is ExitStatus.USAGE
