"""``harness patchwork``: what a series came to, as checks on a Patchwork server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from harness.base.errors import ExitStatus, UsageError
from harness.commands import options
from harness.commands.test.series_output import make_poster, report_waiting
from harness.model.series_record import SERIES_NAME, SeriesRecord
from harness.results.records import load_series
from harness.series.patchwork import check_words
from harness.series.patchwork_checks import final_checks, pending_checks

Command = TypeVar("Command", bound=Callable[..., object])

project_option = click.option("--project", metavar="NAME", default="", help="The project's link name on the server.")
context_option = click.option(
    "--context", metavar="NAME", default="harness", show_default=True, help="What to call the check there."
)
target_option = click.option("--target-url", metavar="URL", default="", help="Where the results can be read.")


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option("--server", metavar="URL", required=True, help="The server, e.g. https://patchwork.kernel.org.")
@project_option
@context_option
@target_option
@click.option(
    "--patch",
    "numbers",
    metavar="ID",
    type=click.IntRange(min=1),
    multiple=True,
    help="The server's number of a patch, once for each in order.  [default: found by Message-ID]",
)
@click.option("--pending", is_flag=True, help="Say that the patches are being judged.")
@options.results
def patchwork(
    folder: str,
    server: str,
    project: str,
    context: str,
    target_url: str,
    numbers: tuple[int, ...],
    pending: bool,
    results: Path,
) -> int:
    """Post what the series of FOLDER (or its name in results/) came to. The token
    is that of the environment, PATCHWORK_TOKEN. A server that fails is asked
    again, five times at most.

    \b
    Exit status:
      0    every patch has its check
      3    the server does not answer
      4    the token, the URL or a patch is not known there
    """

    record = _read(folder, results)
    check_words(context, target_url)
    if numbers and len(numbers) != len(record.posted):
        remedy = "name them all, in their order"
        raise UsageError(f"--patch names {len(numbers)} of {len(record.posted)} patches", remedy=remedy)
    poster = make_poster(server, project=project, numbers=numbers)
    checks = (pending_checks if pending else final_checks)(record, context=context, target_url=target_url)
    poster.post(checks, report=report_waiting)
    click.echo(f"{len(record.posted)} checks posted")
    return int(ExitStatus.AS_EXPECTED)


def _read(word: str, results: Path) -> SeriesRecord:
    """The record of a series' folder. :raises UsageError: there is none, or it is damaged."""

    file = next(
        (path / SERIES_NAME for path in (Path(word), results / word) if path.is_dir()), Path(word) / SERIES_NAME
    )
    try:
        return load_series(file.read_text(encoding="utf-8"), source=str(file))
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"name a folder that harness series wrote: it holds {SERIES_NAME}"
        raise UsageError(f"{word} is no folder of a series", evidence=str(error), remedy=remedy) from None
