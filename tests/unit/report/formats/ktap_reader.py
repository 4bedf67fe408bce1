# SPDX-License-Identifier: GPL-2.0-only
"""A strict reader of KTAP, which rejects everything that the kernel's Documentation/dev-tools/ktap.rst does not allow.

Kernel logs may hold lines that are no KTAP ("unknown lines"); what a program writes as a whole should have none, so
here they are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_PLAN = re.compile(r"1\.\.([0-9]+)")
_RESULT = re.compile(r"(ok|not ok) ([0-9]+)(?: ([^#]*?))?(?: # ?(.*))?")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_DIRECTIVES = ("SKIP", "TODO", "XFAIL", "TIMEOUT", "ERROR")
_MUST_FAIL = ("TIMEOUT", "ERROR")


@dataclass(frozen=True)
class Test:
    """A test with its subtests and the diagnostic lines before its result."""

    __test__ = False

    description: str
    is_ok: bool
    directive: str
    data: str
    diagnosis: tuple[str, ...]
    within: tuple[Test, ...] = ()

    def leaves(self) -> list[Test]:
        """The tests without subtests."""
        return [leaf for one in self.within for leaf in one.leaves()] if self.within else [self]


@dataclass
class _Reader:
    lines: list[str]
    at: int = 0
    tests: list[Test] = field(default_factory=list)

    def level(self, indent: str) -> tuple[Test, ...]:
        """Read the results of one level, from its version line on."""
        assert self._take(indent) == "KTAP version 1", "a level starts with its version line"
        plan = _PLAN.fullmatch(self._take(indent))
        assert plan, "the plan follows the version line"
        found: list[Test] = []
        diagnosis: list[str] = []
        within: tuple[Test, ...] = ()
        while len(found) < int(plan[1]):
            if self.lines[self.at].startswith(f"{indent}  KTAP"):
                assert not within, "one set of subtests a test"
                within = self.level(f"{indent}  ")
                continue
            line = self._take(indent)
            if line == "#" or line.startswith("# "):
                diagnosis.append(line[2:])
                continue
            found.append(_result(line, len(found) + 1, tuple(diagnosis), within))
            diagnosis, within = [], ()
        return tuple(found)

    def _take(self, indent: str) -> str:
        line = self.lines[self.at]
        assert line.startswith(indent), f"line {self.at + 1} is not indented as its level: {line!r}"
        self.at += 1
        rest = line[len(indent) :]
        assert rest == rest.strip(), f"line {self.at}: {line!r}"
        return rest


def _result(line: str, number: int, diagnosis: tuple[str, ...], within: tuple[Test, ...]) -> Test:
    found = _RESULT.fullmatch(line)
    assert found, f"neither diagnostic nor result: {line!r}"
    assert int(found[2]) == number, f"results are numbered from 1 without a gap: {line!r}"
    first, _, rest = (found[4] or "").partition(" ")
    directive = first if first in _DIRECTIVES else ""
    is_ok = found[1] == "ok"
    assert not (directive in _MUST_FAIL and is_ok), f"{directive} goes with not ok: {line!r}"
    if within and any(not one.is_ok for one in within):
        assert not is_ok, f"a test fails if one within it does: {line!r}"
    data = rest if directive else (found[4] or "")
    return Test(found[3] or "", is_ok, directive, data, diagnosis, within)


def read_ktap(text: str) -> tuple[Test, ...]:
    """Read KTAP and return the tests of the outermost level.

    :raises AssertionError: the text is no KTAP version 1, to the letter.
    """
    assert text.endswith("\n")
    assert not _CONTROL.search(text), "no terminal is told anything by it"
    reader = _Reader(text[:-1].split("\n"))
    tests = reader.level("")
    assert reader.at == len(reader.lines), "nothing follows the last result"
    return tests
