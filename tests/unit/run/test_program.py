# SPDX-License-Identifier: GPL-2.0-only
"""Judge a program of others by its end and by its report."""

from __future__ import annotations

import subprocess

import pytest

from harness.model.run_record import CaseRecord
from harness.model.verdict import Outcome
from harness.run.program import NO_REASON, Ran, command_line, explained, find_problem, last_line, skip_reason
from harness.suite.program_file import ProgramCase
from harness.tap.report import read_report


def ran(output: str, status: int) -> Ran:
    """Return the result of a program that printed something and ended."""
    return Ran(read_report(output), output, status)


@pytest.mark.parametrize(
    ("output", "status", "problem"),
    [
        ("", 0, ""),
        ("it fails\n", 2, ""),
        ("it works\n", 3, ""),
        ("seen 1\n\n", 1, "ended with status 1: seen 1"),
        ("", 139, "was killed by SIGSEGV"),
        ("1..1\nok 1 a\n", 0, ""),
        ("1..1\nnot ok 1 a\n", 1, ""),
        ("1..1\nok 1 a\nbad\n", 1, "ended with status 1: bad"),
        ("1..1\nnot ok 1 a\n", 134, "was killed by SIGABRT"),
        ("1..2\nok 1 a\n", 0, "the report is not whole: promises 2 results, and 1 came; ended with status 0"),
    ],
)
def test_problem_of_a_program(output: str, status: int, problem: str) -> None:
    """Failed tests are cases of their own; what is wrong with the rest is the program's."""
    assert find_problem(ran(output, status)) == problem


def test_program_that_need_not_end() -> None:
    """The signal that ends it is ours; any other is not."""
    assert find_problem(ran("", 137), ends=False) == ""
    assert find_problem(ran("", 137)) == "was killed by SIGKILL"
    assert find_problem(ran("", 139), ends=False) == "was killed by SIGSEGV"


@pytest.mark.parametrize(
    ("output", "status", "reason"),
    [
        ("no swap\n", 4, "no swap"),
        ("", 4, "the test gives no reason"),
        ("no swap\n", 1, ""),
        ("Test needs 8 cpus\nTest SKIPPED\n\n", 0, "Test needs 8 cpus: Test SKIPPED"),
        ("SKIP: no swap\n", 0, "SKIP: no swap"),
        ("no test was skipped\n", 0, ""),
        ("1..0 # SKIP no root\n", 4, "no root"),
        ("1..2\nok 1 a # SKIP one\nok 2 # SKIP two\n", 0, "one; two"),
        ("1..2\nok 1 a # SKIP one\nok 2 b\n", 0, ""),
        ("1..2\nok 1 a # SKIP one\n", 0, ""),
    ],
)
def test_reason_of_a_skip(output: str, status: int, reason: str) -> None:
    """A program of which every test is skipped is skipped, with all the reasons."""
    assert skip_reason(ran(output, status)) == reason


def test_last_line_is_clean() -> None:
    """It is the last one with text."""
    assert last_line("a\n\x1b[31mb\x1b[0m\r\n \n") == "b"


@pytest.mark.parametrize(
    ("program", "output", "status"),
    [
        (ProgramCase("s/a", "printf 'not ok 2 sec'; kill -SEGV $BASHPID"), "not ok 2 sec", 139),
        (ProgramCase("s/a", "/bin/pwd", directory="/usr/lib"), "/usr/lib\n", 0),
        (ProgramCase("s/a", "read line; echo $?"), "1\n", 0),
        (ProgramCase("s/a", "echo a; echo b >&2; (exit 3)"), "a\nb\n", 3),
        (ProgramCase("s/a", "echo 'a b'; exec sleep 100", seconds=1, ends=False), "a b\n", 137),
    ],
)
def test_command_line(program: ProgramCase, output: str, status: int) -> None:
    """The shell adds nothing to the output, not even after a signal; a program without an end is ended."""
    done = subprocess.run(
        ["bash", "-c", f"{command_line(program)}\nexit $?"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.stdout, done.returncode) == (output, status)


def record(outcome: Outcome, reason: str) -> CaseRecord:
    """Return the record of a test."""
    return CaseRecord("s/a::t", "s.a", "t", outcome, reason=reason, is_free_text=True)


@pytest.mark.parametrize(
    ("reason", "missing", "is_ours", "outcome", "shown"),
    [
        ("no swap", "", True, Outcome.SKIPPED, "no swap"),
        ("no swap", "CONFIG_SWAP is not set", True, Outcome.SKIPPED, "no swap (CONFIG_SWAP is not set)"),
        (NO_REASON, "CONFIG_SWAP is not set", True, Outcome.SKIPPED, f"{NO_REASON} (CONFIG_SWAP is not set)"),
        (NO_REASON, "", False, Outcome.SKIPPED, NO_REASON),
        (NO_REASON, "", True, Outcome.MISMATCH, "skipped without a reason, and no option is missing"),
    ],
)
def test_skip_is_explained_or_a_failure(reason: str, missing: str, is_ours: bool, outcome: Outcome, shown: str) -> None:
    """A skip that nobody can explain is a failure only where the harness chose the configuration."""
    found = explained(record(Outcome.SKIPPED, reason), missing, is_our_config=is_ours)

    assert (found.outcome, found.reason) == (outcome, shown)
    assert explained(record(Outcome.MATCH, ""), missing, is_our_config=True).outcome is Outcome.MATCH
