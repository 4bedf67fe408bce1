# SPDX-License-Identifier: GPL-2.0-only
"""``harness follow``: test the series of mailing lists as they come."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base import log
from harness.base.errors import ExitStatus, UsageError
from harness.base.store import Store

if TYPE_CHECKING:
    from harness.follow.state.config import Config

FOLLOW_HELP = """Test the series of mailing lists, Maildirs, Patchwork projects and branches as
they come, each once, and answer. CONFIG is a TOML file; see
examples/follow/follow.toml.

\b
Exit status:
  0    ended, or with --status: healthy
  3    host error, or with --status: something needs attention
  4    usage error; another process works on the same state
  130  interrupted
"""


@click.command(help=FOLLOW_HELP)
@click.argument("config", metavar="CONFIG", type=click.Path(path_type=Path))
@click.option("--once", is_flag=True, help="End when nothing is due, as for a timer.")
@click.option("--status", is_flag=True, help="Show how the service does; it may be running.")
@click.option("--json", "as_json", is_flag=True, help="With --status: print one JSON for monitoring.")
@click.option(
    "--retry", metavar="ID", type=click.IntRange(min=1), help="Test a series again that failed or was left out."
)
@click.option(
    "--answer-again",
    metavar="ID",
    type=click.IntRange(min=1),
    help="Give the answers of a series again that failed, or of which it is not known whether they were sent.",
)
def follow(config: Path, once: bool, status: bool, as_json: bool, retry: int | None, answer_again: int | None) -> int:
    """Follow sources; see :data:`FOLLOW_HELP`."""
    if as_json and not status:
        raise UsageError("--json is for --status", remedy="add --status")
    from harness.follow.state.place import read_config

    read, store = read_config(config), Store.default()
    if status:
        return int(_show_status(read, store, as_json=as_json))
    from harness.follow.opening import World, open_queue, open_service

    if retry is not None or answer_again is not None:
        with open_queue(read, store, World()) as (queue, answerer):
            if retry is not None and not queue.again(retry):
                raise UsageError(
                    f"series {retry} has not failed, or no rule wants it", remedy="see harness follow CONFIG --status"
                )
            if answer_again is not None and not answerer.again(answer_again):
                raise UsageError(
                    f"series {answer_again} has no answer that failed", remedy="see harness follow CONFIG --status"
                )
        return int(ExitStatus.AS_EXPECTED)
    if not log.current().verbosity and not log.current().file:
        # A service has no other output.
        log.set_up(log.LogSettings(1))
    with open_service(read, store, World()) as service:
        service.run(is_once=once)
    return int(ExitStatus.AS_EXPECTED)


def _show_status(config: Config, store: Store, *, as_json: bool) -> ExitStatus:
    from harness.follow.state.database import DATABASE_NAME, read_database
    from harness.follow.state.place import no_state, state_folder
    from harness.follow.status import dump_status, read_status, status_lines

    folder, now = state_folder(store, config), time.time()
    with read_database(folder / DATABASE_NAME) as database:
        if database is None:
            raise no_state(config, folder)
        found = read_status(database, config, now=now)
    if as_json:
        click.echo(dump_status(found), nl=False)
    else:
        width = int(os.environ.get("COLUMNS") or 0) or shutil.get_terminal_size().columns
        for line in status_lines(found, width=width, now=now):
            click.echo(line)
    return ExitStatus.HOST if found.problems else ExitStatus.AS_EXPECTED
