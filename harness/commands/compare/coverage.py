# SPDX-License-Identifier: GPL-2.0-only
"""``harness coverage``: show which kernel code the cases of a run have run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import click

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.commands import options
from harness.commands.compare.diff import RUN_HELP
from harness.coverage.functions import function_coverage, only_in
from harness.coverage.gutter import source_file
from harness.coverage.lines import LineCoverage
from harness.guest.coverage.read import read_coverage
from harness.kernel.patches.patched_tree import PatchedTree
from harness.report.display.events import Lines
from harness.report.display.plain import choose_display
from harness.report.formats.coverage import render_cobertura, render_lcov
from harness.report.formats.coverage_html import render_files
from harness.report.lines import Line
from harness.report.tables.coverage import (
    JSON_VERSION,
    change_lines,
    coverage_json,
    coverage_lines,
    difference_lines,
    function_lines,
    lines_json,
    source_lines,
)
from harness.results.find_run import FoundRun, find_run
from harness.run.coverage.lines import (
    FileLines,
    lines_of_debug_package,
    lines_of_files,
    lines_of_series,
    source_of,
    source_text,
)
from harness.suite.definition import Suite

_Printed = str | Callable[[int], list[Line]]
"""What a command prints: text for other programs, or lines by the width of the display."""
_SECONDS = 600.0


_FORMATS = ("text", "json", "lcov", "cobertura", "html")
_SERIES = "series"


@click.command(epilog=RUN_HELP)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--of",
    "places",
    metavar="PATH|series",
    multiple=True,
    help="Lines of a file or folder of the kernel tree, or of the series that was tested; may be repeated.",
)
@click.option("--function", "patterns", metavar="GLOB", multiple=True, help="List the functions with such a name.")
@click.option("--diff", "is_diff", is_flag=True, help="Compare two runs: the functions that only one of them ran.")
@click.option("--dbg", "has_package", is_flag=True, help="Lines of a Debian kernel, from its -dbg package (280 MB).")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True, help="What to print.")
@options.suite
@options.results
def coverage(
    runs: tuple[str, ...],
    places: tuple[str, ...],
    patterns: tuple[str, ...],
    is_diff: bool,
    has_package: bool,
    form: str,
    suite: str,
    results: Path,
) -> int:
    """Show which kernel code the cases of a run with --coverage have run; several runs of
    one kernel are united.

    \b
    Exit status:
      0    shown
      3    the template of the run is gone from the store
      4    no such run, it has no coverage, or its kernel no line tables
    """
    if is_diff and (len(runs) != 2 or places or patterns):
        raise click.UsageError("--diff compares two runs, and takes no --of and no --function")
    if form in ("lcov", "cobertura", "html") and not places:
        raise click.UsageError(f"--format {form} has lines: name a file or folder with --of")
    if has_package and (not places or _SERIES in places or form == "html"):
        raise click.UsageError("--dbg has lines of files and folders (--of), and no sources for --format html")
    with choose_display(sys.stdout if form == "text" else sys.stderr, os.environ) as display:
        context = Context(Store.default(), Deadline.after(_SECONDS), display.show)
        found = [find_run(word, results=results) for word in runs]
        if is_diff:
            printed = _compare(context, found, form)
        elif places:
            chosen = options.suite_of_runs(suite, [one.run for one in found])
            show = _show_package if has_package else partial(_show_lines, suite=chosen)
            printed = show(context, found, places, form)
        else:
            printed = _show_functions(context, found, patterns, form)
        if isinstance(printed, str):
            click.echo(printed, nl=not printed.endswith("\n"))
        else:
            display.show(Lines(printed))
    return 0


def _show_functions(context: Context, found: Sequence[FoundRun], patterns: Sequence[str], form: str) -> _Printed:
    run = read_coverage(context, found)
    functions = function_coverage(run, patterns)
    names = [one.name for one in found]
    if form == "json":
        return json.dumps(coverage_json(run, functions, names=names), indent=1)
    lines = function_lines(functions) if patterns else coverage_lines(run, functions, names=names)
    return lambda _: lines


def _show_package(context: Context, found: Sequence[FoundRun], places: Sequence[str], form: str) -> _Printed:
    run = read_coverage(context, found)
    own = lines_of_debug_package(context, found[0].run.kernel.came_from, run, places)
    return _render(found[0], own.lines, own, form)


def _show_lines(
    context: Context, found: Sequence[FoundRun], places: Sequence[str], form: str, *, suite: Suite
) -> _Printed:
    run = read_coverage(context, found)
    inputs = source_of(context, found[0].run, suite)
    files = [one for one in places if one != _SERIES]
    own = lines_of_files(context, inputs, run, files) if files else FileLines()
    lines = list(own.lines)
    if len(files) < len(places):
        changed = lines_of_series(context, inputs, run)
        if form == "text" and not files:
            return lambda width: change_lines(changed, width)
        lines += [LineCoverage(one.file, one.line, one.cases, one.is_boot, ()) for one in changed if one.is_code]
    if form == "html":
        return _page(context, inputs.trees[-1], found, lines, own)
    return _render(found[0], lines, own, form)


def _render(found: FoundRun, lines: Sequence[LineCoverage], own: FileLines, form: str) -> _Printed:
    if form == "json":
        return json.dumps({"format_version": JSON_VERSION, "lines": lines_json(lines)}, indent=1)
    if form == "lcov":
        return render_lcov(lines, own.branches)
    if form == "cobertura":
        return render_cobertura(lines, own.branches, seconds=int(found.run.started))
    return lambda width: source_lines(lines, width, absent=own.absent)


def _page(
    context: Context, tree: PatchedTree, found: Sequence[FoundRun], lines: Sequence[LineCoverage], own: FileLines
) -> str:
    files = [
        source_file(
            name, source_text(context, tree, name), list(group), [one for one in own.branches if one.file == name]
        )
        for name, group in groupby(sorted(lines, key=lambda one: (one.file, one.line)), key=lambda one: one.file)
    ]
    return render_files(", ".join(one.name for one in found), files, absent=own.absent)


def _compare(context: Context, found: Sequence[FoundRun], form: str) -> _Printed:
    first, second = (read_coverage(context, [one]) for one in found)
    sides = only_in(first, second), only_in(second, first)
    if form == "json":
        return json.dumps({"only_first": sides[0], "only_second": sides[1]}, indent=1)
    return lambda width: difference_lines(*sides, width, names=(found[0].name, found[1].name))
