# SPDX-License-Identifier: GPL-2.0-only
"""``harness accept``: update the expected output of a case file to what was seen."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands import options
from harness.run.accept import accept_case


@click.command()
@click.argument("case")
@options.suite
@options.results
def accept(case: str, suite: str, results: Path) -> int:
    """Write what the last run saw into CASE, a session file, as the expected output."""

    chosen, _ = options.choose_cases(suite, [])
    click.echo(accept_case(case, chosen, results=results, is_named=bool(suite)), nl=False)
    return 0
