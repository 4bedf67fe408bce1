# SPDX-License-Identifier: GPL-2.0-only
"""``harness history``: show a case, a trait or a kernel over all runs of a results folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from harness.base.errors import UsageError
from harness.commands import options
from harness.model.inventory import TARGET
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
from harness.results.history import CASE, INVENTORY, TRAIT, History, opened_history, rebuild
from harness.results.timeline import timelines
from harness.suite.load import find_suite, shipped_names, suite_semantics

Telling = Callable[[int], "Sequence[Line]"]
"""Makes lines for a number of columns."""

_NAMED = 5


@click.command()
@click.argument("name", required=False, metavar="[CASE|TRAIT|inventory:KEY|KERNEL]")
@click.option("--rebuild", "is_rebuild", is_flag=True, help="Rebuild the database from the run folders first.")
@options.results
def history(name: str | None, is_rebuild: bool, results: Path) -> int:
    """Show when the result of a case, a trait, an entry of the inventory or a kernel
    changed over all runs in results/, for how long, and how often. Without a name,
    show which cases fail now and since when, and which are flaky.

    KEY is the key of an entry of runs with --inventory, or a part of it.
    KERNEL is a KERNEL argument as it was typed, a release, or a kernel line.
    CASE may be a part of an id.
    """

    if not results.is_dir():
        raise UsageError(f"no results folder {results}", remedy="run cases first: harness run")
    say = partial(click.echo, err=True)
    with choose_display(sys.stdout, os.environ) as display:
        if is_rebuild:
            for note in rebuild(results, say=say):
                say(f"note: {note}")
        with opened_history(results, say=say) as found:
            for complaint in found.bring_up_to_date(results):
                say(f"note: skipped: {complaint}")
            display.show(Lines(_named_lines(found, name) if name else _overview(found)))
    return 0


def _named_lines(found: History, name: str) -> Telling:
    """Return the lines of a case, a trait or a kernel.

    :raises UsageError: the name is unknown or ambiguous.
    """

    if name.startswith(TARGET):
        key = _only_entry(name.removeprefix(TARGET), found)
        return partial(trait_history_lines, key, timelines(found.entries(INVENTORY, key)))
    cases = found.names(CASE)
    name = name if any(name in case for case in cases) else current_case_id(name)
    if name in cases or (name not in found.names(TRAIT) and (name := _only_case(name, cases, found)) in cases):
        return partial(case_history_lines, name, timelines(found.entries(CASE, name)))
    if name in found.names(TRAIT):
        return partial(
            trait_history_lines, name, timelines(found.entries(TRAIT, name)), expected=partial(_expected, name)
        )
    runs = [one for one in found.runs() if name in (one.line, one.spec, one.release) or one.line.startswith(f"{name} ")]
    by_line = {line: [one for one in runs if one.line == line] for line in dict.fromkeys(one.line for one in runs)}
    return lambda width: [each for line, of in by_line.items() for each in run_history_lines(line, of, width)]


def _only_entry(part: str, found: History) -> str:
    """Return the key of the only entry of the inventory that contains a text.

    :raises UsageError: there is none, or there are several.
    """
    keys = found.names(INVENTORY)
    fitting = [part] if part in keys else [key for key in keys if part in key]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        shown = "\n".join([*fitting[:_NAMED], *(["..."] if len(fitting) > _NAMED else [])])
        what = f"{TARGET}{part}: {len(fitting)} entries contain this"
        raise UsageError(what, evidence=shown, remedy="name one of them")
    remedy = "take inventories first: harness run KERNEL --inventory"
    raise UsageError(f"{TARGET}{part}: no run in {found.path.parent} lists such an entry", remedy=remedy)


def _expected(trait: str, profile: str) -> str:
    """Return the value that a profile of a shipped suite expects of a trait; empty if there is none."""
    for suite in shipped_names():
        semantics = suite_semantics(find_suite(suite))
        if trait in semantics.traits:
            return semantics.expected(trait, profile)
    return ""


def _only_case(name: str, cases: Sequence[str], found: History) -> str:
    """Return the id of the only case that contains a name; the name itself if it is that of a kernel."""
    if any(name in (one.line, one.spec, one.release) or one.line.startswith(f"{name} ") for one in found.runs()):
        return name
    fitting = [case for case in cases if name in case]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        shown = "\n".join([*fitting[:_NAMED], *(["..."] if len(fitting) > _NAMED else [])])
        raise UsageError(f"{name}: {len(fitting)} case ids contain this", evidence=shown, remedy="name one of them")
    remedy = "name a case, a trait or a kernel of a run; list failing cases: harness history"
    raise UsageError(f"{name}: no run in {found.path.parent} has such a case, trait or kernel", remedy=remedy)


def _overview(found: History) -> Telling:
    """Return each kernel line, the failing cases and the flaky cases."""

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
