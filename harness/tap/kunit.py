# SPDX-License-Identifier: GPL-2.0-only
"""Read the report of a KUnit suite: from debugfs, or from a kernel log that holds it. Pure.

In a log the report begins at its first ``KTAP version`` line. What stands before that text on the line (a time, the
name of a board) stands before each line of the report. A log has other lines as well, and the reports of other suites.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.tap.lines import Result, clean, shorten
from harness.tap.report import TapReport, TapTest, read_report

SEPARATOR = "::"
"""Stands between the names of a suite, a test, and a parameter; no name contains it."""
_BEGIN = re.compile(r"(.*?)K?TAP version \d+\s*$")
_FAILED = re.compile(r"# (?:.*: )?((?:EXPECTATION|ASSERTION) FAILED at .*)$")
_LONGEST_REASON = 400
_MORE_LINES = 6


def report_lines(log: str) -> list[str]:
    """Return the lines of a log from the first line of a report on, without what stands before each of them.

    :param log: the text of a kernel log.
    :return: the lines; empty if the log has no report.
    """
    lines = [clean(line) for line in log.split("\n")]
    for at, line in enumerate(lines):
        if found := _BEGIN.match(line):
            width = len(found[1])
            return [one[width:] if width else one for one in lines[at:]]
    return []


def read_kunit(log: str, suite: str) -> TapReport:
    """Read the report of one suite.

    :param log: output of debugfs, or a kernel log.
    :param suite: the name of the suite; the tests of other suites are left out.
    :return: its tests, named ``TEST`` or ``TEST::PARAMETER``. A suite that fails by itself is a fault.
    """
    suite = shorten(suite)
    report = read_report("\n".join(report_lines(log)), SEPARATOR)
    tests: list[TapTest] = []
    faults = list(report.faults)
    skipped = report.skipped
    for test in report.tests:
        name, mark, rest = test.name.partition(SEPARATOR)
        if name != suite:
            continue
        if mark:
            tests.append(replace(test, name=rest, reason=_reason(test)))
        elif test.result is Result.SKIP:
            skipped = test.reason or "no test of the suite was run"
        elif test.result is Result.FAIL:
            faults.insert(0, f"the suite {suite} fails by itself{_because(test)}")
    faults += [f"no test of {name} was run" for name in report.empty]
    if not tests and not faults and not skipped:
        faults = [f"no test of the suite {suite} in the report"]
    return TapReport(tuple(tests), tuple(faults), "" if tests else skipped, is_tap=True)


def listed_suites(log: str) -> tuple[str, ...]:
    """Return the suites that a kernel lists with ``kunit.action=list``, in its order.

    :param log: the kernel log: a line ``SUITE.TEST`` for each test.
    """
    found = (re.fullmatch(r"([^\s.]+)\.[^\s.]+", line.strip()) for line in report_lines(log))
    return tuple(dict.fromkeys(one[1] for one in found if one))


def _reason(test: TapTest) -> str:
    """Return why a test failed: its first failed expectation or assertion, with the values; else as reported."""
    if test.result is not Result.FAIL:
        return test.reason
    return failed_assertion(test.text.splitlines()) or test.reason


def failed_assertion(lines: Sequence[str]) -> str:
    """Return the first failed expectation or assertion of a test in one line; empty if there is none.

    :param lines: the text before the result of the test.
    """
    for at, line in enumerate(lines):
        if found := _FAILED.search(line):
            return " ".join((f"{found[1].strip()}:", *_values(lines[at + 1 :])))[:_LONGEST_REASON].removesuffix(":")
    return ""


def _values(lines: Iterable[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        if len(found) == _MORE_LINES or line.lstrip().startswith(("#", "ok ", "not ok ")):
            break
        found.append(" ".join(line.split()))
    return found


def _because(test: TapTest) -> str:
    last = next((line.strip().lstrip("# ") for line in reversed(test.text.splitlines()) if line.strip()), "")
    return f": {test.reason or last}" if test.reason or last else ""
