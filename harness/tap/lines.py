# SPDX-License-Identifier: GPL-2.0-only
"""Read single lines of KTAP and TAP 13: version, plan, result, name of a sub-test. Pure.

KTAP nests by indentation. The runner of the kernel's selftests nests by ``# `` in front of each line, and KUnit of
kernels before 5.18 by four spaces and a line ``# Subtest: NAME``: all give the column in which a line's text begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

LONGEST_NAME = 200
"""Longest name of a test in characters; a longer one is cut."""
_LONGEST_REASON = 400

# CSI and OSC sequences of ECMA-48, and any other escape.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
# Characters that XML 1.0 does not allow; a tab is one space.
_INVALID = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# printk.time, and the level that a reader of /dev/kmsg or a raw dmesg sees.
_KERNEL_LOG = re.compile(r"^(?:<\d{1,3}>)?\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? ")
_INDENT = re.compile(r"^(?:# {0,1}| )*")
_VERSION = re.compile(r"K?TAP version \d+\s*$")
_PLAN = re.compile(r"1\.\.(\d{1,7})\s*(?:#\s*(.*))?$")
_RESULT = re.compile(r"(ok|not ok)(?: +(\d{1,7}))?(?:\s+(.*))?$")
_DIRECTIVE = re.compile(r"(?:^|\s)#\s*(SKIP|XFAIL|TODO|XPASS|ERROR|TIMEOUT)\b[: ]*(.*)$", re.IGNORECASE)
_COMMENT = re.compile(r"(?:^|\s)#\s(.*)$")
_SUBTEST = re.compile(r"#?\s*Subtest: (.+)$")
_STARTED = re.compile(r"#\s+RUN\s+(\S.*?)\s+\.\.\.\s*$")
_NAME = re.compile(r"[\w.+/-]+$")
_VARIES = (
    (re.compile(r"0x[0-9a-fA-F]{6,}"), "0xN"),
    (re.compile(r"\[\d+\]"), "[N]"),
    (re.compile(r"\bpid \d+"), "pid N"),
)


class Result(StrEnum):
    """The result of one test."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    XFAIL = "xfail"
    """Fails as its author expects."""


@dataclass(frozen=True, slots=True)
class Version:
    """A line that begins a report."""

    column: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A line ``1..N``.

    :param skipped: the reason why no test is run, of ``1..0 # SKIP REASON``.
    """

    column: int
    count: int
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class ResultLine:
    """A line ``ok 1 - NAME # DIRECTIVE REASON``.

    :param number: the number of the test; 0 for none.
    :param name: the name; empty for none.
    :param reason: the text of the directive or of a comment.
    """

    column: int
    number: int
    result: Result
    name: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Subtest:
    """A line ``# Subtest: NAME``, or one of the selftests' C harness that says which test starts.

    :param is_start: whether it names the next single test, and not a group of tests.
    """

    column: int
    name: str
    is_start: bool = False


@dataclass(frozen=True, slots=True)
class BailOut:
    """A line with which a program gives up."""

    reason: str


Line = Version | Plan | ResultLine | Subtest | BailOut


def clean(text: str) -> str:
    """Return a line of output without escape sequences, characters that XML cannot hold, and the time of printk."""
    shown = _ESCAPES.sub("", text.replace("\t", " ")).rstrip("\r").rpartition("\r")[2]
    return _KERNEL_LOG.sub("", _INVALID.sub("", shown))


def read_line(line: str) -> Line | None:
    """Read a line that :func:`clean` returned; None for any text that is not of KTAP.

    :param line: the line without its end.
    """
    if found := _STARTED.match(line):
        return Subtest(0, shorten(found[1]), is_start=True)
    start = _INDENT.match(line)
    assert start is not None  # it matches the empty text
    column = start.end()
    text = line[column:]
    is_quoted = "#" in start[0]
    if text.startswith("Bail out!"):
        return BailOut(text.removeprefix("Bail out!").strip()[:_LONGEST_REASON])
    if _VERSION.match(text):
        return Version(column)
    if found := _PLAN.match(text):
        return Plan(column, int(found[1]), _skipped(found[2] or ""))
    if found := _SUBTEST.match(text):
        # "# Subtest:" itself is a comment: the block that it names begins where the comment sign does.
        return Subtest(max(0, column - 2) if is_quoted else column, shorten(found[1]))
    if (found := _RESULT.match(text)) and (found[2] or not is_quoted):
        return _result(column, found)
    return None


def shorten(name: str) -> str:
    """Return the name of a test in one line, without what differs from run to run: addresses, and numbers in [ ]."""
    for pattern, shown in _VARIES:
        name = pattern.sub(shown, name)
    return " ".join(name.split())[:LONGEST_NAME].replace("::", ":")


def _skipped(comment: str) -> str:
    found = re.match(r"skip\S*\s*(.*)$", comment, re.IGNORECASE)
    return (found[1] or "no reason given")[:_LONGEST_REASON] if found else ""


def _result(column: int, found: re.Match[str]) -> ResultLine:
    number = int(found[2] or 0)
    text = (found[3] or "").strip()
    result = Result.PASS if found[1] == "ok" else Result.FAIL
    name, reason = text, ""
    if directive := _DIRECTIVE.search(text):
        name, reason = text[: directive.start()], directive[2].strip()
        result = _directed(directive[1].upper(), result)
    elif comment := _COMMENT.search(text):
        name, reason = text[: comment.start()], comment[1].strip()
    name = name.strip().removeprefix("- ").strip()
    # Programs that use kselftest.h write the name behind the directive: "ok 2 # SKIP test_core".
    if directive and not name and _NAME.match(reason):
        name, reason = reason, ""
    return ResultLine(column, number, result, shorten(name), reason[:_LONGEST_REASON])


def _directed(word: str, result: Result) -> Result:
    """Return the result with its directive; an expected failure is ``not ok`` before 6.10, and ``ok`` since."""
    match word:
        case "SKIP":
            return Result.SKIP
        case "XFAIL":
            return Result.XFAIL
        case "TODO":
            return Result.XFAIL if result is Result.FAIL else result
        case "ERROR" | "TIMEOUT":
            return Result.FAIL
    return result
