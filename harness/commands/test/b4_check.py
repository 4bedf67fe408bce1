"""``harness b4-check``: a check for b4."""

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
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HarnessError
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

B4_HELP = """In the configuration of git, for b4 review:

\b
  [b4]
    review-perpatch-check-cmd = harness b4-check
    review-series-check-cmd = harness b4-check --series

and for b4 prep --check and b4 am --check:

\b
  [b4]
    prep-perpatch-check-cmd = harness b4-check --lines
    am-perpatch-check-cmd = harness b4-check --lines
"""


@click.command("b4-check", epilog=B4_HELP)
@click.option("--series", "is_series", is_flag=True, help="Tell of the whole series, not of the mail's patch.")
@click.option("--lines", is_flag=True, help="Print lines, as b4 prep and b4 am want them, and not JSON.")
@click.option("--quick", is_flag=True, help="Build no kernel: whether it applies, and scripts/checkpatch.pl.")
@click.option("--base", metavar="TREE@REV", default="", help="What it is applied to.  [default: as b4 says, or HEAD]")
@click.option(
    "--thread", metavar="FILE", type=click.Path(path_type=Path), help="The mailbox of the whole series, if it is known."
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
    """Judge the series that the mail on standard input is of, in the tree that
    this is started in, and say what b4 wants to know of it. The series is judged
    once; asked of its next patch, this answers at once.

    \b
    Exit status:
      0    judged, well or not
      3    this host is at fault; said in the answer, too
      4    wrong usage: no mail, no base; said in the answer, too
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
        # b4 takes what is on standard error for the fault of the patch.
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
    """What is said of the mail on standard input."""

    from harness.report.formats.b4 import patch_findings, series_findings

    posted = read_posted(
        sys.stdin.buffer.read(MAIL_BYTES),
        Context(words.settings.store, Deadline.after(PREPARE_SECONDS)),
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
    """The series of the mail, judged now or before; nothing of it is shown meanwhile."""

    with Path(os.devnull).open("w") as nowhere, PlainDisplay(nowhere) as display:
        brief = read_brief(words, display.show)
        return brief.record() if is_quick else judge_once(brief, display.show)


def _place(posted: Posted, record: SeriesRecord) -> int:
    """Which patch of the record the mail is: by its number, or, in a thread that was numbered anew, by its title."""
    count = len(record.posted)
    if 1 <= posted.number <= count and record.patches[posted.number].subject == posted.title:
        return posted.number
    return next((one.number for one in record.posted if one.subject == posted.title), min(max(1, posted.number), count))
