# SPDX-License-Identifier: GPL-2.0-only
"""``harness suite``: write a suite of cases, or check one."""

from __future__ import annotations

from pathlib import Path

import click

from harness.base.errors import ExitStatus
from harness.suite.check import check_suite
from harness.suite.load import case_paths, folder_of
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
def check(word: str) -> int:
    """Show all faults of a suite; nothing is booted.

    \b
    Exit status:
      0    no faults
      2    at least one fault
      4    usage error: no such folder
    """

    found, faults = check_suite(folder_of(word))
    for fault in faults:
        click.echo(fault)
    if faults:
        click.echo(f"{len(faults)} fault{'' if len(faults) == 1 else 's'}", err=True)
        return int(ExitStatus.CASE_BROKEN)
    assert found is not None
    click.echo(f"{found.name}: {found.title}; {len(case_paths(found))} case files, no faults")
    return 0
