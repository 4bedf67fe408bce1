# SPDX-License-Identifier: GPL-2.0-only
"""Start the hosts that ``--hosts`` names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from harness.base.errors import UsageError
from harness.base.paths import user_folder
from harness.base.store import Store
from harness.guest.qemu import Acceleration
from harness.hosts.remote.host_list import FILE_NAME, Host, HostsFile, parse_hosts, parse_hosts_file, parse_scheduler
from harness.report.display.events import RunReport
from harness.run.one_kernel import HERE, RunSettings, Spread

_TLS_REMEDY = f"correct the table [scheduler] of {FILE_NAME}"


def read_hosts(text: str, *, trusts: bool = False) -> HostsFile:
    """Return the hosts of the argument of ``--hosts``; none for an empty one.

    :param text: the argument.
    :param trusts: whether QEMU may run without bubblewrap on each.
    :raises UsageError: it is invalid, the hosts file is broken, or the extra is not installed.
    """
    if not text:
        return HostsFile()
    known = read_hosts_file()
    found = parse_hosts(text, known.hosts)
    _require_dask("--hosts")
    return replace(known, hosts={host.name: replace(host, trusts=host.trusts or trusts) for host in found})


def read_spread(hosts: str, scheduler: str, *, trusts: bool) -> HostsFile:
    """Return the hosts of ``--hosts``, or the cluster of ``--scheduler``; none if both are empty.

    :param hosts: the argument of ``--hosts``.
    :param scheduler: the argument of ``--scheduler``.
    :param trusts: whether QEMU may run without bubblewrap there.
    :raises UsageError: as :func:`read_hosts`, or both were given.
    """
    if not scheduler:
        return read_hosts(hosts, trusts=trusts)
    if hosts:
        raise UsageError("--hosts and --scheduler were given", remedy="give one: the workers are those of the cluster")
    known = read_hosts_file()
    address = parse_scheduler(scheduler, known.scheduler)
    _require_dask("--scheduler")
    files = [str(Path(path).expanduser()) if path else "" for path in address.files]
    if missing := [path for path in files if path and not Path(path).is_file()]:
        raise UsageError(f"--scheduler {scheduler}: no such file", evidence="\n".join(missing), remedy=_TLS_REMEDY)
    # The cluster is one host in the eyes of what asks whom to trust.
    host = Host(scheduler, scheduler, trusts=trusts)
    return replace(known, hosts={host.name: host}, scheduler=address.with_files(*files))


def _require_dask(option: str) -> None:
    """Check that the extra is installed.

    :raises UsageError: it is not.
    """
    if find_spec("distributed") is None:
        raise UsageError(
            f"{option}: a Python package is missing",
            evidence="not installed: distributed",
            remedy="install the extra: pip install 'kernel-patch-harness[cluster]'",
        )


def read_hosts_file() -> HostsFile:
    """Read ``hosts.toml`` in the user's configuration folder; a missing file has no hosts.

    :raises UsageError: the file is broken.
    """
    import platformdirs

    file = user_folder(platformdirs.user_config_dir, option="XDG_CONFIG_HOME") / FILE_NAME
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return HostsFile()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", evidence=str(error), remedy="make it a UTF-8 file") from None
    return parse_hosts_file(text, path=str(file))


@contextlib.contextmanager
def on_hosts(
    settings: RunSettings, hosts: HostsFile, *, accel: Acceleration | None, report: RunReport
) -> Iterator[RunSettings]:
    """Start workers on the hosts for the duration of a ``with`` block; return the settings of a run on them.

    :param settings: the settings of a run here.
    :param hosts: the hosts; none to run here.
    :param accel: the accelerator that the user named.
    :param report: receives events.
    :raises HostError: a host cannot be reached, or misses something.
    """
    with spread_over(hosts, settings.store, accel=accel, report=report) as spread:
        selection = replace(settings.selection, workers=spread.slots or settings.selection.workers)
        yield replace(settings, selection=selection, elsewhere=spread.elsewhere, builds=spread.builds)


@contextlib.contextmanager
def spread_over(hosts: HostsFile, store: Store, *, accel: Acceleration | None, report: RunReport) -> Iterator[Spread]:
    """Start workers on the hosts for the duration of a ``with`` block.

    :param hosts: the hosts; none to run here.
    :param store: the store.
    :param accel: the accelerator that the user named.
    :param report: receives events.
    :raises HostError: a host cannot be reached, or misses something.
    """
    if not hosts.hosts:
        yield HERE
        return
    # Imported here: without --hosts, Dask is neither needed nor imported.
    from functools import partial

    from harness.base.scratch import scratch_folder
    from harness.hosts.builds.builder import HostBuilder
    from harness.hosts.cluster import ClusterSettings, running_cluster
    from harness.hosts.dispatch import run_round
    from harness.hosts.joined.cluster import joined_cluster

    wanted = ClusterSettings(tuple(hosts.hosts.values()), store, accel, hosts.silence_seconds)
    if hosts.scheduler.address:
        with joined_cluster(wanted, hosts.scheduler, report=report) as joined:
            # Kernels are built here.
            yield Spread(partial(run_round, joined), slots=joined.slots)
        return
    with running_cluster(wanted, report=report) as cluster, scratch_folder("builds") as folder:
        builds = HostBuilder(cluster, folder, report)
        yield Spread(partial(run_round, cluster), builds if builds.count else None, cluster.slots)
