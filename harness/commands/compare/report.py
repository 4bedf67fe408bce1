# SPDX-License-Identifier: GPL-2.0-only
"""``harness report``: write the results of runs in a format for people or programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import click

from harness.base.errors import UsageError
from harness.commands import options
from harness.commands.compare.diff import RUN_HELP
from harness.commands.files import write_named
from harness.model.run_record import dumps_several
from harness.model.shard import dump_durations
from harness.report.display.events import Lines
from harness.report.display.plain import choose_display
from harness.report.lines import Line, Tone
from harness.report.tables.kernels import kernels_lines
from harness.report.tables.summary import header_lines, summary
from harness.results.durations import durations_of
from harness.results.selected import Reported, find_merged, find_reported
from harness.suite.load import case_files, suite_semantics

PLAIN_WIDTH = 80
DEFAULT_ORIGIN = "kernel_patch_harness"


class Format(StrEnum):
    """The format of a report."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    KTAP = "ktap"
    KCIDB = "kcidb"
    HTML = "html"
    DURATIONS = "durations"


@click.command(epilog=RUN_HELP)
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in Format]),
    default=Format.TEXT.value,
    show_default=True,
    help="Format of the report.",
)
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path), help="File to write.  [default: the terminal]"
)
@click.option("--merge", is_flag=True, help="Merge shards and reruns into one result.")
@click.option("--origin", metavar="NAME", default=DEFAULT_ORIGIN, help="For KCIDB: the name of the CI system.")
@click.option("--url", metavar="URL", default="", help="For KCIDB: address of the results folder.")
@options.suite
@options.results
def report(
    runs: tuple[str, ...],
    form: str,
    output: Path | None,
    merge: bool,
    origin: str,
    url: str,
    suite: str,
    results: Path,
) -> int:
    """Report RUNs side by side (last if none is named). A run with several kernels
    is reported kernel by kernel.

    A case has the same id in every format. The exit status shows whether the
    report was written, not whether the kernels pass: use harness run or
    harness diff for that.
    """

    words = runs or ("last",)
    if merge:
        shards = [one.run for one in find_reported(words, results=results)]
        semantics = suite_semantics(options.suite_of_runs(suite, shards))
        reported = find_merged(words, results=results, semantics=semantics)
    else:
        reported = find_reported(words, results=results)
    how = _How(Format(form), origin, url, results, suite)
    if how.form is Format.HTML and output is None and sys.stdout.isatty():
        raise UsageError("an HTML page cannot be shown on a terminal", remedy="name a file: --output report.html")
    _write(reported, output, how)
    return 0


@dataclass(frozen=True, slots=True)
class _How:
    """The options of a report, as on the command line."""

    form: Format
    origin: str
    url: str
    results: Path
    suite: str


def _write(reported: Sequence[Reported], output: Path | None, how: _How) -> None:
    if how.form is Format.TEXT and output is None:
        with choose_display(sys.stdout, os.environ) as display:
            display.show(Lines(lambda width: _text_lines(reported, width)))
        return
    text = _render(reported, how)
    # As bytes: the content declares UTF-8, whatever the terminal uses; lone surrogates become escapes.
    content = text.encode("utf-8", errors="backslashreplace")
    if output is None:
        click.echo(content, nl=False)
        return
    write_named("--output", output, content)
    click.echo(f"written: {output}")


def _render(reported: Sequence[Reported], how: _How) -> str:
    """Return the report as text."""
    runs, names = [one.run for one in reported], [one.name for one in reported]
    if how.form is Format.JUNIT:
        from harness.report.formats.junit import render_junit

        return render_junit(runs)
    if how.form is Format.KTAP:
        from harness.report.formats.ktap import render_ktap

        return render_ktap(runs, names=names)
    if how.form is Format.KCIDB:
        from harness.report.formats.kcidb import Sender, kcidb_report

        return json.dumps(kcidb_report(runs, names=names, sender=Sender(how.origin, how.url)), indent=1) + "\n"
    if how.form is Format.HTML:
        from harness.report.page.data import gather
        from harness.report.page.html import render_page
        from harness.suite.needed_options import needed_options

        suite = options.suite_of_runs(how.suite, runs)
        data = gather(
            reported,
            semantics=suite_semantics(suite),
            case_files=case_files(suite),
            results=how.results,
            noise=suite.noise,
            needed=needed_options(suite),
        )
        return render_page(data)
    if how.form is Format.DURATIONS:
        return dump_durations(durations_of(runs))
    if how.form is Format.JSON:
        return dumps_several(runs, names=names)
    return "".join(f"{line.text}\n" for line in _text_lines(reported, PLAIN_WIDTH))


def _text_lines(reported: Sequence[Reported], width: int) -> list[Line]:
    """Return the summaries of the runs, and a comparison of several."""

    lines: list[Line] = []
    for one in reported:
        lines += [Line(one.name, Tone.STRONG), *header_lines(one.run, width, total=len(one.run.cases))]
        lines += [*summary(one.run, width, is_one_of_several=len(reported) > 1), Line("")]
    return [*lines[:-1], *kernels_lines([one.run for one in reported], width)]
