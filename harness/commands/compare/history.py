"""``harness history``: what all runs of a results folder say together."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from harness.base.errors import UsageError
from harness.commands import options
from harness.report.display.events import Lines
from harness.report.display.plain import choose_display
from harness.report.lines import Line
from harness.report.tables.history import (
    case_history_lines,
    failing_lines,
    flake_lines,
    run_history_lines,
    trait_history_lines,
)
from harness.results.case_ids import current_case_id
from harness.results.history import CASE, TRAIT, History, opened_history, rebuild
from harness.results.timeline import timelines

Telling = Callable[[int], "Sequence[Line]"]
"""Makes lines for a number of columns."""

_NAMED = 5


@click.command()
@click.argument("name", required=False, metavar="[CASE|TRAIT|KERNEL]")
@click.option("--rebuild", "is_rebuild", is_flag=True, help="Make the database again from the run folders, first.")
@options.results
def history(name: str | None, is_rebuild: bool, results: Path) -> int:
    """Tell how a case, a trait or a kernel went over all runs in results/; without
    a name, what fails now, since when, and what is flaky.

    KERNEL is a KERNEL word as it was typed, a release, or the line that it
    belongs to. Of CASE a part of its id is enough.
    """

    if not results.is_dir():
        raise UsageError(f"there is no results folder {results}", remedy="run first: harness run")
    say = partial(click.echo, err=True)
    with choose_display(sys.stdout, os.environ) as display:
        if is_rebuild:
            for note in rebuild(results, say=say):
                say(f"note: {note}")
        with opened_history(results, say=say) as found:
            for complaint in found.bring_up_to_date(results):
                say(f"note: left out: {complaint}")
            display.show(Lines(_told(found, name) if name else _overview(found)))
    return 0


def _told(found: History, name: str) -> Telling:
    """What is known by that name. :raises UsageError: nothing, or too much."""

    cases = found.names(CASE)
    name = name if any(name in case for case in cases) else current_case_id(name)
    if name in cases or (name not in found.names(TRAIT) and (name := _only_case(name, cases, found)) in cases):
        return partial(case_history_lines, name, timelines(found.entries(CASE, name)))
    if name in found.names(TRAIT):
        return partial(trait_history_lines, name, timelines(found.entries(TRAIT, name)))
    runs = [one for one in found.runs() if name in (one.line, one.spec, one.release) or one.line.startswith(f"{name} ")]
    by_line = {line: [one for one in runs if one.line == line] for line in dict.fromkeys(one.line for one in runs)}
    return lambda width: [each for line, of in by_line.items() for each in run_history_lines(line, of, width)]


def _only_case(name: str, cases: Sequence[str], found: History) -> str:
    """The one case whose id holds these words; the words themselves where they name a kernel."""
    if any(name in (one.line, one.spec, one.release) or one.line.startswith(f"{name} ") for one in found.runs()):
        return name
    fitting = [case for case in cases if name in case]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        shown = "\n".join([*fitting[:_NAMED], *(["..."] if len(fitting) > _NAMED else [])])
        raise UsageError(
            f"{name}: {len(fitting)} cases have this in their id", evidence=shown, remedy="name one of them"
        )
    remedy = "name a case, a trait or a kernel of a run; harness history alone shows what there is"
    raise UsageError(f"{name}: no run in {found.path.parent} knows such a case, trait or kernel", remedy=remedy)


def _overview(found: History) -> Telling:
    """Each kernel line, what fails now, and what is flaky."""

    runs = found.runs()
    by_line = {line: [one for one in runs if one.line == line] for line in dict.fromkeys(one.line for one in runs)}
    failing = []
    for line, of in by_line.items():
        for case in found.failing_in(of[-1].folder):
            failing += [(case, one) for one in timelines(found.entries(CASE, case)) if one.line == line]
    flakes = found.flakes()

    def lines(width: int) -> list[Line]:
        if not runs:
            return [Line(f"{found.path.parent} holds no run yet")]
        shown = [
            each for line, of in by_line.items() for each in [*run_history_lines(line, of[-60:], width)[:2], Line("")]
        ]
        for block in (failing_lines(failing, width), flake_lines(flakes, width)):
            shown += [*block, Line("")] if block else []
        return shown[:-1]

    return lines
