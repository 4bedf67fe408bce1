"""A guest that has booted, kept in the store; and machines cloned from it.

The template's memory is a file. A clone maps the same file copy-on-write and takes over 300 kB of device state: it runs
after some hundredths of a second with every shell at its prompt, and what a case does to it nobody else ever sees.
(QEMU's migration with the capability ``x-ignore-shared``: memory that is in a shared file is not sent.)
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, SeriesError
from harness.base.json_records import dump_value, from_table, parse_json
from harness.base.store import digest_of
from harness.guest.boot_failure import KernelEndedError, explain_boot
from harness.guest.console import Console, Unanswered
from harness.guest.machine import BootRequest, Machine, running
from harness.guest.qemu import KERNEL_LOG, Backing, RefusedError
from harness.session.console_name import ConsoleName

_ATTEMPTS = 2
"""Boots under emulation are not perfectly reliable (about one in forty hung in the firmware or early kernel)."""
_FULL_MEBIBYTES = 1.0
_FORMAT = "1"

MEMORY, STATE = "memory", "state"
"""Names of the files of a template: the guest's memory, and the state of its devices."""


class CloningImpossibleError(HarnessError):
    """This machine cannot be cloned; ``what`` says why. The run boots each machine afresh instead."""


_DESCRIPTION = "template.json"


@dataclass(frozen=True, slots=True)
class Template:
    """A booted guest in the store.

    :param folder: holds ``memory``, ``state``, the logs of the boot, and ``template.json``.
    :param boot_seconds: from starting QEMU to three prompts.
    :param attempts: how many boots it took; more than one is worth a note.
    :param taint: /proc/sys/kernel/tainted when it was saved.
    """

    request: BootRequest
    folder: Path
    boot_seconds: float
    attempts: int
    taint: int


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a template's folder says of its boot; see :class:`Template`."""

    boot_seconds: float
    attempts: int
    taint: int
    command: tuple[str, ...]


def template_key(request: BootRequest, *, image_digest: str, guest_digest: str, qemu_version: str) -> str:
    """What a template is named by: everything that it was made from."""
    return digest_of(
        _FORMAT,
        image_digest,
        guest_digest,
        request.machine_type.text,
        request.acceleration.value,
        str(request.program),
        qemu_version,
    )


def prepare_template(context: Context, key: str, request: BootRequest, *, failed_boots: Path) -> Template:
    """The template of that key, booted now if the store does not have it.

    :param failed_boots: a folder that gets the logs of boots that failed.
    :raises CloningImpossibleError: this QEMU or machine type cannot; remembered, so that it is tried once.
    :raises SeriesError: the kernel does not boot.
    :raises HostError: QEMU does not start.
    """
    if (known := context.store.recall("template", f"{key}-impossible"[-60:])) is not None:
        raise CloningImpossibleError(str(known["what"]), evidence=str(known["evidence"]))

    def fill(folder: Path) -> None:
        _boot_with_retry(request, folder, failed_boots, context.deadline)

    try:
        folder = context.store.make("template", key, fill, deadline=context.deadline)
    except CloningImpossibleError as error:
        context.store.remember("template", f"{key}-impossible"[-60:], {"what": error.what, "evidence": error.evidence})
        raise
    file = folder / _DESCRIPTION
    source = str(file)
    facts = from_table(_Facts, parse_json(file.read_text(), source), name="template", source=source)
    return Template(request, folder, facts.boot_seconds, facts.attempts, facts.taint)


