# SPDX-License-Identifier: GPL-2.0-only
"""``harness hosts``: check the hosts that runs are spread over."""

from __future__ import annotations

import os
import sys

import click

from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.commands.test.hosts_options import read_hosts
from harness.report.display.plain import choose_display
from harness.suite.load import default_suite


@click.group(short_help="Check the hosts of --hosts.")
def hosts() -> None:
    """Check the hosts of --hosts."""


@hosts.command()
@click.argument("names", metavar="HOSTS")
def check(names: str) -> int:
    """Check hosts and print what is missing, with commands that install it.

    A reference case is run on each host, which proves its accelerator.
    Afterwards nothing of the harness runs there, and only the store is left.

    \b
    Exit status:
      0    each host can run cases
      3    a host cannot be reached, or something is missing there
      4    usage error: not a host
    """
    found = read_hosts(names)
    # Imported here: Dask is in an extra, and the line above says so if it is not installed.
    from harness.hosts.check import check_hosts

    with choose_display(sys.stdout, os.environ, is_for_several=False) as display:
        checks = check_hosts(found, Store.default(), default_suite(), report=display.show)
    for one in checks:
        click.echo("\n".join(one.lines))
    return int(ExitStatus.HOST if any(one.problem for one in checks) else ExitStatus.AS_EXPECTED)
