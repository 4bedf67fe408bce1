# SPDX-License-Identifier: GPL-2.0-only
"""Read the output of a test program as a KTAP or TAP 13 report: its tests with stable names, and its faults. Pure.

Programs print half lines, the same results several times (each child that forks inherits unwritten output), and text
of their own between the results. Whatever is not of KTAP is kept as the text of the next test. Output may be a flood:
tests, names and texts are bounded.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from harness.tap.lines import BailOut, Plan, Result, ResultLine, Subtest, Version, clean, read_line

MOST_TESTS = 10_000
"""More tests of one program are counted and left out."""
_MOST_LINES = 40
"""Lines of text that are kept for each test: the last ones."""
_LINE_LENGTH = 400


@dataclass(frozen=True, slots=True)
class TapTest:
    """One test of a report.

    :param name: its name, unique in the report: the names of its groups and its own, joined by ``/``.
    :param result: its result.
    :param reason: the text of its directive; for a failed test the last text before its result.
    :param text: the text that the program printed before the result.
    """

    name: str
    result: Result
    reason: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class TapReport:
    """The report of one run of a program.

    :param tests: the tests in their order; a group that has tests of its own is none.
    :param faults: what is wrong with the report as a whole, one line each: the worst first.
    :param skipped: the reason why the whole program was skipped; empty if it was not.
    :param is_tap: whether the output is of KTAP at all; otherwise nothing else holds.
    :param repeated: number of results that were printed again, and count once.
    :param empty: names of the groups that passed without any test.
    """

    tests: tuple[TapTest, ...] = ()
    faults: tuple[str, ...] = ()
    skipped: str = ""
    is_tap: bool = False
    repeated: int = 0
    empty: tuple[str, ...] = ()


@dataclass(slots=True)
class _Node:
    """A result with the results below it."""

    line: ResultLine
    text: str
    children: list[_Node] = field(default_factory=list)


@dataclass(slots=True)
class _Level:
    """The results in one column since the last result of the column before it."""

    column: int
    name: str = ""
    plans: list[Plan] = field(default_factory=list)
    came: int = 0
    nodes: list[_Node] = field(default_factory=list)
    seen: dict[tuple[int, str], _Node] = field(default_factory=dict)
    below: list[_Node] = field(default_factory=list)
    """Results of the next column whose own result has not come yet."""
    named: str = ""
    """Name of the group that begins."""
    begun: str = ""
    """The same, if the line that names it stands in a column of its own."""


def read_report(output: str, separator: str = "/") -> TapReport:
    """Read the output of a program.

    :param output: all that it printed.
    :param separator: text between the names of a test's groups and its own.
    """
    return _Reader(separator).read(output)


class _Reader:
    def __init__(self, separator: str) -> None:
        self._separator = separator
        self._levels = [_Level(0)]
        self._faults: list[str] = []
        self._text: deque[str] = deque(maxlen=_MOST_LINES)
        self._started = ""
        self._is_tap = False
        self._repeated = 0
        self._empty: list[str] = []
        self._closed = ""
        self._count = 0

    def read(self, output: str) -> TapReport:
        lines, half = _lines(output)
        for line in lines:
            self._take(line)
        if half:
            self._take_half(half)
        while len(self._levels) > 1:
            self._close_level()
        top = self._levels[0]
        self._check_plan(top, "")
        if top.below:
            self._faults.append(f"no result of the group {top.named or 'without a name'}")
            top.nodes += [_Node(ResultLine(0, 0, Result.FAIL, top.named or "?"), "", top.below)]
        if self._count > MOST_TESTS:
            self._faults.append(f"{self._count - MOST_TESTS} of {self._count} results are left out")
        if not self._is_tap:
            return TapReport()
        skipped = next((plan.skipped for plan in top.plans if plan.skipped), "") if not top.nodes else ""
        tests = tuple(_with_unique_names(_leaves(top.nodes, "", self._separator)))
        return TapReport(
            tests,
            tuple(dict.fromkeys(self._faults)),
            skipped,
            is_tap=True,
            repeated=self._repeated,
            empty=tuple(self._empty),
        )

    def _take(self, text: str) -> None:
        match read_line(text):
            case Version(column=column):
                self._is_tap = True
                self._level(column)
            case Plan() as plan:
                self._is_tap = True
                self._level(plan.column).plans.append(plan)
            case ResultLine() as line if line.number or self._is_tap:
                self._is_tap = True
                self._add(line)
            case Subtest(is_start=True, name=name):
                self._started = name
                self._text.clear()
            case Subtest() as group:
                # The line stands in the column of the group's tests, or in that of its result.
                deeper = group.column > self._levels[-1].column
                level = self._level(min(group.column, self._levels[-1].column))
                level.named, level.begun = group.name, group.name if deeper else ""
            case BailOut(reason=reason) if self._is_tap:
                self._faults.insert(0, f"bails out: {reason or 'no reason given'}")
            case _:
                if text.strip():
                    self._text.append(text[:_LINE_LENGTH].rstrip())

    def _take_half(self, text: str) -> None:
        """Take a last line without an end: a result counts if it is the last one that the plan promises."""
        line, counts = read_line(text), {plan.count for plan in self._levels[0].plans}
        if isinstance(line, ResultLine):
            is_cut = line.column != 0 or line.number not in counts
        else:
            is_cut = self._is_tap and line is None and "ok".startswith(text.removeprefix("not ")[:2])
        if is_cut:
            self._faults.append(f"ends within a line: {text[:80]!r}")
        else:
            self._take(text)

    def _level(self, column: int) -> _Level:
        """Return the level of a column: levels of later columns end."""
        while self._levels[-1].column > column and len(self._levels) > 1:
            self._close_level()
        if self._levels[-1].column < column:
            self._levels.append(_Level(column, name=self._levels[-1].named))
        return self._levels[-1]

    def _close_level(self) -> None:
        level = self._levels.pop()
        self._closed = level.named
        self._check_plan(level, f"{level.name or 'a group'} ")
        self._levels[-1].below += [*level.nodes, *level.below]

    def _check_plan(self, level: _Level, whose: str) -> None:
        """Compare the results with the plan: the last one, or all if several programs print a report one after another.

        A child that forks may print the plan of its parent again.
        """
        counts = [plan.count for plan in level.plans]
        if counts and level.came not in (counts[-1], sum(counts)):
            self._faults.append(f"{whose}promises {counts[-1]} results, and {level.came} came")

    def _add(self, line: ResultLine) -> None:
        level = self._level(line.column)
        name, reason = line.name, line.reason
        if self._started and line.result is Result.SKIP and name != self._started:
            # The selftests' C harness of 6.1 prints the reason of a skip in place of the name.
            name, reason = self._started, reason or name
        name = (
            name or self._started or (level.named if level.below else "") or (str(line.number) if line.number else "?")
        )
        line = replace(line, name=name, reason=reason)
        key = (line.number, name)
        if line.number and (before := level.seen.get(key)) is not None:
            self._repeated += 1
            if before.line.result is not line.result:
                self._faults.append(f"{name} has two results: {before.line.result}, {line.result}")
                before.line = before.line if before.line.result is Result.FAIL else line
            level.below.clear()
            return
        self._count += 1
        level.came += 1
        if not level.below and line.result is Result.PASS and name in (level.begun, self._closed):
            self._empty.append(name)
        level.begun = self._closed = ""
        if self._count <= MOST_TESTS:
            node = _Node(line, "\n".join(self._text), level.below)
            level.nodes.append(node)
            level.seen[key] = node
        level.below, level.named, self._started = [], "", ""
        self._text.clear()


def _lines(output: str) -> tuple[Iterable[str], str]:
    """Return the whole lines of some output, and the half line at its end."""
    *lines, half = output.split("\n")
    return map(clean, lines), clean(half)


def _leaves(nodes: Iterable[_Node], above: str, separator: str) -> Iterator[TapTest]:
    """Yield the tests without the groups; a group that fails although its tests pass is a test of its own."""
    for node in nodes:
        name = f"{above}{node.line.name}"
        yield from _leaves(node.children, f"{name}{separator}", separator)
        is_own = node.line.result is Result.FAIL and all(one.line.result is not Result.FAIL for one in node.children)
        if not node.children or (is_own and node.line.number):
            reason = node.line.reason
            if not reason and node.line.result is Result.FAIL and node.text:
                reason = node.text.rpartition("\n")[2].lstrip("# ")
            yield TapTest(name, node.line.result, reason, node.text)


def _with_unique_names(tests: Iterable[TapTest]) -> Iterator[TapTest]:
    """Add a number to the second and later tests of one name: ``NAME (2)``."""
    times: Counter[str] = Counter()
    taken: set[str] = set()
    for test in tests:
        name = test.name
        while name in taken:
            times[test.name] += 1
            name = f"{test.name} ({times[test.name] + 1})"
        taken.add(name)
        yield replace(test, name=name)
