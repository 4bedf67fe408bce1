# SPDX-License-Identifier: GPL-2.0-only
"""``harness series``: test a series patch by patch."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from pathlib import Path

import click

from harness.base.errors import ExitStatus, HarnessError
from harness.base.store import Store
from harness.checks.registry import ALL, further_checks
from harness.commands import options
from harness.commands.exit_status import tell
from harness.commands.options import choose_cases, choose_workers, suite_of_kernels
from harness.commands.test import judging_options
from harness.commands.test.bases import Bases, bases_options, judge_bases
from harness.commands.test.hosts_options import on_hosts, read_hosts
from harness.commands.test.patchwork import context_option, project_option, target_option
from harness.commands.test.series_output import SeriesOutputs, commands_stopped, tell_github, write_answers
from harness.commands.typed_options import typed_options
from harness.guest.qemu import Acceleration
from harness.kernel.build.options import BuildOptions
from harness.kernel.build.variants import read_variants
from harness.model.series_record import PatchState
from harness.pipeline import Fresh, Options, read_machine_type
from harness.report.display.events import Lines, RunReport
from harness.report.lines import Line
from harness.report.tables.series import series_lines
from harness.semantics.traits import MAINLINE, Semantics
from harness.series.declared import read_expected
from harness.series.patchwork_checks import Poster
from harness.series.request import SeriesWords, read_brief
from harness.series.walk import LINES_NAME, SeriesOutcome
from harness.suite.definition import Suite
from harness.suite.load import suite_semantics

SERIES_HELP = """SERIES is a mailbox as saved from a list archive, a folder of patches, or
a range A..B of the tree's history. After a mailbox, ?v=2 selects that
version, ?id=MESSAGE-ID the series of that mail (or that patch), ?rfc a series
marked RFC, ?path=PREFIX the patches that touch such files; & combines them.

Intended changes are declared in a harness.toml next to it, or with
--expect; any other change is unexpected.
"""
JUDGE_HELP = """Test SERIES patch by patch: build and boot the base and each patch, run the
cases, and report the changes of each patch.

\b
Exit status:
  0    only declared changes
  1    a patch does not apply, build or boot, or has an undeclared
       change; or a declared change is missing
  2    a case file is broken
  3    host error
  4    usage error
  130  interrupted
"""


def outputs_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options for outputs to a command, which receives them as ``outputs``."""

    @wraps(command)
    def gathered(*, mail: str, server: str, project: str, context: str, target_url: str, **rest: object) -> int:
        return command(outputs=SeriesOutputs(mail, server, project, context, target_url), **rest)

    to_mail = click.option(
        "--mail", metavar="FILE", default="", help="File for the reply to the list; - is standard output."
    )
    to_server = click.option(
        "--patchwork", "server", metavar="URL", default="", help="Patchwork server for checks; see harness patchwork."
    )
    return to_mail(to_server(project_option(context_option(target_option(gathered)))))


