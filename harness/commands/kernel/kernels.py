# SPDX-License-Identifier: GPL-2.0-only
"""``harness kernels``: list the kernels that can be fetched."""

from __future__ import annotations

import os
import sys

import click

from harness import pipeline
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.events import Note
from harness.base.store import Store
from harness.kernel.source.archive import offered_by
from harness.kernel.source.newest import OfferedKernel
from harness.model.kernel_spec import parse_spec
from harness.report.display.plain import choose_display


@click.command
@click.option(
    "--from", "suites", metavar="SUITE", multiple=True, help="A suite of Debian's archive, e.g. sid; may be repeated."
)
@click.option("--all", "all_of_them", is_flag=True, help="Every package: each flavor, and each older version.")
@click.option("--update", is_flag=True, help="Refresh the package lists of the suites now.")
def kernels(suites: tuple[str, ...], all_of_them: bool, update: bool) -> int:
    """List the kernels of the distribution, or of any suite of Debian's archive.

    The first column is a KERNEL argument. Shown is the newest cloud kernel of each kernel version.
    """
    for suite in suites:
        parse_spec(f"deb:@{suite}")
    with choose_display(sys.stderr, os.environ) as display:
        context = Context(Store.default(), Deadline.after(pipeline.PREPARE_SECONDS), display.show)
        offers = [offered_by(context, suite, all_packages=all_of_them, update=update) for suite in suites or ("",)]
        for note in dict.fromkeys(note for offer in offers for note in offer.notes):
            display.show(Note(note))
    for line in _lines([kernel for offer in offers for kernel in offer.kernels]):
        click.echo(line)
    return 0


def _lines(offered: list[OfferedKernel]) -> list[str]:
    rows = [(one.word, one.version, one.package) for one in offered]
    widths = [max((len(row[at]) for row in rows), default=0) for at in (0, 1)]
    return [f"{word:<{widths[0]}}  {version:<{widths[1]}}  {package}" for word, version, package in rows]
