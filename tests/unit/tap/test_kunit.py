# SPDX-License-Identifier: GPL-2.0-only
"""Read reports of KUnit suites, from debugfs and from kernel logs."""

from __future__ import annotations

import pytest

from harness.tap.kunit import failed_assertion, listed_suites, read_kunit, report_lines
from harness.tap.lines import Result

FAILED = """\
KTAP version 1
1..1
    KTAP version 1
    # Subtest: numbers
    # module: numbers
    1..3
    ok 1 adds
        KTAP version 1
        # Subtest: divides
        ok 1 by two
        not ok 2 by zero/none
    # divides: pass:1 fail:1 skip:0 total:2
    not ok 2 divides
    # subtracts: EXPECTATION FAILED at lib/numbers.c:28
    Expected 1 - 1 == 3, but
        1 - 1 == 0 (0x0)
    not ok 3 subtracts
# numbers: pass:1 fail:2 skip:0 total:3
# Totals: pass:2 fail:2 skip:0 total:4
not ok 1 numbers
"""
OLD = """\
[    0.800000][    T1] random: crng init done
[    0.812345][    T1] KTAP version 1
[    0.812346][    T1] 1..1
[    0.812347][    T1]     # Subtest: numbers
[    0.812348][    T1]     1..1
[    0.812349][   T12] clocksource: tsc
[    0.812350][    T1]     ok 1 - adds
[    0.812351][    T1] ok 1 - numbers
[    0.900000][    T1] Freeing unused kernel image
"""
EMPTY = """\
KTAP version 1
1..1
    # Subtest: numbers
    1..1
        # Subtest: adds
    ok 1 adds
ok 1 numbers
"""


def test_tests_and_parameters_have_names_of_their_own() -> None:
    """A parameter is below its test; a slash in its text is no group."""
    report = read_kunit(FAILED, "numbers")

    assert {one.name: one.result for one in report.tests} == {
        "adds": Result.PASS,
        "divides::by two": Result.PASS,
        "divides::by zero/none": Result.FAIL,
        "subtracts": Result.FAIL,
    }
    assert report.is_tap
    assert report.faults == ()


def test_failed_expectation_is_the_reason() -> None:
    """With place and values, in one line; the text has all of it."""
    (failed,) = (one for one in read_kunit(FAILED, "numbers").tests if one.name == "subtracts")

    assert failed.reason == "EXPECTATION FAILED at lib/numbers.c:28: Expected 1 - 1 == 3, but 1 - 1 == 0 (0x0)"
    assert "Expected 1 - 1 == 3, but" in failed.text
    assert failed_assertion(["    # other: failed"]) == ""


@pytest.mark.parametrize(
    "log", [OLD, OLD.replace("][    T1]", "]").replace("][   T12]", "]"), OLD.replace("[    0.", "board: <6>[    0.")]
)
def test_report_in_a_kernel_log(log: str) -> None:
    """The lines of the report are found between others, whatever stands before them."""
    (test,) = read_kunit(log, "numbers").tests

    assert (test.name, test.result) == ("adds", Result.PASS)
    assert not read_kunit(log, "numbers").faults


def test_other_suites_are_left_out() -> None:
    """A module may bring several."""
    both = FAILED + FAILED.replace("numbers", "letters")

    assert read_kunit(both, "letters").tests == read_kunit(FAILED.replace("numbers", "letters"), "letters").tests


@pytest.mark.parametrize(
    ("log", "fault"),
    [
        ("no report\n", "no test of the suite numbers in the report"),
        (
            "KTAP version 1\n1..1\n    # Subtest: numbers\n    1..2\n    ok 1 adds\n",
            "numbers promises 2 results, and 1 came",
        ),
        (
            "KTAP version 1\n1..1\n    # numbers: failed to initialize (-12)\nnot ok 1 numbers\n",
            "the suite numbers fails by itself: numbers: failed to initialize (-12)",
        ),
        (EMPTY, "no test of adds was run"),
        ("KTAP version 1\n1..1\n    # Subtest: numbers\n    1..1\n    ok 1 ad", "ends within a line: '    ok 1 ad'"),
    ],
)
def test_broken_reports_are_faults(log: str, fault: str) -> None:
    """What is missing is said, and no suite passes without a test."""
    assert fault in read_kunit(log, "numbers").faults


def test_skipped_suite() -> None:
    """A suite of which nothing is run is skipped with its reason."""
    report = read_kunit("KTAP version 1\n1..1\nok 1 numbers # SKIP no board\n", "numbers")

    assert (report.skipped, report.tests, report.faults) == ("no board", (), ())


def test_listed_suites() -> None:
    """Each line is a suite and a test; lines of the kernel between them are none."""
    log = "[ 0.1] init: a.b\n[    0.812345] KTAP version 1\n[    0.812346] one.a\n[    0.812347] one.b\n"
    log += "[    0.812348] random: crng init done\n[    0.812349] two\n[    0.812350] two-test.a\n"

    assert listed_suites(log) == ("one", "two-test")
    assert report_lines("nothing") == []