@contextlib.contextmanager
def cloned(template: Template, *, folder: Path, memory: Path | None = None, deadline: Deadline) -> Iterator[Machine]:
    """A pristine machine, cloned from a template, for the length of a ``with`` block.

    :param memory: a copy of the template's memory that the machine may write to; without it, what the machine changes
        is its own and is gone with it.
    :raises HostError: the template is gone, or QEMU does not take the state.
    """
    try:
        state = os.open(template.folder / STATE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(
            "the template that machines are cloned from is gone",
            evidence=str(error),
            remedy="run again, and leave the store alone meanwhile",
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
    """A machine booted afresh, every shell at its prompt, for the length of a ``with`` block.

    :raises SeriesError: the kernel does not boot.
    :raises HostError: QEMU does not start.
    """
    memory = folder / MEMORY
    try:
        with running(request, Backing(memory, is_shared=True), folder=folder) as machine:
            with _explained(machine):
                machine.await_shells(deadline.sooner(request.boot_seconds))
            yield machine
    finally:
        memory.unlink(missing_ok=True)


def read_taint(console: Console, deadline: Deadline) -> int:
    """What the kernel says of itself in /proc/sys/kernel/tainted; 0 when the shell cannot tell.

    Read by the shell itself: a program would have to be started.

    :raises Unanswered: as a command.
    """
    said = console.run("read -r taint </proc/sys/kernel/tainted; echo $taint", deadline=deadline).output.strip()
    return int(said) if said.isdigit() else 0


def _boot_with_retry(request: BootRequest, folder: Path, failed_boots: Path, deadline: Deadline) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _boot_and_save(request, folder, attempt, deadline)
        except SeriesError as error:
            _keep_logs(folder, failed_boots / f"boot-{attempt}")
            if attempt == _ATTEMPTS or deadline.is_past or isinstance(error, KernelEndedError):
                raise
        else:
            return


def _boot_and_save(request: BootRequest, folder: Path, attempt: int, deadline: Deadline) -> None:
    started = time.monotonic()
    backing = Backing(folder / MEMORY, is_shared=True)
    backing.file.unlink(missing_ok=True)  # what an attempt before left there
    with running(request, backing, folder=folder) as machine:
        with _explained(machine):
            machine.await_shells(deadline.sooner(request.boot_seconds))
            seconds = time.monotonic() - started
            taint = read_taint(machine.consoles[ConsoleName.ADMIN], deadline.sooner(request.boot_seconds))
        save_state(machine, folder / STATE, deadline)
    facts = _Facts(round(seconds, 3), attempt, taint, tuple(machine.words))
    (folder / _DESCRIPTION).write_text(dump_value(facts))


@contextlib.contextmanager
def _explained(machine: Machine) -> Iterator[None]:
    """Say why shells did not come up, where they are waited for."""
    try:
        yield
    except Unanswered:
        _require_room(machine.folder)
        machine.wires.drain(Deadline.after(1.0))
        log = (machine.folder / f"{KERNEL_LOG}.log").read_text(errors="replace")
        raise explain_boot(
            kernel_log=log,
            qemu_said=machine.last_words(),
            is_running=machine.is_running,
            is_starved=machine.is_starved,
            kernel=str(machine.request.image),
        ) from None


def save_state(machine: Machine, state: Path, deadline: Deadline) -> None:
    """Write the device state of a machine whose memory is in a shared file; the machine stands still then.

    :raises CloningImpossibleError: this QEMU or machine type cannot.
    """
    monitor = machine.monitor(deadline)
    handle = os.open(state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        # Not stopped first: migration stops the guest itself, and a clone then runs without being told to.
        _set_capabilities(machine, deadline)
        monitor.hand_over("state", handle, deadline=deadline)
        monitor.execute("migrate", deadline=deadline, uri="fd:state")
        monitor.wait_for_migration(deadline=deadline)
    except RefusedError as error:
        _require_room(machine.folder)
        raise CloningImpossibleError(f"this machine cannot be cloned: {error.what}", evidence=error.evidence) from None
    finally:
        os.close(handle)


def _require_room(folder: Path) -> None:
    """Blame neither the kernel nor QEMU for a full disk: a guest whose memory file cannot grow ends by SIGBUS.

    :raises HostError: the disk of that folder is full.
    """
    state = os.statvfs(folder)
    left = state.f_bavail * state.f_frsize / (1 << 20)
    if left < _FULL_MEBIBYTES:
        raise HostError(
            "no space left on the disk for the memory of a guest",
            evidence=f"{left:.1f} MiB left in {folder.parent}",
            remedy="free some space ('harness clean' shows what the store holds); a guest may need "
            "all the memory of its machine type there, 256 MiB for q35",
        )


def _take_state(machine: Machine, state: int, deadline: Deadline) -> None:
    """Let a machine that waits for it have the device state in that file.

    :raises HostError: QEMU does not take it.
    """
    try:
        monitor = machine.monitor(deadline)
        _set_capabilities(machine, deadline)
        monitor.execute("migrate-incoming", deadline=deadline, uri=f"fd:{state}")
        # What is typed before the serial ports have their state would be overwritten by it.
        monitor.wait_for_migration(deadline=deadline)
    except (HostError, RefusedError) as error:
        raise HostError(
            "QEMU does not take the template's state, so that no machine can be cloned",
            evidence=machine.last_words() or str(error),
            remedy="let the template be made anew: harness clean --remove template",
        ) from None


def _set_capabilities(machine: Machine, deadline: Deadline) -> None:
    """Send device state only (memory is in the file), and announce the end of the migration."""
    wanted = [{"capability": name, "state": True} for name in ("x-ignore-shared", "events")]
    machine.monitor(deadline).execute("migrate-set-capabilities", deadline=deadline, capabilities=wanted)


def _keep_logs(folder: Path, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        (place / log.name).write_bytes(log.read_bytes())
