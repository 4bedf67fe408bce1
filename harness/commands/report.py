"""``harness report``: what runs came to, in a format for people or programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import places
from harness.commands import options
from harness.commands.diff import RUN_HELP
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.report.lines import Line
    from harness.report.reported import Reported
    from harness.semantics import Semantics

PLAIN_WIDTH = 80
DEFAULT_ORIGIN = "kernel_patch_harness"


class Format(StrEnum):
    """What a report is written as."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    KTAP = "ktap"
    KCIDB = "kcidb"


@click.command(epilog=RUN_HELP, short_help="Write a report: text, JSON, JUnit, KTAP, KCIDB.")
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in Format]),
    default=Format.TEXT.value,
    show_default=True,
    help="What to write.",
)
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="Where to.  [default: the terminal]")
@click.option("--merge", is_flag=True, help="Join the runs into one: shards, or what was asked again.")
@click.option("--origin", metavar="NAME", default=DEFAULT_ORIGIN, help="For KCIDB: the name of the CI system.")
@click.option("--url", metavar="URL", default="", help="For KCIDB: where the results folder can be fetched.")
@options.results
def report(
    runs: tuple[str, ...], form: str, output: Path | None, merge: bool, origin: str, url: str, results: Path | None
) -> int:
    """Report on RUNs beside each other (last when none is named). Of a run with
    several kernels each is reported on.

    A case has the same id in every format. The exit status says whether the
    report was written, and nothing of the kernels: that is for harness run and
    harness diff.
    """
    from harness.report.reported import find_merged, find_reported

    folder, words = results or places.RESULTS, runs or ("last",)
    if merge:
        reported = find_merged(words, results=folder, semantics=_semantics())
    else:
        reported = find_reported(words, results=folder)
    _write(reported, Format(form), output, origin=origin, url=url)
    return 0


def _write(reported: Sequence[Reported], form: Format, output: Path | None, *, origin: str, url: str) -> None:
    if form is Format.TEXT and output is None:
        from harness.report.terminal import choose_display

        with choose_display(sys.stdout, os.environ) as display:
            display.lines(lambda width: _text_lines(reported, width))
        return
    text = _render(reported, form, origin=origin, url=url)
    # As bytes: what is in it says that it is UTF-8, whatever the terminal speaks. A lone surrogate cannot be written.
    content = text.encode("utf-8", errors="backslashreplace")
    if output is None:
        click.echo(content, nl=False)
        return
    from harness.whole_file import write_whole

    try:
        write_whole(output, content, mode=0o644)
    except OSError as error:
        remedy = "name a file in a folder that is there and can be written"
        raise UsageError(f"--output {output} cannot be written", evidence=str(error), remedy=remedy) from None
    click.echo(f"written: {output}")


def _render(reported: Sequence[Reported], form: Format, *, origin: str, url: str) -> str:
    """The report as text."""
    runs, names = [one.run for one in reported], [one.name for one in reported]
    if form is Format.JUNIT:
        from harness.report.junit import render_junit

        return render_junit(runs)
    if form is Format.KTAP:
        from harness.report.ktap import render_ktap

        return render_ktap(runs, names=names)
    if form is Format.KCIDB:
        import json

        from harness.report.kcidb import Sender, kcidb_report

        return json.dumps(kcidb_report(runs, names=names, sender=Sender(origin, url)), indent=1) + "\n"
    if form is Format.JSON:
        from harness.report.record import dumps_several

        return dumps_several(runs, names=names)
    return "".join(f"{line.text}\n" for line in _text_lines(reported, PLAIN_WIDTH))


def _text_lines(reported: Sequence[Reported], width: int) -> list[Line]:
    """What the runs said at their ends, and of several what differs between them."""
    from harness.report.kernels import kernels_lines
    from harness.report.lines import Line, Tone
    from harness.report.summary import header_lines, summary

    lines: list[Line] = []
    for one in reported:
        lines += [Line(one.name, Tone.STRONG), *header_lines(one.run, width, total=len(one.run.cases))]
        lines += [*summary(one.run, width, is_one_of_several=len(reported) > 1), Line("")]
    return [*lines[:-1], *kernels_lines([one.run for one in reported], width)]


def _semantics() -> Semantics:
    from harness.semantics import load_semantics

    return load_semantics(places.SEMANTICS.read_text(), path="cases/semantics.toml")
