# SPDX-License-Identifier: GPL-2.0-only
"""Choose the accelerator, KVM or TCG, by a race of real boots instead of by looking at a device file.

On some hosts (nested or paravirtual ones) /dev/kvm opens and the firmware runs, but no kernel ever boots; a test of the
file alone would make every run hang there. So the first run on a host boots the kernel with both accelerators at once.
The one that first has all three shells at their prompts is used from then on. The verdict is kept in the store with its
evidence. The race is repeated when the host's kernel, processor, QEMU or machine type changes, or by
``harness doctor --prove``.
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
    """The accelerator that is used on this host, and why.

    :param evidence: the reason, in one line.
    :param seconds: boot time of the winner; 0.0 without a race.
    :param asked: time of the race, in seconds since the epoch; 0.0 without a race.
    """

    acceleration: Acceleration
    evidence: str
    seconds: float = 0.0
    asked: float = 0.0


@dataclass(frozen=True, slots=True)
class _Finish:
    """The result of one boot of a race: its time, or the reason why it failed."""

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
    """Choose the accelerator: the forced one, the remembered one, the only one, or the winner of a race of real boots.

    :param context: its store remembers the verdict; its deadline bounds the race.
    :param request: the boot; its own accelerator is ignored.
    :param forced: the accelerator that the user named.
    :param qemu_version: version of QEMU; another version repeats the race.
    :param folder: receives the logs of the race.
    :param device: the KVM device.
    :return: the accelerator and the reason; TCG when nothing booted in the race, which is not remembered.
    :raises UsageError: the forced accelerator is not available.
    """
    complaint = _complaint_about(device)
    if forced is not None:
        if forced is Acceleration.KVM and complaint:
            raise UsageError(
                "--accel kvm: KVM is not available on this host",
                evidence=complaint,
                remedy="omit --accel, or make /dev/kvm usable: modprobe kvm_intel (or kvm_amd); adduser $USER kvm",
            )
        return AccelerationVerdict(forced, f"set by --accel {forced}")
    if complaint:
        return AccelerationVerdict(Acceleration.TCG, complaint)
    key = _host_key(request, qemu_version, device)
    if (known := recall_verdict(context.store, key)) is not None:
        return known
    candidates = {one: replace(request, acceleration=one) for one in Acceleration}
    try:
        verdict = race(candidates, folder=folder, deadline=context.deadline.sooner(request.boot_seconds))
    except HostError as error:
        # More likely this kernel is at fault than the host. Its next boot shows the reason; nothing is remembered.
        failures = "; ".join(error.evidence.splitlines())
        return AccelerationVerdict(Acceleration.TCG, f"no kernel booted in the race: {failures}")
    context.store.remember(_KIND, key, to_table(verdict))
    return verdict


def recall_verdict(store: Store, key: str) -> AccelerationVerdict | None:
    """Read the verdict of an earlier race from the store; None when there is none."""
    return recall_facts(AccelerationVerdict, store.recall(_KIND, key))


def forget_verdict(store: Store, request: BootRequest, *, qemu_version: str, device: Path = Path("/dev/kvm")) -> None:
    """Remove the verdict for this host, so that the next run repeats the race."""
    store.forget(_KIND, _host_key(request, qemu_version, device))


def race(candidates: Mapping[Acceleration, BootRequest], *, folder: Path, deadline: Deadline) -> AccelerationVerdict:
    """Boot all candidates side by side; the first with its shells at their prompts wins, the others are killed.

    :param candidates: the boot of each accelerator.
    :param folder: receives the logs, one folder for each accelerator.
    :param deadline: the end of the race.
    :return: the winner, with the results of all as evidence.
    :raises HostError: no candidate boots; the evidence is the reason of each.
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
            "no kernel boots in QEMU on this host, neither with KVM nor with TCG",
            evidence="\n".join(failed),
            remedy=f"read the logs in {folder}; --accel tcg forces emulation",
        )
    behind = [one for one in candidates if one not in {winner.acceleration, *(loser.acceleration for loser in losers)}]
    others = "; ".join([*failed, *(f"{one} had not booted by then" for one in behind)])
    evidence = f"{winner.acceleration} won the race and booted in {winner.seconds:.1f} s; {others}"
    return AccelerationVerdict(winner.acceleration, evidence, winner.seconds, time.time())


class _Runner:
    """One boot of a race, in a thread of its own."""

    def __init__(self, acceleration: Acceleration, request: BootRequest, folder: Path, deadline: Deadline) -> None:
        self._acceleration = acceleration
        # The race is about processors; a disk would have to be made.
        self._request = replace(request, machine_type=replace(request.machine_type, disks=()))
        self._folder = folder
        self._deadline = deadline
        self._machine: Machine | None = None
        self._is_over = threading.Event()

    def run(self, finishes: SimpleQueue[_Finish]) -> None:
        """Boot a machine and put the result into the queue."""
        memory = self._folder / "memory"
        started = time.monotonic()
        failure = "internal error of the harness"
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
        """Kill this boot if it still runs: the race is over."""
        self._is_over.set()
        if self._machine is not None:
            self._machine.kill()

    def _last_words(self) -> str:
        """Return the last line that QEMU printed, as the rest of a sentence."""
        printed = self._machine.last_words() if self._machine else ""
        return f": {printed.splitlines()[-1]}" if printed else ""


def _complaint_about(device: Path) -> str:
    """Return the reason why KVM cannot be used on this host; empty when a race has to decide."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"{device} does not exist"
    except OSError as error:
        return f"{device} cannot be opened: {error.strerror}"
    return ""


def _host_key(request: BootRequest, qemu_version: str, device: Path) -> str:
    """Return a digest of everything that a verdict depends on: the host, not the kernel under test."""
    return digest_of(
        platform.release(), platform.version(), _processor(), qemu_version, request.machine_type.text, str(device)
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        if line.startswith("model name"):
            return line
    return platform.machine()
