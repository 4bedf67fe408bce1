# SPDX-License-Identifier: GPL-2.0-only
"""Show the coverage of a run as lines and as JSON: by case and by function. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from harness.coverage.changes import ChangedLine, summarize
from harness.coverage.functions import FunctionCoverage, RunCoverage, case_coverage
from harness.coverage.lines import LineCoverage, line_spans
from harness.report.lines import Line, Tone, fold_line
from harness.report.text import elide

JSON_VERSION = 1
_SHOWN_CASES = 3
_MOST_NAMES = 200
_MOST_CASES = 10


def coverage_lines(run: RunCoverage, functions: Sequence[FunctionCoverage], *, names: Sequence[str]) -> list[Line]:
    """Return the summary of a run's coverage, and a line for each case.

    :param functions: the functions that anything ran.
    :param names: names of the runs.
    """
    by_cases = [one for one in functions if one.cases]
    beyond = [one for one in by_cases if not one.is_idle]
    boot_only = [one for one in functions if one.is_boot and not one.cases]
    lines = [
        Line(f"Coverage of {', '.join(names)}", Tone.STRONG),
        Line(""),
        Line(
            f"{len(by_cases):,} of {len(run.symbols.functions):,} functions of the kernel were run by {len(run.cases)} "
            f"cases; an idle clone does not run {len(beyond):,} of them"
        ),
        Line(f"{len(boot_only):,} more were run by the boot only"),
        Line(""),
        Line(f"{'functions':>9}  {'not idle':>8}  {'only here':>9}  case", Tone.FAINT),
    ]
    lines += [
        Line(f"{one.functions:>9,}  {one.beyond_idle:>8,}  {one.only_here:>9,}  {one.id}")
        for one in case_coverage(run, functions)
    ]
    return lines


def function_lines(functions: Sequence[FunctionCoverage]) -> list[Line]:
    """Return a line for each function: by how many cases it was run, and by which."""
    width = max((len(one.function.name) for one in functions), default=0)
    lines = []
    for one in functions:
        marks = [word for word, holds in (("boot", one.is_boot), ("idle", one.is_idle)) if holds]
        shown = [*marks, *one.cases[:_SHOWN_CASES]]
        more = f" and {len(one.cases) - _SHOWN_CASES} more" if len(one.cases) > _SHOWN_CASES else ""
        lines.append(Line(f"{len(one.cases):>5}  {one.function.name:<{width}}  {', '.join(shown)}{more}"))
    return lines


def difference_lines(first: Sequence[str], second: Sequence[str], width: int, *, names: tuple[str, str]) -> list[Line]:
    """Return the functions that only one of two runs has run.

    :param first: names of functions that only the first run has run.
    :param second: names of functions that only the second run has run.
    :param names: names of the runs.
    """
    lines: list[Line] = []
    for functions, name in ((first, names[0]), (second, names[1])):
        lines.append(Line(f"{len(functions):,} functions were run by cases of {name} only", Tone.STRONG))
        lines += [Line(f"  {elide(one, max(20, width - 2))}") for one in functions[:_MOST_NAMES]]
        if len(functions) > _MOST_NAMES:
            lines.append(Line(f"  and {len(functions) - _MOST_NAMES:,} more (--format json has all)", Tone.FAINT))
        lines.append(Line(""))
    return lines[:-1]


def source_lines(lines: Sequence[LineCoverage], width: int, *, absent: Sequence[str] = ()) -> list[Line]:
    """Return the number of lines with code that were run for each file, and the other lines by function.

    :param lines: the lines with code, by file.
    :param absent: files that have no code in the kernel.
    """
    shown: list[Line] = [Line(f"{file}: no code of its own in this kernel", Tone.FAINT) for file in absent]
    for file, group in groupby(lines, key=lambda one: one.file):
        own = list(group)
        run, boot = sum(bool(one.cases) for one in own), sum(one.is_boot and not one.cases for one in own)
        text = f"{run:,} of {len(own):,} lines with code were run by cases ({run / len(own):.0%})"
        shown.append(Line(f"{file}: {text}" + (f", {boot:,} by the boot only" if boot else ""), Tone.STRONG))
        by_function: dict[str, list[int]] = {}
        for one in own:
            if not one.is_run:
                by_function.setdefault(one.functions[0] if one.functions else "", []).append(one.line)
        for function, numbers in sorted(by_function.items(), key=lambda pair: pair[1]):
            shown += fold_line(Line(f"{function}: not run: {line_spans(numbers)}"), width, indent=2)
    return shown


def change_lines(changed: Sequence[ChangedLine], width: int) -> list[Line]:
    """Return the summary of a series' lines, and for each file the cases that ran them."""
    lines = fold_line(Line(str(summarize(changed)), Tone.STRONG), width)
    for file, group in groupby(changed, key=lambda one: one.file):
        own = list(group)
        cases = Counter(case for one in own for case in one.cases)
        without = sum(not one.is_code for one in own)
        lines.append(
            Line(f"{file}: {len(own)} changed lines, {without} without code (declarations, comments, options)")
        )
        lines += [Line(f"{count:>6}  {case}") for case, count in cases.most_common(_MOST_CASES)]
        if len(cases) > _MOST_CASES:
            lines.append(Line(f"        and {len(cases) - _MOST_CASES} more cases", Tone.FAINT))
    return lines


def lines_json(lines: Sequence[LineCoverage]) -> list[dict[str, object]]:
    """Return lines with code as tables of JSON types."""
    return [{"file": one.file, "line": one.line, "cases": list(one.cases), "boot": one.is_boot} for one in lines]


def coverage_json(
    run: RunCoverage, functions: Sequence[FunctionCoverage], *, names: Sequence[str]
) -> dict[str, object]:
    """Return the coverage of a run as a table of JSON types; the functions that nothing ran are only counted."""
    return {
        "format_version": JSON_VERSION,
        "runs": list(names),
        "functions_of_kernel": len(run.symbols.functions),
        "cases": [
            {
                "id": one.id,
                "functions": one.functions,
                "functions_not_idle": one.beyond_idle,
                "functions_only_here": one.only_here,
                "bytes": run.cases[one.id].count(),
            }
            for one in case_coverage(run, functions)
        ],
        "functions": [
            {
                "name": one.function.name,
                "address": f"{one.function.start:#x}",
                "size": one.function.end - one.function.start,
                "cases": list(one.cases),
                "idle": one.is_idle,
                "boot": one.is_boot,
            }
            for one in functions
        ],
    }
