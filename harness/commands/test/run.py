# SPDX-License-Identifier: GPL-2.0-only
"""``harness run``: run the cases on one kernel or several."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.commands import options
from harness.commands.exit_status import tell
from harness.commands.options import choose_cases, choose_workers, suite_of_kernels, with_variants
from harness.commands.test import judging_options
from harness.commands.typed_options import typed_options
from harness.guest.qemu import Acceleration
from harness.kernel.build.options import BuildOptions
from harness.model.kernel_spec import parse_spec
from harness.model.run_record import RunRecord
from harness.pipeline import Fresh, Options, read_machine_type
from harness.report.display.plain import RunDisplay, choose_display, choose_width
from harness.semantics.traits import MAINLINE, Semantics
from harness.suite.definition import Suite
from harness.suite.load import suite_semantics
from harness.watch.child import EventWriter, await_request
from harness.watch.wire import Request, files_of

if TYPE_CHECKING:
    from harness.run.one_kernel import RunSettings
    from harness.run.rounds import Rounds

_WATCHED = "--watched"
"""Hidden: the option of the rounds of ``harness watch``."""
RUN_HELP = """Run the cases on one kernel or several (deb if none is named).

\b
Exit status:
  0    everything is as expected; with --baseline: nothing regressed
  1    a verdict differs, or the kernel does not apply, build or boot
  2    a case file is broken, the others were run; a known failure expired
  3    host error, or a bug of the harness
  4    usage error: unknown argument, not a kernel image
  130  interrupted


With --bisect-status, for 'git bisect run':
  0    good: everything is as expected
  1    bad: a verdict differs
  125  cannot be tested: does not apply, build or boot, or no case applies
  128  anything else; the bisection ends
"""


@click.command(help=RUN_HELP, epilog=options.KERNEL_HELP)
@click.argument("kernels", metavar="[KERNEL]...", nargs=-1)
@options.suite
@options.cases
@options.expression
@options.workers
@options.fail_fast
@options.maxfail
@options.profile
@options.accel
@click.option(
    "--fresh",
    type=click.Choice([one.value for one in Fresh]),
    default=Fresh.CLONE.value,
    show_default=True,
    help="How each case gets its own machine.",
)
@options.machine
@options.append
@options.boot_seconds
@options.coverage
@options.variants
@options.inventory
@options.in_place
@options.building
@judging_options.rounds_options
@judging_options.baseline_option
@judging_options.known_option
@judging_options.bisect_status_option
@judging_options.touching_options
@judging_options.shard_options
@options.hosts
@options.scheduler
@options.results
@click.option(_WATCHED, "is_watched", is_flag=True, hidden=True)
def run(
    kernels: tuple[str, ...],
    suite: str,
    cases: tuple[str, ...],
    expression: str,
    workers: str,
    failures: int | None,
    profile: str,
    accel: Acceleration | None,
    fresh: str,
    machine: str,
    append: tuple[str, ...],
    boot_seconds: float,
    coverage: bool,
    variants: str,
    inventory: bool,
    building: BuildOptions,
    rounds: Rounds,
    baseline: str,
    known: Path | None,
    bisect_status: bool,
    touching: tuple[str, bool, int],
    shard: tuple[str, Path | None, str],
    hosts: str,
    scheduler: str,
    results: Path,
    is_watched: bool,
) -> int:
    """Run the cases on a kernel; see :data:`RUN_HELP`."""
    _check_count(kernels, is_for_one=bisect_status or bool(shard[2]), variants=variants)
    if (request := await_request() if is_watched else Request()) is None:
        return int(ExitStatus.INTERRUPTED)
    from harness.run import one_kernel, selection

    kernels, resumed = judging_options.read_resumed(shard[2], kernels, results)
    chosen, found = choose_cases(suite_of_kernels(suite, kernels), files_of(request.only) or cases, kernels)
    how = (failures or 0, rounds, request.only, judging_options.read_shard(shard, chosen))
    booted, lister = options.listed(chosen, is_wanted=inventory)
    each = Options("", profile, accel, Fresh(fresh), machine, boot_seconds, building, booted, append, coverage)
    wanted = with_variants(each, kernels or ("deb",), variants)
    what = selection.Selection(found, expression, choose_workers(workers, found), *how)
    judging = judging_options.read_judging(baseline, known, suite=chosen, results=results)
    inputs = (what, _check_words(wanted, chosen), judging, results, Store.default(), _command(), chosen)
    touched = judging_options.read_touching(touching, results)
    more = (typed_options(click.get_current_context()), not is_watched, touched)
    settings = one_kernel.RunSettings(*inputs, *more, resumed=resumed, lister=lister)
    with _display(is_watched=is_watched, is_for_several=len(wanted) > 1) as display:
        return _run(wanted, settings, display, spread=(hosts, scheduler), bisect_status=bisect_status)


def _run(
    wanted: Sequence[Options],
    settings: RunSettings,
    display: RunDisplay,
    *,
    spread: tuple[str, str],
    bisect_status: bool,
) -> int:
    """Run the cases.

    :param spread: the arguments of ``--hosts`` and ``--scheduler``.
    """
    from harness.commands.test.hosts_options import on_hosts, read_spread
    from harness.run.several_kernels import run_kernels

    records: list[RunRecord] = []
    found = read_spread(*spread, trusts=wanted[0].build.is_trusted)
    with on_hosts(settings, found, accel=wanted[0].accel, report=display.show) as placed:
        status = run_kernels(wanted, placed, report=display.show, tell=tell, on_record=records.append)
    return int(judging_options.bisect_status(status, records) if bisect_status else status)


def _command() -> str:
    """Return the command line of the user."""
    return shlex.join(["harness", *(word for word in sys.argv[1:] if word != _WATCHED)])


def _check_count(kernels: Sequence[str], *, is_for_one: bool, variants: str) -> None:
    if is_for_one and (len(kernels) > 1 or variants):
        without = ", without --variants" if variants else ""
        raise click.UsageError(f"--bisect-status and --resume are for one kernel{without}")


def _display(*, is_watched: bool, is_for_several: bool) -> RunDisplay:
    """Return the display: the terminal, or the process that watches."""
    if is_watched:
        return EventWriter(sys.stdout, width=choose_width(sys.stdout, os.environ))
    return choose_display(sys.stdout, os.environ, is_for_several=is_for_several)


def _check_words(settings: Sequence[Options], suite: Suite) -> Semantics:
    """Check arguments before anything is fetched, built or booted; return the traits and profiles.

    :raises UsageError: unknown form of KERNEL, machine type or profile.
    """
    semantics = suite_semantics(suite)
    for one in settings:
        parse_spec(one.kernel)
        read_machine_type(one.machine_type, one.append)
        if one.profile not in ("", MAINLINE):
            semantics.profile(one.profile, release=None)
    return semantics
