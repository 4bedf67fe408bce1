# SPDX-License-Identifier: GPL-2.0-only
"""``harness core``: show who waits for whom in the memory of a machine that failed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.commands import options
from harness.commands.compare.diff import RUN_HELP
from harness.cores import reader
from harness.report.display.events import Lines
from harness.report.display.plain import choose_display
from harness.report.lines import Line
from harness.report.tables.cores import core_json, core_lines
from harness.results.cores import FoundCore, find_core, find_cores, read_origin
from harness.results.find_run import FoundRun, find_run
from harness.run.coverage.lines import source_of

_SECONDS = 1800.0


@click.command(epilog=RUN_HELP)
@click.argument("run")
@click.argument("case", required=False)
@click.option("--all", "shows_all", is_flag=True, help="Show the stacks of all tasks.")
@click.option("--drgn", "with_prompt", is_flag=True, help="Open drgn on it, without the sandbox.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all tasks.")
@click.option("--trust", is_flag=True, help="Read it without the sandbox, with your permissions.")
@options.suite
@options.results
def core(
    run: str,
    case: str | None,
    shows_all: bool,
    with_prompt: bool,
    as_json: bool,
    trust: bool,
    suite: str,
    results: Path,
) -> int:
    """Show the tasks that hang in the core of a CASE, their kernel stacks, the
    locks that they wait for, and who holds those. Without CASE, list the cores.

    A run keeps the memory of a machine whose kernel reported an error, or on which a
    command did not return: one core for each error, eight at most.

    \b
    Exit status:
      0    shown
      2    the core cannot be read
      3    drgn is not installed, or the template of the run is gone
      4    no such run or case, or no core
    """
    found = find_run(run, results=results)
    with choose_display(sys.stderr if as_json else sys.stdout, os.environ) as display:
        if case is None:
            display.show(Lines(lambda _: _list(found)))
            return 0
        reader.require_drgn()
        context = Context(Store.default(), Deadline.after(_SECONDS), display.show)
        chosen = find_core(found, case)
        kernel = _kernel_of(context, found, chosen, suite, is_trusted=trust)
        if not with_prompt:
            facts = reader.read_core(context, chosen, kernel, trusted=trust)
            lines = core_lines(facts, shows_all=shows_all)
            if chosen.holder.id != chosen.case.id:
                lines.insert(0, Line(f"the core is of {chosen.holder.id}, which met the same error"))
            if not as_json:
                display.show(Lines(lambda _: lines))
    if with_prompt:  # without the display, which has the terminal
        reader.open_prompt(chosen.file, kernel)
    elif as_json:
        table = core_json(facts, case=chosen.case.id, holder=chosen.holder.id, file=str(chosen.file))
        click.echo(json.dumps(table, indent=1))
    return 0


def _kernel_of(
    context: Context, found: FoundRun, core: FoundCore, suite: str, *, is_trusted: bool
) -> reader.KernelFacts:
    """Return what the core is read with: of a kernel that was built from its source, else from a clone."""
    origin = read_origin(core)
    reader.require_fixed_addresses(found)
    if not found.run.kernel.build.commit:
        return reader.facts_of_image(context, origin)
    inputs = source_of(context, found.run, options.suite_of_runs(suite, [found.run]))
    return reader.facts_of_built(context, inputs, origin, trusted=is_trusted)


def _list(found: FoundRun) -> list[Line]:
    cores = find_cores(found.folder, found.run.cases)
    if not cores:
        return [Line(f"{found.name} has no core: no kernel reported an error, and each command returned")]
    return [Line(f"{one.file.stat().st_size >> 20:4} MiB  harness core {found.name} {one.case.id}") for one in cores]
