"""``harness bisect``: which commit changed what a kernel does."""

from __future__ import annotations

import json
import os
import shlex
import sys
from functools import partial
from pathlib import Path

import click

from harness.base.errors import ExitStatus
from harness.bisect.report import BisectResult, answer_json, answer_lines
from harness.bisect.request import BisectRequest, TraceSelection
from harness.commands import options
from harness.commands.options import choose_cases, choose_workers, suite_of_kernels
from harness.guest.qemu import Acceleration
from harness.kernel.build.options import BuildOptions
from harness.pipeline import Options
from harness.report.display.events import Lines
from harness.report.display.plain import choose_display
from harness.report.lines import Line

TREE_HELP = """TREE is one of:

\b
  PATH               a kernel tree in git; --good and --bad are its revisions
  SOURCE+PATCHES     a source with a series on it, as for harness run: traced
  series:NAME        from patch to patch; --good and --bad are their numbers,
                     0 for the base, and may be left out
"""


BISECT_HELP = """Find the commits of TREE that changed what the kernel does between --good
and --bad: every case and trait that differs, in one go.

Killed or interrupted, it goes on where it was when it is started again.

\b
Exit status:
  0    everything is traced to a commit
  1    something is not: hidden by commits that do not build or boot, or
       flaky at both ends; or an end does not build or boot
  2    a case file is broken
  3    this host is at fault; start it again
  4    wrong usage: no such revision, ends that do not differ
  130  interrupted
"""


@click.command(help=BISECT_HELP, epilog=TREE_HELP)
@click.argument("tree")
@click.option("--good", metavar="REV", default="", help="The older end, as it should be.")
@click.option("--bad", metavar="REV", default="", help="The newer end, as it should not be.  [default: HEAD]")
@click.option("--case", "traced_cases", metavar="NAME", multiple=True, help="Trace this case; a part of its id does.")
@click.option("--trait", "traced_traits", metavar="NAME", multiple=True, help="Trace this trait.")
@click.option("--all", is_flag=True, hidden=True, expose_value=False)  # the default; accepted, as it was an option
@options.suite
@click.option("--cases", multiple=True, help="Ask the ends these files.  [default: all]")
@click.option("-k", "expression", metavar="EXPR", default="", help="Ask the ends cases whose name matches.")
@options.workers
@click.option("--profile", metavar="NAME", default="", help="Profile that judges all.  [default: the good end's]")
@click.option("--restart", is_flag=True, help="Forget what was found so far, and begin anew.")
@click.option("--replay", is_flag=True, help="Show each decision so far, and why; nothing is built.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@options.accel
@options.machine
@options.boot_seconds
@options.building
@options.results
def bisect(
    tree: str,
    good: str,
    bad: str,
    traced_cases: tuple[str, ...],
    traced_traits: tuple[str, ...],
    suite: str,
    cases: tuple[str, ...],
    expression: str,
    workers: str,
    profile: str,
    restart: bool,
    replay: bool,
    as_json: bool,
    accel: Acceleration | None,
    machine: str,
    boot_seconds: float,
    building: BuildOptions,
    results: Path,
) -> int:
    """Find the commits that changed a behavior; see :data:`BISECT_HELP`."""

    chosen, found = choose_cases(suite_of_kernels(suite, [tree]), cases)
    request = BisectRequest(
        tree,
        good,
        bad,
        TraceSelection(traced_traits, traced_cases, found, expression),
        Options("", profile, accel, machine_type=machine, boot_seconds=boot_seconds, build=building, suite=chosen),
        choose_workers(workers, found),
        results,
        shlex.join(["harness", *sys.argv[1:]]),
    )
    with choose_display(sys.stderr if as_json else sys.stdout, os.environ) as display:
        if replay:
            display.show(Lines(request.replay()))
            return int(ExitStatus.AS_EXPECTED)
        answer = request.run(display.show, restart=restart)
        if not as_json:
            display.show(Lines(partial(_told, answer, request)))
    if as_json:
        _print_json(answer)
    return int(ExitStatus.AS_EXPECTED if answer.is_whole else ExitStatus.DIFFERS)


def _told(answer: BisectResult, request: BisectRequest, width: int) -> list[Line]:

    where = f"runs and state: {request.folder}"
    return [Line(""), *answer_lines(answer, width), Line(where)]


def _print_json(answer: BisectResult) -> None:

    click.echo(json.dumps(answer_json(answer), indent=1))
