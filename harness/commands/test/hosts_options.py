# SPDX-License-Identifier: GPL-2.0-only
"""Start the hosts that ``--hosts`` names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import click

from harness.base.errors import UsageError
from harness.base.paths import APPLICATION
from harness.guest.qemu import Acceleration
from harness.hosts.host_list import FILE_NAME, Host, parse_hosts, parse_hosts_file
from harness.report.display.events import RunReport
from harness.run.one_kernel import RunSettings


def read_hosts(text: str) -> tuple[Host, ...]:
    """Return the hosts of the argument of ``--hosts``; none for an empty one.

    :param text: the argument.
    :raises UsageError: it is invalid, the hosts file is broken, or the extra is not installed.
    """
    if not text:
        return ()
    found = parse_hosts(text, known_hosts())
    if find_spec("distributed") is None:
        raise UsageError(
            "--hosts: a Python package is missing",
            evidence="not installed: distributed",
            remedy="install the extra: pip install 'kernel-patch-harness[cluster]'",
        )
    return found


def known_hosts() -> dict[str, Host]:
    """Return the hosts of ``hosts.toml`` in the user's configuration folder, by name.

    :raises UsageError: the file is broken.
    """
    file = Path(click.get_app_dir(APPLICATION)) / FILE_NAME
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", evidence=str(error), remedy="make it a UTF-8 file") from None
    return parse_hosts_file(text, path=str(file))


@contextlib.contextmanager
def on_hosts(
    settings: RunSettings, hosts: Sequence[Host], *, accel: Acceleration | None, report: RunReport
) -> Iterator[RunSettings]:
    """Start workers on the hosts for the duration of a ``with`` block; return the settings of a run on them.

    :param settings: the settings of a run here.
    :param hosts: the hosts; empty to run here.
    :param accel: the accelerator that the user named.
    :param report: receives events.
    :raises HostError: a host cannot be reached, or misses something.
    """
    if not hosts:
        yield settings
        return
    # Imported here: without --hosts, Dask is neither needed nor imported.
    from functools import partial

    from harness.hosts.cluster import ClusterSettings, running_cluster
    from harness.hosts.dispatch import run_round

    with running_cluster(ClusterSettings(hosts, settings.store, accel), report=report) as cluster:
        selection = replace(settings.selection, workers=cluster.slots)
        yield replace(settings, selection=selection, elsewhere=partial(run_round, cluster))
