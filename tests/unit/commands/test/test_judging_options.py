# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness run`` with rounds, a baseline and known failures, on a real kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness.base.errors import ExitStatus
from harness.model.run_record import OutcomeCount
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from harness.results.history import opened_history
from tests.command_line import call
from tests.program import start

GOOD = "title: a greeting\n\n    # echo hello\n    hello\n"
BAD = GOOD.replace("    hello", "    goodbye")
SECOND_TIME = '''\
from pathlib import Path

ROUNDS = Path(__file__).with_name("rounds")


def test_second(admin):
    """Fail in the second round only."""
    with ROUNDS.open("a") as file:
        file.write("x")
    assert admin.run("echo hello") == ("goodbye" if len(ROUNDS.read_text()) == 2 else "hello")
'''
KNOWN = """
[[known]]
case = "{case}"
reason = "a goodbye comes later"
link = "https://example.org/1"
expires = {day}
"""


@pytest.mark.guest
@pytest.mark.parametrize("workers", ["1", "2"])
def test_repeat_records_every_round(tmp_path: Path, workers: str) -> None:
    """Each round is counted, the failure is shown, its logs are kept, and the history has the rate."""
    (tmp_path / "good.session").write_text(GOOD)
    (tmp_path / "test_second.py").write_text(SECOND_TIME)
    results = tmp_path / "results"
    done = start(
        "run", "--repeat", "3", "--seed", "7", "-n", workers, "--cases", ".", "--results", results, cwd=tmp_path
    )
    run = load_run(results / "latest")
    cases = {case.id: case for case in run.cases}
    with opened_history(results, say=lambda text: None) as history:
        flakes = history.flakes()

    assert done.status == ExitStatus.DIFFERS, done.stdout
    assert b"seed 7" in done.stdout
    assert cases["good.session"].tries == (OutcomeCount(Outcome.MATCH, 3),)
    assert cases["test_second.py::test_second"].tries == (
        OutcomeCount(Outcome.MATCH, 2),
        OutcomeCount(Outcome.MISMATCH, 1),
    )
    assert cases["test_second.py::test_second"].folder.startswith("round-2/")
    assert (results / "latest" / cases["test_second.py::test_second"].folder / "kernel.log").exists()
    assert not list((results / "latest").glob("round-3/**/*.log"))
    assert flakes == ((cases["test_second.py::test_second"].id, 1, 3),)


@pytest.mark.guest
def test_until_fail_stops_after_the_failing_round(tmp_path: Path) -> None:
    """The round in which a case failed is the last one, and is finished."""
    (tmp_path / "good.session").write_text(GOOD)
    (tmp_path / "test_second.py").write_text(SECOND_TIME)
    done = start("run", "--until-fail", "-n", "1", "--cases", ".", "--results", "results", cwd=tmp_path)
    run = load_run(tmp_path / "results" / "latest")

    assert done.status == ExitStatus.DIFFERS
    assert run.complete
    assert [case.times_asked for case in run.cases] == [2, 2]


@pytest.mark.guest
def test_baseline_and_known_failures_do_not_fail_the_run(tmp_path: Path) -> None:
    """Neither the status nor junit.xml counts such a failure; an expired entry fails the run and is named."""
    (tmp_path / "good.session").write_text(GOOD)
    (tmp_path / "bad.session").write_text(BAD)
    for name, day in (("valid", "2999-01-01"), ("expired", "2020-01-01")):
        (tmp_path / f"{name}.toml").write_text(KNOWN.format(case="bad.session", day=day))
    command = ("run", "-n", "1", "--cases", ".", "--results", "results")
    variants = ((), ("--baseline", "last"), ("--known", "valid.toml"), ("--known", "expired.toml"))
    statuses, failures = [], []
    for options in variants:
        done = start(*command, *options, cwd=tmp_path)
        statuses.append(done.status)
        suite = next(iter(JUnitXml.fromfile(str(tmp_path / "results/latest/junit.xml"))))
        failures.append((suite.failures, suite.errors, suite.skipped))

    assert statuses == [ExitStatus.DIFFERS, ExitStatus.AS_EXPECTED, ExitStatus.AS_EXPECTED, ExitStatus.CASE_BROKEN]
    assert failures == [(1, 0, 0), (0, 0, 1), (0, 0, 1), (1, 1, 0)]
    assert b"the known failure of bad.session expired on 2020-01-01" in b" ".join(done.stdout.split())


def test_judging_options_are_checked_before_a_boot(tmp_path: Path) -> None:
    """An unknown baseline, an unreadable file and an invalid file are errors before anything is booted."""
    (tmp_path / "broken.toml").write_text("[[known]]\ncase = 1\n")
    results = ("--results", tmp_path / "results")

    call("run", "--baseline", "nosuch", *results).require_error(ExitStatus.USAGE, "nosuch: no such run")
    call("run", "--known", tmp_path / "no.toml", *results).require_error(ExitStatus.USAGE, "no.toml cannot be read")
    call("run", "--known", tmp_path / "broken.toml", *results).require_error(ExitStatus.CASE_BROKEN, "broken.toml")
    assert call("run", "--repeat", "0", *results).status is ExitStatus.USAGE
    assert not (tmp_path / "results").exists()
