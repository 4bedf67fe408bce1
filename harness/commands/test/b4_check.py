# SPDX-License-Identifier: GPL-2.0-only
"""``harness b4-check``: test a series as a check of b4."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.context import Context
from harness.base.errors import ExitStatus, HarnessError
from harness.base.process import patient_deadline
from harness.base.store import Store
from harness.commands import options
from harness.commands.options import choose_cases, choose_workers
from harness.commands.test import judging_options
from harness.kernel.build.options import BuildOptions
from harness.model.series_record import SeriesRecord
from harness.pipeline import PREPARE_SECONDS, Options
from harness.report.display.plain import PlainDisplay
from harness.series.from_mail import MAIL_BYTES, Posted, read_posted
from harness.series.request import SeriesWords, judge_once, read_brief
from harness.suite.definition import Suite
from harness.suite.load import suite_semantics

if TYPE_CHECKING:
    from harness.report.formats.b4 import B4Finding
    from harness.run.selection import Selection

B4_HELP = """Configuration of git for b4 review:

\b
  [b4]
    review-perpatch-check-cmd = harness b4-check
    review-series-check-cmd = harness b4-check --series

For b4 prep --check and b4 am --check:

\b
  [b4]
    prep-perpatch-check-cmd = harness b4-check --lines
    am-perpatch-check-cmd = harness b4-check --lines
"""


@click.command("b4-check", epilog=B4_HELP)
@click.option("--series", "is_series", is_flag=True, help="Report on the whole series, not on the mail's patch.")
@click.option("--lines", is_flag=True, help="Print lines for b4 prep and b4 am instead of JSON.")
@click.option("--quick", is_flag=True, help="Build no kernel; check that it applies, and run scripts/checkpatch.pl.")
@click.option("--base", metavar="TREE@REV", default="", help="Base of the series.  [default: that of b4, or HEAD]")
@click.option(
    "--thread", metavar="FILE", type=click.Path(path_type=Path), help="Mailbox of the whole series, if known."
)
@options.suite
@options.cases
@options.expression
@options.workers
@options.building
@options.results
def b4_check(
    is_series: bool,
    lines: bool,
    quick: bool,
    base: str,
    thread: Path | None,
    suite: str,
    cases: tuple[str, ...],
    expression: str,
    workers: str,
    building: BuildOptions,
    results: Path,
) -> int:
    """Test the series of the mail on standard input, in the current tree, and print
    the result for b4. The series is tested once; the result for its other
    patches comes at once.

    \b
    Exit status:
      0    tested, whatever the result
      3    host error; part of the output as well
      4    usage error: no mail, no base; part of the output as well
    """
    from harness.report.formats.b4 import error_finding, render_json, render_lines
    from harness.run.selection import Selection

    status = ExitStatus.AS_EXPECTED
    try:
        chosen, found = choose_cases(suite, cases)
        selection = Selection(found, expression, choose_workers(workers, found))
        words = _words(base, selection, chosen, building, results)
        findings = list(_findings(words, base, thread, is_series=is_series, is_quick=quick))
    except HarnessError as error:
        # b4 takes output on standard error for a fault of the patch.
        status = error.exit_status if error.exit_status is not ExitStatus.DIFFERS else ExitStatus.AS_EXPECTED
        findings = [error_finding(error.what, str(error))]
    click.echo(render_lines(findings) if lines else render_json(findings), nl=False)
    return int(status)


def _words(base: str, selection: Selection, suite: Suite, building: BuildOptions, results: Path) -> SeriesWords:
    from harness.run.one_kernel import RunSettings

    asked = RunSettings(
        selection,
        suite_semantics(suite),
        judging_options.read_judging("", None, suite=suite, results=results),
        results,
        Store.default(),
        shlex.join(["harness", *sys.argv[1:]]),
        suite,
    )
    return SeriesWords("", base, Options("", build=building, suite=suite), asked)


def _findings(
    words: SeriesWords, base: str, thread: Path | None, *, is_series: bool, is_quick: bool
) -> Iterator[B4Finding]:
    """Yield the findings for the mail on standard input."""

    from harness.report.formats.b4 import patch_findings, series_findings

    posted = read_posted(
        sys.stdin.buffer.read(MAIL_BYTES),
        Context(words.settings.store, patient_deadline(PREPARE_SECONDS)),
        base=base,
        thread=thread,
        folder=Path.cwd(),
        environment=os.environ,
    )
    record = _judge(replace(words, series=posted.series, base=posted.base), is_quick=is_quick)
    if is_series or posted.number == 0:
        yield from series_findings(record, is_quick=is_quick)
        return
    yield from patch_findings(record.patches[_place(posted, record)], is_alone=posted.is_alone, is_quick=is_quick)


def _judge(words: SeriesWords, *, is_quick: bool) -> SeriesRecord:
    """Test the series of the mail silently, unless it was tested before."""

    with Path(os.devnull).open("w") as nowhere, PlainDisplay(nowhere) as display:
        brief = read_brief(words, display.show)
        return brief.record() if is_quick else judge_once(brief, display.show)


def _place(posted: Posted, record: SeriesRecord) -> int:
    """Return the number of the mail's patch in the record; by title if the thread was renumbered."""
    count = len(record.posted)
    if 1 <= posted.number <= count and record.patches[posted.number].subject == posted.title:
        return posted.number
    return next((one.number for one in record.posted if one.subject == posted.title), min(max(1, posted.number), count))
