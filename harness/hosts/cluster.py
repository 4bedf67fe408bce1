# SPDX-License-Identifier: GPL-2.0-only
"""The hosts of a run: the scheduler here, and an agent with workers on each host, for the length of a ``with`` block.

Nothing is left when the block ends, nor when this process is killed: an agent ends when its standard input ends.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.events import Note, PhaseStarted
from harness.base.json_records import dump_value
from harness.base.scratch import scratch_folder
from harness.base.store import Store
from harness.guest.qemu import Acceleration
from harness.hosts.artifacts import Offer
from harness.hosts.certificates import Authority
from harness.hosts.checks import HostChecks
from harness.hosts.remote.host_list import SILENCE_SECONDS, Host
from harness.hosts.remote.ssh import Reached, reach
from harness.hosts.scheduler import ClusterEvent, HostLost, SchedulerProcess
from harness.hosts.wire import ABORT, ALIVE, AgentSettings
from harness.kernel.sandbox.enclosure import find_enclosure
from harness.report.display.events import RunReport

_ALIVE_SECONDS = 2.0
_END_SECONDS = 10.0
_PROBE_SECONDS = 30.0
LISTEN = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """The settings of the hosts of a run.

    :param hosts: the hosts.
    :param store: the store of this host.
    :param accel: the accelerator that the user named; None for each host's choice.
    :param silence_seconds: how long this process may be silent before the workers end.
    """

    hosts: Sequence[Host]
    store: Store
    accel: Acceleration | None = None
    silence_seconds: int = SILENCE_SECONDS


@dataclass(eq=False)
class Agent:
    """The agent of a host.

    :param host: the host, with its number of workers.
    :param child: the agent, or ssh(1) to it.
    :param errors: the file with its standard error.
    """

    host: Host
    child: process.Child
    errors: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, line: str) -> None:
        """Send a line; an agent that has ended is passed over."""
        assert self.child.stdin is not None
        with self._lock, contextlib.suppress(OSError, ValueError):
            self.child.stdin.write(f"{line}\n".encode())
            self.child.stdin.flush()


class Cluster:
    """Hosts with workers that wait for batches.

    :ivar settings: the settings.
    :ivar offer: the artifacts that workers may read.
    :ivar numbers: numbers for the batches of the run.
    :ivar workers: the name of each live worker, ``HOST/NUMBER``, by its address; the dispatcher keeps it.
    :ivar agents: the agent of each host.
    :ivar checks: what is known about the hosts.
    :ivar building: the addresses of workers that build a kernel, or will do so; they get no batch.
    """

    join_seconds = 60.0
    """How long to wait for a worker while none lives."""

    def __init__(self, settings: ClusterSettings, scheduler: SchedulerProcess, offer: Offer) -> None:
        self.settings = settings
        self.scheduler = scheduler
        self.offer = offer
        self.numbers: Iterator[int] = itertools.count(1)
        self.workers: dict[str, str] = {}
        self.agents: dict[str, Agent] = {}
        self.checks = HostChecks()
        self.building: set[str] = set()
        self._over = threading.Event()

    @property
    def slots(self) -> int:
        """Return the number of workers of all hosts."""
        return sum(agent.host.slots for agent in self.agents.values())

    @property
    def shares_store(self) -> bool:
        """Return whether all workers use the store of this host."""
        return all(host.is_local for host in self.settings.hosts)

    @property
    def host_names(self) -> tuple[str, ...]:
        """Return the names of the hosts."""
        return tuple(self.agents)

    @property
    def may_get_workers(self) -> bool:
        """Return whether a worker may still join."""
        return any(agent.child.poll() is None for agent in self.agents.values())

    def start(self, ends: ExitStack, reached: Reached, folder: Path) -> Agent:
        """Start the agent of a host, which then waits for its settings.

        :param ends: ends it.
        :param reached: the host, and the command that starts its agent.
        :param folder: receives its standard error.
        """
        errors = folder / f"agent-{len(self.agents)}.log"
        with errors.open("wb") as log:
            words = reached.command(self.scheduler.port, silence=self.settings.silence_seconds)
            child = ends.enter_context(
                process.start(
                    words, stdin=process.PIPE, stdout=process.PIPE, stderr=log.fileno(), within=reached.within
                )
            )
        agent = self.agents[reached.host.name] = Agent(reached.host, child, errors)
        return agent

    def set_up(self, agent: Agent, reached: Reached, number: int, authority: Authority) -> None:
        """Send an agent its settings, with which it starts its workers.

        :param agent: the agent.
        :param reached: its host.
        :param number: the number of the host.
        :param authority: issues its certificate.
        """
        host, own = agent.host, authority.issue(str(number))
        settings = AgentSettings(
            host=host.name,
            scheduler=f"tls://{LISTEN}:{reached.forwarded_port(agent.child, agent.errors, self.scheduler.port)}",
            # Addresses of the loopback network, a different one for each worker; nothing listens there.
            contacts=tuple(f"tls://127.1.{number}.1:{slot + 1}" for slot in range(host.slots)),
            authority=authority.certificate.read_text(),
            certificate=own.certificate.read_text(),
            key=own.key.read_text(),
            silence_seconds=self.settings.silence_seconds,
            trusts=host.trusts,
        )
        agent.tell(dump_value(settings, indent=None).strip())
        threading.Thread(target=self._await_end, args=(agent,), name=f"agent {host.name}", daemon=True).start()

    def _await_end(self, agent: Agent) -> None:
        """Report the end of an agent."""
        assert agent.child.stdout is not None
        # Nothing is written to it: the end of the file is the end of the agent.
        with contextlib.suppress(OSError, ValueError):
            agent.child.stdout.read()
        if not self._over.is_set():
            said = agent.errors.read_text(errors="replace").strip().splitlines()[-3:]
            self.scheduler.events.put(HostLost(agent.host.name, "\n".join(said)))

    def keep_alive(self) -> None:
        """Tell the agents that this process lives, until :meth:`close`."""
        while not self._over.wait(_ALIVE_SECONDS):
            for agent in list(self.agents.values()):
                agent.tell(ALIVE)

    def abort(self, numbers: Sequence[int]) -> None:
        """End batches, whether they run or are on their way.

        :param numbers: their numbers.
        """
        for number in numbers:
            for agent in self.agents.values():
                agent.tell(f"{ABORT} {number}")

    def close(self) -> None:
        """End the agents, which end their workers and remove their folders."""
        self._over.set()
        for agent in self.agents.values():
            assert agent.child.stdin is not None
            with agent._lock, contextlib.suppress(OSError):
                agent.child.stdin.close()
        for agent in self.agents.values():
            with contextlib.suppress(process.Expired):
                agent.child.wait(_END_SECONDS)

    def event(self, seconds: float) -> ClusterEvent | None:
        """Return the next event; None if there is none in time.

        :param seconds: how long to wait.
        """
        return self.scheduler.event(seconds)


@contextmanager
def running_cluster(settings: ClusterSettings, *, report: RunReport) -> Iterator[Cluster]:
    """Start workers on all hosts of a run for the duration of a ``with`` block.

    :param settings: the hosts.
    :param report: receives events.
    :raises HostError: a host cannot be reached, or misses something.
    """
    report(PhaseStarted(f"hosts: {', '.join(host.name for host in settings.hosts)}"))
    with ExitStack() as ends:
        folder = ends.enter_context(scratch_folder("hosts"))
        certificates = folder / "certificates"
        certificates.mkdir(mode=0o700)
        authority = Authority.create(certificates)
        offer = Offer()
        bubblewrap = scheduler_enclosure(settings, report)
        own = SchedulerProcess(authority, offer, listen=LISTEN, bubblewrap=bubblewrap)
        # Both take about a second.
        with ThreadPoolExecutor(max_workers=1) as pool:
            reaching = pool.submit(_reached, settings, report)
            scheduler = ends.enter_context(own.running())
            reached = reaching.result()
        cluster = Cluster(settings, scheduler, offer)
        # Called before the end of the agents' processes, which would not let them tidy up.
        agents = ends.enter_context(ExitStack())
        started = [(cluster.start(agents, one, folder), one) for one in reached]
        ends.callback(cluster.close)
        for number, (agent, one) in enumerate(started):
            cluster.set_up(agent, one, number, authority)
        threading.Thread(target=cluster.keep_alive, name="keep-alive", daemon=True).start()
        yield cluster


def _reached(settings: ClusterSettings, report: RunReport) -> list[Reached]:
    """Reach the hosts, and bring the environment.

    :raises HostError: a host cannot be reached, or misses something.
    """
    hosts = reach(settings.hosts, settings.store, say=lambda text: report(Note(text)))
    return [replace_slots(one) for one in hosts]


def scheduler_enclosure(settings: ClusterSettings, report: RunReport) -> Path | None:
    """Return bubblewrap for the scheduler; None to run it without, as workers of this host alone run as this user.

    :raises HostError: it does not work, and a host is not trusted.
    """
    found, complaint = find_enclosure(Context(settings.store, Deadline.after(_PROBE_SECONDS), report))
    if found is None and (untrusted := [host.name for host in settings.hosts if not (host.is_local or host.trusts)]):
        raise HostError(
            "the scheduler cannot run in bubblewrap on this host, and a worker could run code in it",
            evidence=f"{complaint}\nhosts: {', '.join(untrusted)}",
            remedy="install bubblewrap here, where user namespaces are allowed: apt-get install bubblewrap; or, if you "
            "trust the hosts and the kernels, give --trust",
            packages=("bubblewrap",),
        )
    return found


def replace_slots(reached: Reached) -> Reached:
    """Return a reached host with its number of workers: one per core, if it is not set."""
    if reached.host.slots:
        return reached
    return replace(reached, host=replace(reached.host, slots=reached.cores or len(os.sched_getaffinity(0))))