@click.command(help=JUDGE_HELP, epilog=SERIES_HELP)
@click.argument("series", metavar="SERIES")
@bases_options
@click.option(
    "--expect",
    metavar="[N:]TRAIT=VALUE",
    multiple=True,
    help="Declare a change of the series (or of patch N), or of inventory:KEY; may be repeated.",
)
@click.option("--full", is_flag=True, help="Run all cases on each patch, not only on the ends.")
@click.option("--werror", is_flag=True, help="Fail the series for findings of checkpatch.pl or the compiler.")
@click.option(
    "--checks",
    metavar="NAMES",
    is_flag=False,
    flag_value=ALL,
    default=None,
    help="Run further checks of each patch; --checks=NAMES selects some. See harness checks --list.",
)
@click.option(
    "--answers",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder for copies of all outputs (results/README.md).",
)
@options.suite
@options.cases
@options.expression
@options.workers
@options.hosts
@click.option("--profile", metavar="NAME", default="", help="Profile that judges, or auto.  [default: mainline]")
@options.accel
@options.machine
@options.append
@options.boot_seconds
@options.coverage_of_series
@options.variants
@options.inventory
@options.building
@judging_options.known_option
@outputs_options
@options.results
def series(
    series: str,
    bases: Bases,
    expect: tuple[str, ...],
    full: bool,
    werror: bool,
    checks: str | None,
    answers: Path | None,
    suite: str,
    cases: tuple[str, ...],
    expression: str,
    workers: str,
    hosts: str,
    profile: str,
    accel: Acceleration | None,
    machine: str,
    append: tuple[str, ...],
    boot_seconds: float,
    coverage: bool | None,
    variants: str,
    inventory: bool,
    building: BuildOptions,
    known: Path | None,
    outputs: SeriesOutputs,
    results: Path,
) -> int:
    """Judge a series patch by patch; see :data:`JUDGE_HELP`. Standard output may be for the mail alone."""
    from harness.run import one_kernel, selection

    more, poster = further_checks(checks), outputs.poster()
    chosen, found = choose_cases(suite_of_kernels(suite, bases.beside(series)), cases, [bases.first])
    read_machine_type(machine, append)
    booted, lister = options.listed(chosen, is_wanted=inventory)
    what = selection.Selection(found, expression, choose_workers(workers, found))
    judging = judging_options.read_judging("", known, suite=chosen, results=results)
    command = shlex.join(["harness", *sys.argv[1:]])
    inputs = (what, _read_semantics(profile, chosen), judging, results, Store.default(), command, chosen)
    settings = one_kernel.RunSettings(*inputs, typed_options(click.get_current_context()), lister=lister)
    each = Options("", profile, accel, Fresh.CLONE, machine, boot_seconds, building, booted, append, coverage)
    declared = read_expected(expect, semantics=settings.semantics)
    words = SeriesWords(series, bases.first, each, settings, declared, full, werror, more)
    words = replace(words, variants=read_variants(variants, chosen.config))
    with outputs.display() as display, commands_stopped(err=outputs.takes_stdout):
        with _on_hosts(words, hosts, display.show) as words:
            if bases.is_many:
                return int(judge_bases(words, bases, display.show, outputs, answers))
            judged = _judge(words, display.show, outputs, poster)
        _show(judged, display.show, outputs.mail, answers)
    tell_github(judged.record, err=outputs.takes_stdout)
    return int(max(_status(judged), outputs.post(judged.record, poster, judged.folder.path) if poster else 0))


@contextlib.contextmanager
def _on_hosts(words: SeriesWords, hosts: str, report: RunReport) -> Iterator[SeriesWords]:
    """Start workers on the hosts for the duration of a ``with`` block; return the arguments of a test on them.

    Coverage is not noted there, so it is off by default, and an error on request.
    """
    options = words.options
    found = read_hosts(hosts, trusts=options.build.is_trusted)
    if found.hosts and options.coverage is None:
        words = replace(words, options=replace(options, coverage=False))
    with on_hosts(words.settings, found, accel=options.accel, report=report) as settings:
        yield replace(words, settings=settings)


def _judge(words: SeriesWords, report: RunReport, outputs: SeriesOutputs, poster: Poster | None) -> SeriesOutcome:
    """Test the series; if checks are posted, pending ones come first and do not stay pending after an error."""

    brief = read_brief(words, report)
    if poster is None:
        return brief.walk(report)
    outputs.post_pending(brief.record(), poster, report)
    try:
        return brief.walk(report)
    except HarnessError as error:
        outputs.abandon(brief.record(), poster, error.what, report)
        raise


def _show(judged: SeriesOutcome, report: RunReport, mail: str, copies: Path | None) -> None:
    """Show the result and write the outputs."""

    report(Lines(lambda width: [Line(""), *series_lines(judged.record, width)]))
    junit = write_answers(
        judged.record, judged.runs, judged.folder, variant_runs=judged.variant_runs, mail=mail, copies=copies
    )
    page = [judged.folder.path / LINES_NAME] if judged.record.lines is not None else []
    report(Lines(lambda width: [*(Line(f"lines: {one}") for one in page), Line(f"results: {junit}")]))


def _status(judged: SeriesOutcome) -> ExitStatus:
    """Return the exit status; print the error that ended the test, if any."""

    fails = ExitStatus.DIFFERS if judged.record.state is PatchState.FAIL else ExitStatus.AS_EXPECTED
    ended = tell(judged.error) if judged.error is not None else ExitStatus.AS_EXPECTED
    return max(judged.status, fails, ended)


def _read_semantics(profile: str, suite: Suite) -> Semantics:
    """Return the traits and profiles.

    :raises UsageError: no such profile.
    """

    semantics = suite_semantics(suite)
    if profile not in ("", MAINLINE):
        semantics.profile(profile, release=None)
    return semantics
