# SPDX-License-Identifier: GPL-2.0-only
"""A Dask cluster that others have started, such as Slurm or Kubernetes: the workers of a run are those that it has.

The processes are not the run's own: nothing is started or ended there but batches. What ssh(1) does for the hosts of a
run, the owner of the cluster has done: the harness is installed for the workers, and they reach the scheduler.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from harness.base.errors import HostError
from harness.base.events import PhaseStarted
from harness.base.scratch import scratch_folder
from harness.hosts.artifacts import Offer
from harness.hosts.certificates import Authority
from harness.hosts.cluster import Cluster, ClusterSettings, scheduler_enclosure
from harness.hosts.frames import HubSettings
from harness.hosts.remote.host_list import SchedulerAddress
from harness.hosts.scheduler import SchedulerProcess, WorkerJoined
from harness.report.display.events import RunReport

_NUMBER_BITS = 62


class _ClientProcess(SchedulerProcess):
    """A client of the cluster, in a process of its own, in place of a scheduler."""

    module = "harness.hosts.joined.client"

    def __init__(
        self, folder: Path, offer: Offer, address: SchedulerAddress, *, trusts: bool, bubblewrap: Path | None
    ) -> None:
        """Describe the client.

        :param folder: a folder of mode 0700.
        :param offer: the artifacts that workers may read.
        :param address: the scheduler.
        :param trusts: whether QEMU may run without bubblewrap on the workers.
        :param bubblewrap: bwrap(1), which it runs in; None to run it without.
        """
        super().__init__(Authority(folder), offer, listen="", bubblewrap=bubblewrap)
        self._address = address
        self._trusts = trusts

    def certificates(self) -> tuple[Path, ...]:
        """Return the user's files for TLS."""
        return tuple(Path(path) for path in self._address.files if path)

    def settings(self, certificates: Sequence[Path], scratch: str) -> HubSettings:
        """Return the settings of the process."""
        one = self._address
        return HubSettings("", one.authority, one.certificate, one.key, scratch, one.address, self._trusts)

    def start_error(self, why: str) -> HostError:
        """Return the error of a client that could not connect, or load its plug-ins."""
        return HostError(
            f"--scheduler {self._address.address}: the cluster cannot be used",
            evidence=why,
            remedy="check the address, and install the same version of kernel-patch-harness[cluster], and of Python, "
            "where the scheduler and the workers run; see docs/how-to/hosts.md",
        )


class JoinedCluster(Cluster):
    """The workers of a cluster that exists."""

    @property
    def slots(self) -> int:
        """Return the number of workers that are known."""
        return max(1, len(self.workers))

    @property
    def shares_store(self) -> bool:
        """Return False: the workers have stores of their own."""
        return False

    @property
    def host_names(self) -> tuple[str, ...]:
        """Return the hosts of the workers that are known."""
        return tuple(dict.fromkeys(name.rpartition("/")[0] for name in self.workers.values()))

    @property
    def may_get_workers(self) -> bool:
        """Return True: the cluster may start workers at any time."""
        return True

    def abort(self, numbers: Sequence[int]) -> None:
        """End batches: the workers end those that are forgotten."""
        for number in numbers:
            self.scheduler.forget(number)

    def await_worker(self, seconds: float) -> None:
        """Wait for the first worker.

        :param seconds: how long.
        :raises HostError: there is none.
        """
        match self.event(seconds):
            case WorkerJoined(worker, address):
                self.workers[address] = worker
            case _:
                raise HostError(
                    "the cluster of --scheduler has no worker",
                    evidence=f"none has joined within {seconds:.0f} s",
                    remedy="start workers: dask worker ADDRESS --nthreads 1; or wait longer: wait = 3600 in the table "
                    "[scheduler] of hosts.toml",
                )


@contextmanager
def joined_cluster(settings: ClusterSettings, address: SchedulerAddress, *, report: RunReport) -> Iterator[Cluster]:
    """Be a client of a cluster for the duration of a ``with`` block.

    :param settings: the settings of the run; its only host is the cluster.
    :param address: the scheduler.
    :param report: receives events.
    :raises HostError: the cluster cannot be used.
    """
    report(PhaseStarted(f"scheduler: {address.address}"))
    with scratch_folder("hosts") as folder:
        folder.chmod(0o700)
        offer = Offer()
        process = _ClientProcess(
            folder,
            offer,
            address,
            trusts=any(host.trusts for host in settings.hosts),
            bubblewrap=scheduler_enclosure(settings, report),
        )
        with process.running() as client:
            cluster = JoinedCluster(settings, client, offer)
            cluster.join_seconds = address.wait_seconds
            # Other runs on the cluster have other numbers.
            cluster.numbers = count(secrets.randbits(_NUMBER_BITS))
            cluster.await_worker(address.wait_seconds)
            yield cluster
