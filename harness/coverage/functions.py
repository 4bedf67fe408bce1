# SPDX-License-Identifier: GPL-2.0-only
"""Find the functions that each case of a run has run, and the difference of two runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.coverage.bitmap import NOTHING, Bitmap, union
from harness.coverage.symbols import Function, Symbols


@dataclass(frozen=True, slots=True)
class RunCoverage:
    """The kernel code that the cases of a run, or of several runs of one kernel, have run.

    :param symbols: the functions of the kernel.
    :param cases: what each case ran, by its id.
    :param idle: what a clone runs by itself.
    :param boot: what the boot ran.
    """

    symbols: Symbols
    cases: Mapping[str, Bitmap]
    idle: Bitmap = NOTHING
    boot: Bitmap = NOTHING


@dataclass(frozen=True, slots=True)
class FunctionCoverage:
    """One function that was run.

    :param cases: ids of the cases that ran it, sorted; empty when only boot or an idle clone did.
    :param is_idle: whether a clone in which no case is played runs it as well.
    :param is_boot: whether the boot ran it.
    """

    function: Function
    cases: tuple[str, ...]
    is_idle: bool
    is_boot: bool


@dataclass(frozen=True, slots=True)
class CaseCoverage:
    """The functions of one case.

    :param functions: how many functions it ran.
    :param beyond_idle: those of them that an idle clone does not run.
    :param only_here: those of ``beyond_idle`` that no other case ran.
    """

    id: str
    functions: int
    beyond_idle: int
    only_here: int


def functions_run(bitmap: Bitmap, symbols: Symbols) -> frozenset[Function]:
    """Return the functions of which any instruction was run."""
    found: set[Function] = set()
    for start, end in bitmap.groups():
        for function in symbols.between(start, end):
            # A group of 8 bytes may hold the end of one function and the start of the next.
            if function not in found and bitmap.has_any(max(start, function.start), min(end, function.end)):
                found.add(function)
    return frozenset(found)


def function_coverage(run: RunCoverage, patterns: Iterable[str] = ()) -> list[FunctionCoverage]:
    """Return the functions that anything ran, by address.

    :param patterns: names with ``*`` and ``?``; without any, all functions.
    """
    wanted = tuple(patterns)
    idle, boot = functions_run(run.idle, run.symbols), functions_run(run.boot, run.symbols)
    cases: dict[Function, list[str]] = {function: [] for function in idle | boot}
    for name in sorted(run.cases):
        for function in functions_run(run.cases[name], run.symbols):
            cases.setdefault(function, []).append(name)
    return [
        FunctionCoverage(one, tuple(cases[one]), one in idle, one in boot)
        for one in sorted(cases, key=lambda function: function.start)
        if not wanted or any(fnmatchcase(one.name, pattern) for pattern in wanted)
    ]


def case_coverage(run: RunCoverage, functions: Iterable[FunctionCoverage]) -> list[CaseCoverage]:
    """Return the numbers of each case, by id.

    :param functions: the result of :func:`function_coverage`.
    """
    counts = {name: [0, 0, 0] for name in sorted(run.cases)}
    for one in functions:
        for name in one.cases:
            counts[name][0] += 1
            counts[name][1] += not one.is_idle
            counts[name][2] += not one.is_idle and len(one.cases) == 1
    return [CaseCoverage(name, *numbers) for name, numbers in counts.items()]


def only_in(one: RunCoverage, other: RunCoverage) -> list[str]:
    """Return the names of functions that the cases of one run ran and those of the other did not, sorted.

    What an idle clone of either kernel runs is left out: timers fire in some cases and not in others.
    """

    def names(run: RunCoverage) -> set[str]:
        return {function.name for function in functions_run(union(run.cases.values()), run.symbols)}

    def idle(run: RunCoverage) -> set[str]:
        return {function.name for function in functions_run(run.idle, run.symbols)}

    return sorted(names(one) - names(other) - idle(one) - idle(other))
