# SPDX-License-Identifier: GPL-2.0-only
"""Read results of LTP from the output of its libraries and from exit statuses."""

from __future__ import annotations

import pytest

from harness.tap.ltp import LtpReport, read_ltp

NEW = "tst_test.c:1234: TINFO: Timeout per run is 30s\naccess01.c:245: TPASS: access(file, F_OK) as root passed\n"
OLD = "fork01      1  TPASS  :  pid test\nfork01      2  TFAIL  :  child\n"
SUMMARY = "\nSummary:\npassed   2\nfailed   0\nbroken   0\nskipped  0\nwarnings 0\n"


@pytest.mark.parametrize(
    ("output", "status", "report"),
    [
        (NEW + NEW + SUMMARY, 0, LtpReport("2 passed")),
        ("", 0, LtpReport()),
        (NEW + "x.c:1: TFAIL: a: b\nx.c:2: TFAIL: c\n", 1, LtpReport("1 passed, 2 failed", "TFAIL: a: b")),
        (NEW + "x.c:1: TFAIL: a\n", 0, LtpReport("1 passed, 1 failed", "TFAIL: a")),
        (
            "fork01      1  TPASS  :  pid test\nfork01      2  TFAIL  :  child\n",
            1,
            LtpReport("1 passed, 1 failed", "TFAIL: child"),
        ),
        ("x.c:9: TBROK: open(f) failed: ENOENT (2)\n", 2, LtpReport("1 broken", "TBROK: open(f) failed: ENOENT (2)")),
        (NEW + "x.c:9: TWARN: left\n", 4, LtpReport("1 passed, 1 warned", "TWARN: left")),
        ("x 1 TCONF: no swap\nx 2 TCONF: no disk\n", 32, LtpReport("2 not configured", skipped="no swap; no disk")),
        (NEW + "x.c:9: TCONF: no swap\n", 0, LtpReport("1 passed, 1 not configured")),
        ("", 32, LtpReport(skipped="TCONF")),
        ("", 3, LtpReport(problem="TFAIL")),
        (NEW, 139, LtpReport("1 passed", is_ended=False)),
        ("bash: x: command not found\n", 127, LtpReport(is_ended=False)),
        ("\x1b[1;32mx.c:1: \x1b[0m\x1b[1;31mTFAIL: \x1b[0mtext\n", 1, LtpReport("1 failed", "TFAIL: text")),
        ("a word TFAILED: no result\nnoTFAIL: neither\n", 0, LtpReport()),
    ],
)
def test_results(output: str, status: int, report: LtpReport) -> None:
    """Output and status both count; the worst result is the reason."""
    assert read_ltp(output, status) == report


def test_reason_is_bounded() -> None:
    """A program may print anything."""
    found = read_ltp("x.c:1: TFAIL: " + "a" * 100_000 + "\n", 1)

    assert len(found.problem) <= 400
