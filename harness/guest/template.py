# SPDX-License-Identifier: GPL-2.0-only
"""Keep a booted guest in the store as a template, and clone machines from it.

The template's memory is a file. A clone maps the same file copy-on-write and loads 300 kB of device state. It runs
after some hundredths of a second with every shell at its prompt, and its changes are visible to no other machine.
This is QEMU's migration with the capability ``x-ignore-shared``: memory that is in a shared file is not sent.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, SeriesError
from harness.base.json_records import dump_value, from_table, parse_json
from harness.base.store import digest_of
from harness.guest.boot_failure import KernelEndedError, explain_boot, wrong_clock
from harness.guest.console import Console, Unanswered
from harness.guest.disks.images import make_disks, remove_disks
from harness.guest.machine import BootRequest, Machine, running
from harness.guest.qemu import KERNEL_LOG, Backing, RefusedError
from harness.session.console_name import ConsoleName

_ATTEMPTS = 2
"""Boots under emulation are not fully reliable: about one in forty hung in the firmware or early kernel."""
_CLOCK_ATTEMPTS = 4
"""Boots until the kernel's clock is right; on a host with 25 processes for 2 processors about one in six was wrong."""
_FULL_MEBIBYTES = 1.0
_FORMAT = "1"

MEMORY, STATE = "memory", "state"
"""Names of the files of a template: the guest's memory, and the state of its devices."""


class CloningImpossibleError(HarnessError):
    """This machine cannot be cloned; ``what`` gives the reason. The run boots a new machine for each case instead."""


_WATCHDOG_LIMITS = {
    "/proc/sys/kernel/hung_task_timeout_secs": 36000,
    "/proc/sys/kernel/watchdog_thresh": 60,
    "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout": 300,
    "/sys/module/workqueue/parameters/watchdog_thresh": 36000,
}
"""The files that set the watchdogs of a kernel, each with the largest value that the kernel accepts or that helps."""

KIND = "template"
"""The kind of these products in the store."""
REQUEST = "request.json"
"""Name of the file with the inputs of the boot."""
_DESCRIPTION = "template.json"


@dataclass(frozen=True, slots=True)
class Template:
    """A booted guest in the store.

    :param request: the inputs of the boot.
    :param folder: holds ``memory``, ``state``, the logs of the boot, and ``template.json``.
    :param boot_seconds: time from starting QEMU to three prompts.
    :param attempts: number of boots that were needed; the run notes more than one.
    :param taint: value of /proc/sys/kernel/tainted when it was saved.
    :param notes: what the guest's init found wrong, such as units that failed, one line each.
    :param wrong_clock: by how much the kernel's clock is wrong, for a note; empty if it is right.
    :param guest_seconds: the boot time in seconds of the guest's clock, which leaves out waits for the host; 0 in
        templates of an older harness.
    """

    request: BootRequest
    folder: Path
    boot_seconds: float
    attempts: int
    taint: int
    notes: tuple[str, ...] = ()
    wrong_clock: str = ""
    guest_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Facts:
    """Content of ``template.json``; see :class:`Template`."""

    boot_seconds: float
    attempts: int
    taint: int
    command: tuple[str, ...]
    notes: tuple[str, ...] = ()
    wrong_clock: str | None = None
    """None in a template of an older harness, which did not look."""
    guest_seconds: float = 0.0
    slowness: float = 1.0


def template_key(request: BootRequest, *, image_digest: str, guest_digest: str, qemu_version: str) -> str:
    """Return the key of a template, a digest of everything that it is made from."""
    return digest_of(
        _FORMAT,
        image_digest,
        guest_digest,
        request.machine_type.text,
        *request.machine_type.more,
        request.acceleration.value,
        str(request.program),
        qemu_version,
        # A template with the coverage of its boot is another one.
        *(["coverage"] if request.plugin is not None else []),
    )


def prepare_template(context: Context, key: str, request: BootRequest, *, failed_boots: Path) -> Template:
    """Return the template of a key; it is booted if the store does not have it.

    :param key: see :func:`template_key`.
    :param request: the inputs of the boot.
    :param failed_boots: folder that receives the logs of failed boots.
    :raises CloningImpossibleError: this QEMU or machine type cannot save its state; remembered for the next run.
    :raises SeriesError: the kernel does not boot.
    :raises HostError: QEMU does not start.
    """
    if (known := context.store.recall("template", f"{key}-impossible"[-60:])) is not None:
        raise CloningImpossibleError(str(known["what"]), evidence=str(known["evidence"]))

    def fill(folder: Path) -> None:
        _boot_with_retry(request, folder, failed_boots, context.deadline)

    try:
        folder = context.store.make(KIND, key, fill, deadline=context.deadline)
        facts = _read_facts(folder)
        if facts.wrong_clock is None and wrong_clock(_read_log(folder)):
            # A template of an older harness; other runs may use it.
            folder = context.store.make(KIND, digest_of(key, "clock"), fill, deadline=context.deadline)
            facts = _read_facts(folder)
    except CloningImpossibleError as error:
        context.store.remember("template", f"{key}-impossible"[-60:], {"what": error.what, "evidence": error.evidence})
        raise
    request, clock = replace(request, slowness=facts.slowness), facts.wrong_clock or ""
    times = (facts.boot_seconds, facts.attempts, facts.taint, facts.notes, clock, facts.guest_seconds)
    return Template(request, folder, *times)


