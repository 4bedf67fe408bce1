# SPDX-License-Identifier: GPL-2.0-only
"""``harness suite``: write a suite of cases, or check one."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.commands import options
from harness.commands.exit_status import tell
from harness.commands.test.judging_options import read_judging
from harness.model.run_record import RunRecord
from harness.pipeline import Options
from harness.report.display.plain import choose_display
from harness.suite.check import check_suite, find_mixed
from harness.suite.definition import Suite
from harness.suite.load import case_paths, folder_of, suite_semantics
from harness.suite.template import write_suite


@click.group(short_help="Write a suite of cases, or check one.")
def suite() -> None:
    """Write a suite of cases, or check one.

    A suite is a folder with a suite.toml: the cases of one subject, and
    everything they need of the kernel, the guest and the harness.
    """


@suite.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", default="", help="Name of the suite.  [default: that of the folder]")
def new(folder: Path, name: str) -> int:
    """Write an example suite to FOLDER, which passes and uses each feature.

    \b
    Exit status:
      0    the suite was written
      4    usage error: FOLDER is not empty, the name is taken
    """

    for path in write_suite(folder, name):
        click.echo(path)
    click.echo(f"try it: harness run --suite {folder}")
    return 0


@suite.command()
@click.argument("word", metavar="[NAME|FOLDER]", default=".")
@click.option(
    "--on", "kernel", metavar="KERNEL", default="", help="Run the cases on a kernel whose behavior is steady."
)
@options.results
def check(word: str, kernel: str, results: Path) -> int:
    """Show all faults of a suite. Without --on nothing is booted.

    With --on the cases are run. A kernel whose behavior does not depend on the
    situation shows one value of each trait, so cases that see different values
    are at fault.

    \b
    Exit status:
      0    no faults
      1    no faults, but a verdict differs (with --on)
      2    at least one fault
      4    usage error: no such folder
    """

    found, faults = check_suite(folder_of(word))
    status = ExitStatus.AS_EXPECTED
    if kernel and found is not None and not faults:
        status, faults = _run_on(kernel, found, results)
    for fault in faults:
        click.echo(fault)
    if faults:
        click.echo(f"{len(faults)} fault{'' if len(faults) == 1 else 's'}", err=True)
        return int(ExitStatus.CASE_BROKEN)
    assert found is not None
    if status in (ExitStatus.AS_EXPECTED, ExitStatus.DIFFERS):
        click.echo(f"{found.name}: {found.title}; {len(case_paths(found))} case files, no faults")
    return int(status)


def _run_on(kernel: str, suite: Suite, results: Path) -> tuple[ExitStatus, tuple[str, ...]]:
    """Run the cases of a suite on a kernel; return the status of the run, and the faults that it shows."""
    from harness.run.one_kernel import RunSettings
    from harness.run.selection import Selection
    from harness.run.several_kernels import run_kernels

    records: list[RunRecord] = []
    settings = RunSettings(
        Selection(workers=options.choose_workers("auto", [])),
        suite_semantics(suite),
        read_judging("", None, suite=suite, results=results),
        results,
        Store.default(),
        shlex.join(["harness", *sys.argv[1:]]),
        suite,
    )
    with choose_display(sys.stdout, os.environ) as display:
        wanted = [Options(kernel, suite=suite)]
        status = run_kernels(wanted, settings, report=display.show, tell=tell, on_record=records.append)
    return status, tuple(fault for record in records for fault in find_mixed(record))
