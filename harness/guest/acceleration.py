"""Who executes the guest's instructions: proved by a race, not assumed from a device file.

There are hosts where /dev/kvm opens, the firmware runs, and no kernel ever comes up (nested or paravirtual ones); a
test of the file would hang every run there. So the first run on a host boots the kernel both ways at once; whoever has
three shells at their prompts first is used from then on. The verdict is kept in the store with its evidence, and asked
anew when the host's kernel, processor, QEMU or machine type changes, or by ``harness doctor --prove``.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, UsageError
from harness.base.json_records import recall_facts, to_table
from harness.base.store import Store, digest_of
from harness.guest.console import Unanswered
from harness.guest.machine import BootRequest, Machine, running
from harness.guest.qemu import Acceleration, Backing

_KIND = "acceleration"


@dataclass(frozen=True, slots=True)
class AccelerationVerdict:
    """Which acceleration is used on this host, and why.

    :param evidence: one line.
    :param seconds: how long the winner took to boot; 0.0 when there was no race.
    :param asked: when it was found out, seconds since the epoch.
    """

    acceleration: Acceleration
    evidence: str
    seconds: float = 0.0
    asked: float = 0.0


@dataclass(frozen=True, slots=True)
class _Finish:
    """One runner's end: its time, or why it did not come in."""

    acceleration: Acceleration
    seconds: float
    failure: str = ""


def choose_acceleration(
    context: Context,
    request: BootRequest,
    *,
    forced: Acceleration | None,
    qemu_version: str,
    folder: Path,
    device: Path = Path("/dev/kvm"),
) -> AccelerationVerdict:
    """The acceleration to use: forced, remembered, obvious, or won by a race of real boots.

    :param request: what to boot; its own acceleration does not matter.
    :param folder: gets the logs of the race.
    :raises UsageError: the forced one is not to be had.
    """
    complaint = _complaint_about(device)
    if forced is not None:
        if forced is Acceleration.KVM and complaint:
            raise UsageError(
                "--accel kvm: KVM is not to be had on this host",
                evidence=complaint,
                remedy="leave --accel out, or make /dev/kvm usable (load kvm_intel or kvm_amd, join the group kvm)",
            )
        return AccelerationVerdict(forced, f"asked for by --accel {forced}")
    if complaint:
        return AccelerationVerdict(Acceleration.TCG, complaint)
    key = _host_key(request, qemu_version, device)
    if (known := recall_verdict(context.store, key)) is not None:
        return known
    candidates = {one: replace(request, acceleration=one) for one in Acceleration}
    try:
        verdict = race(candidates, folder=folder, deadline=context.deadline.sooner(request.boot_seconds))
    except HostError as error:
        # More likely this kernel is at fault than the host. Its next boot will tell; nothing is remembered.
        said = "; ".join(error.evidence.splitlines())
        return AccelerationVerdict(Acceleration.TCG, f"raced, and nothing came up: {said}")
    context.store.remember(_KIND, key, to_table(verdict))
    return verdict


def recall_verdict(store: Store, key: str) -> AccelerationVerdict | None:
    """The verdict that an earlier race left under that key."""
    return recall_facts(AccelerationVerdict, store.recall(_KIND, key))


def forget_verdict(store: Store, request: BootRequest, *, qemu_version: str, device: Path = Path("/dev/kvm")) -> None:
    """Let the next run race again."""
    store.forget(_KIND, _host_key(request, qemu_version, device))


def race(candidates: Mapping[Acceleration, BootRequest], *, folder: Path, deadline: Deadline) -> AccelerationVerdict:
    """Boot all candidates side by side; the first with its shells at their prompts wins, the others are ended.

    :raises HostError: none comes up; each one's last words are the evidence.
    """
    runners = [
        _Runner(acceleration, request, folder / acceleration, deadline) for acceleration, request in candidates.items()
    ]
    finishes: SimpleQueue[_Finish] = SimpleQueue()
    threads = [threading.Thread(target=runner.run, args=(finishes,)) for runner in runners]
    for thread in threads:
        thread.start()
    losers: list[_Finish] = []
    winner: _Finish | None = None
    try:
        while winner is None and len(losers) < len(runners):
            finish = finishes.get()
            if finish.failure:
                losers.append(finish)
            else:
                winner = finish
    finally:
        for runner in runners:
            runner.give_up()
        for thread in threads:
            thread.join()
    order = list(candidates)
    losers.sort(key=lambda loser: order.index(loser.acceleration))
    failed = [f"{loser.acceleration}: {loser.failure}" for loser in losers]
    if winner is None:
        raise HostError(
            "no kernel comes up in QEMU on this host, neither with KVM nor under emulation",
            evidence="\n".join(failed),
            remedy=f"see the logs in {folder}; --accel tcg forces emulation",
        )
    behind = [one for one in candidates if one not in {winner.acceleration, *(loser.acceleration for loser in losers)}]
    others = "; ".join([*failed, *(f"{one} had not come up by then" for one in behind)])
    evidence = f"raced: {winner.acceleration} booted in {winner.seconds:.1f} s; {others}"
    return AccelerationVerdict(winner.acceleration, evidence, winner.seconds, time.time())


class _Runner:
    """One boot of a race, in a thread of its own."""

    def __init__(self, acceleration: Acceleration, request: BootRequest, folder: Path, deadline: Deadline) -> None:
        self._acceleration = acceleration
        self._request = request
        self._folder = folder
        self._deadline = deadline
        self._machine: Machine | None = None
        self._is_over = threading.Event()

    def run(self, finishes: SimpleQueue[_Finish]) -> None:
        """Boot, and say how it went."""
        memory = self._folder / "memory"
        started = time.monotonic()
        failure = "it ended by an error of the harness"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with running(self._request, Backing(memory, is_shared=True), folder=self._folder) as machine:
                self._machine = machine
                if not self._is_over.is_set():
                    machine.await_shells(self._deadline)
            failure = ""
        except Unanswered as error:
            failure = f"no prompt after {time.monotonic() - started:.0f} s ({error.fate}){self._last_words()}"
        except HarnessError as error:
            failure = error.what
        except OSError as error:
            failure = str(error)
        finally:
            with contextlib.suppress(OSError):
                memory.unlink(missing_ok=True)
            finishes.put(_Finish(self._acceleration, time.monotonic() - started, failure))

    def give_up(self) -> None:
        """The race is over: end this boot if it still runs."""
        self._is_over.set()
        if self._machine is not None:
            self._machine.kill()

    def _last_words(self) -> str:
        """What QEMU itself said last, as the rest of a line."""
        said = self._machine.last_words() if self._machine else ""
        return f": {said.splitlines()[-1]}" if said else ""


def _complaint_about(device: Path) -> str:
    """Why KVM is out of the question on this host; empty when it has to be tried."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"{device} does not exist"
    except OSError as error:
        return f"{device} cannot be opened: {error.strerror}"
    return ""


def _host_key(request: BootRequest, qemu_version: str, device: Path) -> str:
    """What a verdict depends on. The kernel under test does not count: the host is asked, not the kernel."""
    return digest_of(
        platform.release(), platform.version(), _processor(), qemu_version, request.machine_type.text, str(device)
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        if line.startswith("model name"):
            return line
    return platform.machine()
