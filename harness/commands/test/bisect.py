# SPDX-License-Identifier: GPL-2.0-only
"""``harness bisect``: find the commits that changed the behavior of a kernel."""

from __future__ import annotations

import json
import os
import shlex
import sys
from functools import partial
from pathlib import Path

import click

from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.bisect.report import BisectResult, answer_json, answer_lines
from harness.bisect.request import BisectRequest
from harness.bisect.wanted import TraceSelection, parse_target
from harness.commands import options
from harness.commands.options import choose_cases, choose_workers, suite_of_kernels
from harness.commands.test.hosts_options import read_hosts, spread_over
from harness.guest.qemu import Acceleration
from harness.kernel.build.options import BuildOptions
from harness.pipeline import Fresh, Options, read_machine_type
from harness.report.display.events import Lines
from harness.report.display.plain import choose_display
from harness.report.lines import Line

TREE_HELP = """TREE is one of:

\b
  PATH               a kernel tree in git; --good and --bad are its revisions
  SOURCE+PATCHES     a source with a series on it, as for harness run
  series:NAME        a shipped series; for both, --good and --bad are numbers
                     of patches (0 is the base) and optional
"""


BISECT_HELP = """Find the commits of TREE that changed the behavior of the kernel between
--good and --bad: all cases and traits that differ are traced in one bisection.

After an interruption or a kill, the same command continues.

\b
--target traces one thing, and may be repeated:
  case:ID            a case; a part of its id is enough (also --case)
  trait:NAME         a trait (also --trait)
  splat:FINGERPRINT  whether the kernel log has this splat
  inventory:KEY      an entry of the inventory; a part of its key is enough
  builds             whether the kernel builds; nothing is booted
  boots              whether it boots; no case is run
With builds or boots, an end may be one that does not.

\b
Exit status:
  0    everything was traced to a commit
  1    something was not: hidden by commits that do not build or boot, or
       flaky at both ends; or an end does not build or boot, untraced
  2    a case file is broken
  3    host error; run the same command again
  4    usage error: no such revision, ends that do not differ
  130  interrupted
"""


@click.command(help=BISECT_HELP, epilog=TREE_HELP)
@click.argument("tree")
@click.option("--good", metavar="REV", default="", help="The older end, which works.")
@click.option("--bad", metavar="REV", default="", help="The newer end, which does not work.  [default: HEAD]")
@click.option(
    "--case", "traced_cases", metavar="NAME", multiple=True, help="Trace this case; a part of its id is enough."
)
@click.option("--trait", "traced_traits", metavar="NAME", multiple=True, help="Trace this trait.")
@click.option("--target", "targets", metavar="TARGET", multiple=True, help="Trace this, see above; may be repeated.")
@click.option("--all", is_flag=True, hidden=True, expose_value=False)  # the default; still accepted
@options.suite
@click.option("--cases", multiple=True, help="Case file or folder to run on the ends; may be repeated.  [default: all]")
@click.option("-k", "expression", metavar="EXPR", default="", help="Run the cases that match on the ends.")
@options.workers
@options.hosts
@click.option("--profile", metavar="NAME", default="", help="Profile that judges all.  [default: the good end's]")
@click.option("--restart", is_flag=True, help="Discard the state and start over.")
@click.option("--replay", is_flag=True, help="Show each decision so far with its reason; nothing is built.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@options.accel
@options.machine
@options.append
@options.boot_seconds
@options.building
@options.results
def bisect(
    tree: str,
    good: str,
    bad: str,
    traced_cases: tuple[str, ...],
    traced_traits: tuple[str, ...],
    targets: tuple[str, ...],
    suite: str,
    cases: tuple[str, ...],
    expression: str,
    workers: str,
    hosts: str,
    profile: str,
    restart: bool,
    replay: bool,
    as_json: bool,
    accel: Acceleration | None,
    machine: str,
    append: tuple[str, ...],
    boot_seconds: float,
    building: BuildOptions,
    results: Path,
) -> int:
    """Find the commits that changed a behavior; see :data:`BISECT_HELP`."""

    traced = tuple(map(parse_target, targets))
    chosen, found = choose_cases(suite_of_kernels(suite, [tree]), cases, [tree])
    read_machine_type(machine, append)
    request = BisectRequest(
        tree,
        good,
        bad,
        TraceSelection(traced_traits, traced_cases, found, expression, traced),
        Options("", profile, accel, Fresh.CLONE, machine, boot_seconds, building, chosen, append),
        choose_workers(workers, found),
        results,
        shlex.join(["harness", *sys.argv[1:]]),
    )
    with choose_display(sys.stderr if as_json else sys.stdout, os.environ) as display:
        if replay:
            display.show(Lines(request.replay()))
            return int(ExitStatus.AS_EXPECTED)
        found_hosts = read_hosts(hosts, trusts=building.is_trusted)
        with spread_over(found_hosts, Store.default(), accel=accel, report=display.show) as spread:
            answer = request.run(display.show, restart=restart, spread=spread)
        if not as_json:
            display.show(Lines(partial(_result_lines, answer, request)))
    if as_json:
        _print_json(answer)
    return int(ExitStatus.AS_EXPECTED if answer.is_whole else ExitStatus.DIFFERS)


def _result_lines(answer: BisectResult, request: BisectRequest, width: int) -> list[Line]:

    where = f"runs and state: {request.folder}"
    return [Line(""), *answer_lines(answer, width), Line(where)]


def _print_json(answer: BisectResult) -> None:

    click.echo(json.dumps(answer_json(answer), indent=1))