def _read_facts(folder: Path) -> _Facts:
    file = folder / _DESCRIPTION
    return from_table(_Facts, parse_json(file.read_text(), str(file)), name="template", source=str(file))


def _read_log(folder: Path) -> str:
    file = folder / f"{KERNEL_LOG}.log"
    return file.read_text(errors="replace") if file.is_file() else ""


@contextlib.contextmanager
def cloned(template: Template, *, folder: Path, memory: Path | None = None, deadline: Deadline) -> Iterator[Machine]:
    """Clone a machine from a template for the duration of a ``with`` block.

    :param folder: receives the logs of the machine.
    :param memory: a copy of the template's memory that the machine writes to; without it, changes are private to the
        machine and lost with it.
    :raises HostError: the template is gone, or QEMU cannot load the state.
    """
    try:
        state = os.open(template.folder / STATE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(
            "the template of the machines is gone from the store",
            evidence=str(error),
            remedy="retry, and do not run 'harness clean --remove' meanwhile",
        ) from None
    try:
        backing = Backing(memory or template.folder / MEMORY, is_shared=memory is not None)
        with running(template.request, backing, folder=folder, waits=True, pass_fds=[state]) as machine:
            _take_state(machine, state, deadline)
            yield machine
    finally:
        os.close(state)


@contextlib.contextmanager
def booted(request: BootRequest, *, folder: Path, deadline: Deadline) -> Iterator[Machine]:
    """Boot a machine, with every shell at its prompt, for the duration of a ``with`` block.

    :param folder: receives the logs and, while the machine runs, its memory.
    :raises SeriesError: the kernel does not boot.
    :raises HostError: QEMU does not start.
    """
    memory = folder / MEMORY
    try:
        make_disks(request.machine_type.disks, folder, deadline)
        with running(request, Backing(memory, is_shared=True), folder=folder) as machine:
            with _explained(machine):
                machine.await_shells(machine.deadline(request.patience))
            yield machine
    finally:
        memory.unlink(missing_ok=True)
        remove_disks(request.machine_type.disks, folder)


def read_taint(console: Console, deadline: Deadline) -> int:
    """Read the taint flags of the kernel, /proc/sys/kernel/tainted; 0 when they cannot be read.

    The shell reads the file itself, which is faster than starting a program.

    :raises Unanswered: the command did not return.
    """
    printed = console.run("read -r taint </proc/sys/kernel/tainted; echo $taint", deadline=deadline).output.strip()
    return int(printed) if printed.isdigit() else 0


def _read_notes(console: Console, deadline: Deadline) -> tuple[str, ...]:
    """Read what the init of a whole system found wrong; see ``qemu/guests/debian.toml``.

    :raises Unanswered: the command did not return.
    """
    printed = console.run("[ ! -e /run/harness.notes ] || cat /run/harness.notes", deadline=deadline).output
    return tuple(line.strip() for line in printed.splitlines() if line.strip())


def _boot_with_retry(request: BootRequest, folder: Path, failed_boots: Path, deadline: Deadline) -> None:
    failed = 0
    for attempt in range(1, _CLOCK_ATTEMPTS + 1):
        try:
            facts = _boot_and_save(request, folder, attempt, deadline)
        except SeriesError as error:
            failed += 1
            _keep_logs(folder, failed_boots / f"boot-{attempt}")
            if failed == _ATTEMPTS or deadline.is_past or isinstance(error, KernelEndedError):
                raise
        else:
            if not facts.wrong_clock or deadline.is_past:
                return
            _keep_logs(folder, failed_boots / f"boot-{attempt}")


def _boot_and_save(request: BootRequest, folder: Path, attempt: int, deadline: Deadline) -> _Facts:
    started = time.monotonic()
    backing = Backing(folder / MEMORY, is_shared=True)
    backing.file.unlink(missing_ok=True)  # left by an earlier attempt
    make_disks(request.machine_type.disks, folder, deadline)
    with running(request, backing, folder=folder) as machine:
        with _explained(machine):
            began = machine.clock()
            machine.await_shells(machine.deadline(request.patience))
            seconds, guest_seconds = time.monotonic() - started, machine.clock() - began
            slowness = measured_slowness(guest_seconds, request.plain_seconds)
            admin, soon = machine.consoles[ConsoleName.ADMIN], machine.deadline(request.patience)
            taint = read_taint(admin, soon)
            notes = _read_notes(admin, soon) if request.disk is not None else ()
            if slowness > 1.0:
                admin.run(_watchdogs(slowness), deadline=soon)
        save_state(machine, folder / STATE, deadline)
    times = (round(guest_seconds, 3), round(slowness, 2))
    clock = wrong_clock(_read_log(folder))
    facts = _Facts(round(seconds, 3), attempt, taint, tuple(machine.argv), notes, clock, *times)
    (folder / REQUEST).write_text(dump_value(request))
    (folder / _DESCRIPTION).write_text(dump_value(facts))
    return facts


def measured_slowness(seconds: float, plain_seconds: float) -> float:
    """Return how many times slower a kernel is than the plain one, by the boots of both; 1 without a measurement.

    :param seconds: its boot time.
    :param plain_seconds: the boot time of the plain kernel; 0 if that is not known.
    """
    return max(1.0, seconds / plain_seconds) if plain_seconds > 0 else 1.0


def _watchdogs(slowness: float) -> str:
    """Return the command that gives the watchdogs of a slow kernel more time; a kernel may have none of them."""
    scaled = " ".join(f"{path} {most}" for path, most in _WATCHDOG_LIMITS.items())
    return (
        f"( set -- {scaled}; while [ $# -gt 0 ]; do if [ -w $1 ]; then read -r old <$1; new=$((old * {slowness:.0f})); "
        "[ $new -lt $2 ] || new=$2; echo $new >$1; fi; shift 2; done ) 2>/dev/null"
    )


@contextlib.contextmanager
def _explained(machine: Machine) -> Iterator[None]:
    """Turn a shell that did not start into the error that explains it."""
    try:
        yield
    except Unanswered:
        _require_room(machine.folder)
        machine.wires.drain(Deadline.after(1.0))
        log = (machine.folder / f"{KERNEL_LOG}.log").read_text(errors="replace")
        raise explain_boot(
            kernel_log=log,
            qemu_output=machine.last_words(),
            is_running=machine.is_running,
            is_starved=machine.is_starved,
            kernel=str(machine.request.image),
        ) from None


def save_state(machine: Machine, state: Path, deadline: Deadline) -> None:
    """Write the device state of a machine whose memory is in a shared file; the machine is stopped after it.

    :param state: the file to write.
    :raises CloningImpossibleError: this QEMU or machine type cannot save its state.
    """
    monitor = machine.monitor(deadline)
    handle = os.open(state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        # Not stopped before: migration stops the guest itself, and a clone then runs without a command to continue.
        _set_capabilities(machine, deadline)
        monitor.pass_file("state", handle, deadline=deadline)
        monitor.execute("migrate", deadline=deadline, uri="fd:state")
        monitor.wait_for_migration(deadline=deadline)
    except RefusedError as error:
        _require_room(machine.folder)
        raise CloningImpossibleError(f"this machine cannot be cloned: {error.what}", evidence=error.evidence) from None
    finally:
        os.close(handle)


def _require_room(folder: Path) -> None:
    """Check for a full disk: QEMU ends by SIGBUS when its memory file cannot grow, and the kernel is not at fault.

    :raises HostError: the disk of that folder is full.
    """
    state = os.statvfs(folder)
    left = state.f_bavail * state.f_frsize / (1 << 20)
    if left < _FULL_MEBIBYTES:
        raise HostError(
            "no space left on the disk for the memory of a guest",
            evidence=f"{left:.1f} MiB left in {folder.parent}",
            remedy="free some space ('harness clean' lists the content of the store); a guest may need "
            "all the memory of its machine type there, 256 MiB for q35",
        )


def _take_state(machine: Machine, state: int, deadline: Deadline) -> None:
    """Load device state into a machine that waits for it.

    :param state: file descriptor of the state.
    :raises HostError: QEMU cannot load it.
    """
    try:
        monitor = machine.monitor(deadline)
        _set_capabilities(machine, deadline)
        monitor.execute("migrate-incoming", deadline=deadline, uri=f"fd:{state}")
        # Input that is typed before the serial ports are loaded would be overwritten.
        monitor.wait_for_migration(deadline=deadline)
    except (HostError, RefusedError) as error:
        raise HostError(
            "QEMU cannot load the state of the template, so no machine can be cloned",
            evidence=machine.last_words() or str(error),
            remedy="make the template again: harness clean --remove template, then retry",
        ) from None


def _set_capabilities(machine: Machine, deadline: Deadline) -> None:
    """Set the migration to send device state only (memory is in the file) and to report its end by an event."""
    wanted = [{"capability": name, "state": True} for name in ("x-ignore-shared", "events")]
    machine.monitor(deadline).execute("migrate-set-capabilities", deadline=deadline, capabilities=wanted)


def _keep_logs(folder: Path, kept: Path) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        (kept / log.name).write_bytes(log.read_bytes())
