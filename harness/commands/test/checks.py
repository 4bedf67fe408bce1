# SPDX-License-Identifier: GPL-2.0-only
"""``harness checks``: check each patch of a series without booting a kernel."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import click

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, UsageError
from harness.base.store import Store
from harness.checks.frame.bench import Bench, read_patches
from harness.checks.frame.check import Check
from harness.checks.registry import CHECKS, choose_checks
from harness.checks.runner import run_checks
from harness.commands import options
from harness.commands.files import write_named
from harness.commands.options import choose_cases, suite_of_kernels
from harness.kernel.build.options import BuildOptions
from harness.model.checks_record import ChecksRecord, PatchChecks, dump_checks
from harness.model.finding import CheckResult
from harness.report.display.events import Lines, RunReport
from harness.report.display.plain import choose_display
from harness.report.formats.checks_junit import render_checks_junit
from harness.report.lines import Line, fold_line
from harness.report.tables.checks import checks_lines
from harness.series.applied import AppliedSeries, find_ground

_SECONDS = 24 * 3600.0
_NAME_WIDTH = 13


@click.command()
@click.argument("series", metavar="SERIES", default="")
@click.option("--base", metavar="TREE@REV", default="", help="Base of the series; also deb-src:VERSION.")
@click.option(
    "--checks", "names", metavar="NAMES", default="", help="Checks or groups; -NAME leaves one out.  [default: all]"
)
@click.option("--list", "is_list", is_flag=True, help="List the checks and what each needs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--junit", metavar="FILE", type=click.Path(path_type=Path), help="Write JUnit: a test per patch and check."
)
@options.suite
@options.building
def checks(
    series: str,
    base: str,
    names: str,
    is_list: bool,
    as_json: bool,
    junit: Path | None,
    suite: str,
    building: BuildOptions,
) -> int:
    """Check each patch of SERIES (see 'harness series --help'): its text, how it
    builds, what it costs, and the ABI. No kernel is booted.

    Only what the base does not have already is reported.

    \b
    Exit status:
      0    no check found anything
      1    a check found something, or a patch does not apply
      3    host error
      4    usage error
      130  interrupted
    """
    chosen = choose_checks(names)
    if is_list:
        with choose_display(sys.stdout, os.environ) as display:
            display.show(Lines(lambda width: list(_listed(width))))
        return int(ExitStatus.AS_EXPECTED)
    if not series or not base:
        missing = "SERIES" if not series else "--base"
        raise UsageError(f"harness checks has no {missing}", remedy="harness checks series.mbx --base ~/linux@v6.12")
    own = choose_cases(suite_of_kernels(suite, [base, series.partition("?")[0]]), ())[0]
    building = replace(building, suite=own.config)
    stream = sys.stderr if as_json else sys.stdout
    with choose_display(stream, os.environ, is_for_several=True) as display:
        record = _check(series, base, chosen, building, display.show)
        if not as_json:
            display.show(Lines(lambda width: [Line(""), *checks_lines(record, width)]))
    if as_json:
        click.echo(dump_checks(record), nl=False)
    if junit is not None:
        write_named("--junit", junit, render_checks_junit(record).encode(errors="backslashreplace"))
    return int(ExitStatus.AS_EXPECTED if record.is_clean else ExitStatus.DIFFERS)


def _check(
    series: str, base: str, chosen: tuple[Check, ...], building: BuildOptions, report: RunReport
) -> ChecksRecord:
    """Apply the series, run the checks and return their record."""
    started, began = time.time(), time.monotonic()
    context = Context(Store.default(), Deadline.after(_SECONDS), report)
    ground = find_ground(context, base, series)
    patches = read_patches(context, ground.base, ground.series.patches, ground.commits[: ground.applied])
    with Bench(context, ground.base, patches, building) as bench:
        results = run_checks(bench, chosen)
    return ChecksRecord(
        ground.series.title,
        f"v{ground.series.version}{ground.series.suffix}",
        ground.described,
        ground.base.commit,
        tuple(_patch(ground, number, results.get(number, ())) for number in range(1, len(ground.series.patches) + 1)),
        shlex.join(["harness", *sys.argv[1:]]),
        started,
        time.monotonic() - began,
        ground.notes,
        version("kernel-patch-harness"),
    )


def _patch(ground: AppliedSeries, number: int, results: tuple[CheckResult, ...]) -> PatchChecks:
    patch = ground.series.patches[number - 1]
    why = ""
    if number > ground.applied and ground.conflict is not None:
        first = ground.applied + 1
        why = ground.conflict.what if number == first else f"patch {first} does not apply"
    return PatchChecks(number, patch.subject, results, patch.message_id, why)


def _listed(width: int) -> Iterator[Line]:
    for one in CHECKS:
        yield from fold_line(Line(f"{one.name:<{_NAME_WIDTH}} {one.group}: {one.about}"), width)
        needs = [need.name for need in one.needs] + ([f"{one.needs_of_tree} of the tree"] if one.needs_of_tree else [])
        if needs:
            yield from fold_line(Line(f"needs {', '.join(needs)}"), width, indent=_NAME_WIDTH + 1)
        for need in one.missing:
            yield from fold_line(Line(f"NOT INSTALLED: apt install {need.package}"), width, indent=_NAME_WIDTH + 1)
