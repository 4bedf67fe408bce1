# SPDX-License-Identifier: GPL-2.0-only
"""Read the output of a program of the Linux Test Project (LTP): the results that it prints, and its exit status. Pure.

A result is a line with TPASS, TFAIL, TBROK, TWARN or TCONF: ``access01.c:245: TFAIL: text`` of the newer library,
``fork01 1 TPASS : text`` of the older one, ``df01 1 TCONF: text`` of scripts. The exit status has a bit for each
(``include/tst_res_flags.h`` of LTP), and is lost by some scripts: a failure is one that either of them shows.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from harness.tap.lines import clean

_LINE = re.compile(r"(?:^|[\s:])(TPASS|TFAIL|TBROK|TWARN|TCONF)\s*:\s*(.*)$")
_LONGEST = 400


class LtpResult(StrEnum):
    """A result of a program of LTP, the worst first."""

    FAIL = "TFAIL"
    BROKEN = "TBROK"
    WARN = "TWARN"
    CONF = "TCONF"
    PASS = "TPASS"


_BITS = {1: LtpResult.FAIL, 2: LtpResult.BROKEN, 4: LtpResult.WARN, 32: LtpResult.CONF}
_WORDS = {
    LtpResult.PASS: "passed",
    LtpResult.FAIL: "failed",
    LtpResult.BROKEN: "broken",
    LtpResult.WARN: "warned",
    LtpResult.CONF: "not configured",
}


@dataclass(frozen=True, slots=True)
class LtpReport:
    """The results of one program.

    :param counts: how often each result was printed, as ``12 passed, 1 not configured``; empty if none was.
    :param problem: the worst result and its text, if it is a failure; empty otherwise.
    :param skipped: why nothing was tested; empty if something was.
    :param is_ended: whether the exit status is one of results, not that of a signal or of a missing command.
    """

    counts: str = ""
    problem: str = ""
    skipped: str = ""
    is_ended: bool = True


def read_ltp(output: str, status: int) -> LtpReport:
    """Read the results of a program that ended.

    :param output: all that it printed.
    :param status: its exit status, as the shell shows it.
    """
    counts: Counter[LtpResult] = Counter()
    texts: dict[LtpResult, dict[str, None]] = {}
    for line in output.splitlines():
        if found := _LINE.search(clean(line)):
            result = LtpResult(found[1])
            counts[result] += 1
            texts.setdefault(result, {})[found[2].strip()] = None
    shown = ", ".join(f"{counts[one]} {_WORDS[one]}" for one in (LtpResult.PASS, *_BITS.values()) if counts[one])
    if status & ~sum(_BITS):  # the shell shows a signal as 128 and its number
        return LtpReport(shown, is_ended=False)
    flags = {result for bit, result in _BITS.items() if status & bit}
    for one in (LtpResult.FAIL, LtpResult.BROKEN, LtpResult.WARN):
        if one in flags or counts[one]:
            text = next(iter(texts.get(one, ())), "")
            return LtpReport(shown, f"{one}{f': {text}' if text else ''}"[:_LONGEST])
    if (LtpResult.CONF in flags or counts[LtpResult.CONF]) and not counts[LtpResult.PASS]:
        return LtpReport(shown, skipped="; ".join(texts.get(LtpResult.CONF, ()))[:_LONGEST] or str(LtpResult.CONF))
    return LtpReport(shown)
