# SPDX-License-Identifier: GPL-2.0-only
"""``harness diff``: compare two runs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.commands import options
from harness.kernel.git.identity import read_identity
from harness.report.display.events import Lines
from harness.report.display.plain import choose_display
from harness.report.tables.comparison import comparison_json, comparison_lines
from harness.report.tables.tested_by import fix_answer, is_tested
from harness.results.compare import ChangeKind, compare
from harness.results.find_run import find_runs
from harness.results.history import flake_rates
from harness.suite.needed_options import needed_options

_SECONDS = 60.0
RUN_HELP = """RUN is one of:

\b
  FOLDER             a run folder, or its name in results/
  FOLDER:B           kernel B of a run with several kernels
  last               the newest complete run; last~1 is the one before it
  last:KERNEL        the newest complete run of that KERNEL argument
"""


@click.command(epilog=RUN_HELP)
@click.argument("runs", metavar="RUN [RUN]", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--tested-by", is_flag=True, help="Print the answer to a fix that the second RUN has.")
@options.suite
@options.results
def diff(runs: tuple[str, ...], as_json: bool, tested_by: bool, suite: str, results: Path) -> int:
    """Compare two runs: the first RUN with the second, or with last if only one is
    named. A run with two kernels compares these.

    --tested-by prints how often each case failed without a fix and with it; a
    Tested-by is part of it if none fails any more, and chance is no explanation.

    \b
    Exit status:
      0    nothing regressed; --tested-by: the text has a Tested-by
      1    a trait, a case or the kernel log regressed; --tested-by: it has none
      4    no such run
    """

    if len(runs) > 2:
        raise click.UsageError(f"only two runs can be compared, but {len(runs)} were named")
    before, after = find_runs(runs, results=results)
    if tested_by:
        click.echo(fix_answer(before.run, after.run, who=read_identity(deadline=Deadline.after(_SECONDS))), nl=False)
        return int(ExitStatus.AS_EXPECTED if is_tested(before.run, after.run) else ExitStatus.DIFFERS)
    chosen = options.suite_of_runs(suite, [before.run, after.run])
    configs = (before.config, after.config)
    comparison = compare(before.run, after.run, configs=configs, noise=chosen.noise, needed=needed_options(chosen))
    names = (before.name, after.name)
    is_flaky = any(one.change is ChangeKind.FLAKY for one in comparison.cases)
    rates = flake_rates(after.folder.parent) if is_flaky else {}
    if as_json:
        click.echo(json.dumps(comparison_json(comparison, names=names, rates=rates), indent=1))
    else:
        with choose_display(sys.stdout, os.environ) as display:
            display.show(Lines(lambda width: comparison_lines(comparison, width, names=names, rates=rates)))
    return int(ExitStatus.DIFFERS if comparison.regressions else ExitStatus.AS_EXPECTED)
