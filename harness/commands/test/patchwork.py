# SPDX-License-Identifier: GPL-2.0-only
"""``harness patchwork``: post the result of a series as checks to a Patchwork server."""

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
from harness.series.patchwork_checks import final_checks, pending_checks
from harness.series.patchwork_server import check_words

Command = TypeVar("Command", bound=Callable[..., object])

project_option = click.option("--project", metavar="NAME", default="", help="Link name of the project on the server.")
context_option = click.option(
    "--context", metavar="NAME", default="harness", show_default=True, help="Name of the check."
)
target_option = click.option("--target-url", metavar="URL", default="", help="Page with the results.")


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option("--server", metavar="URL", required=True, help="Server, e.g. https://patchwork.kernel.org.")
@project_option
@context_option
@target_option
@click.option(
    "--patch",
    "numbers",
    metavar="ID",
    type=click.IntRange(min=1),
    multiple=True,
    help="Server's number of a patch; repeat it for each patch in order.  [default: found by Message-ID]",
)
@click.option("--pending", is_flag=True, help="Post pending checks: the test is running.")
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
    """Post the result of the series in FOLDER (or its name in results/) as checks.
    The environment variable PATCHWORK_TOKEN has the token. Failed requests are
    retried; each is sent at most five times.

    \b
    Exit status:
      0    every patch has its check
      3    the server does not answer
      4    the server does not know the token, the URL or a patch
    """

    record = _read(folder, results)
    check_words(context, target_url)
    if numbers and len(numbers) != len(record.posted):
        remedy = "name all patches in their order"
        raise UsageError(f"--patch names {len(numbers)} of {len(record.posted)} patches", remedy=remedy)
    poster = make_poster(server, project=project, numbers=numbers)
    checks = (pending_checks if pending else final_checks)(record, context=context, target_url=target_url)
    poster.post(checks, report=report_waiting)
    click.echo(f"{len(record.posted)} checks posted")
    return int(ExitStatus.AS_EXPECTED)


def _read(word: str, results: Path) -> SeriesRecord:
    """Read the record in the folder of a series.

    :raises UsageError: there is no record, or it is damaged.
    """

    file = next(
        (path / SERIES_NAME for path in (Path(word), results / word) if path.is_dir()), Path(word) / SERIES_NAME
    )
    try:
        return load_series(file.read_text(encoding="utf-8"), source=str(file))
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"name a folder that harness series wrote: it holds {SERIES_NAME}"
        raise UsageError(f"{word} is not the folder of a series", evidence=str(error), remedy=remedy) from None
