# SPDX-License-Identifier: GPL-2.0-only
"""A running guest: QEMU, its four serial ports and its monitor, for the length of a ``with`` block.

QEMU holds one end of socket pairs whose other end is here. When the harness dies, by whatever signal, the kernel kills
QEMU (see ``harness/base/process.py``) and the sockets are gone: nothing is left to clean up.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.coverage import files
from harness.guest import diagnosis, qemu
from harness.guest.console import Console, Unanswered
from harness.guest.disks.images import opened_disks
from harness.guest.guest_clock import GuestClock
from harness.guest.wires import Wires
from harness.kernel.sandbox.enclosure import QemuProcess, Seen, started
from harness.model.verdict import Fate
from harness.session import console_name

if TYPE_CHECKING:
    from harness.guest.qmp import Monitor

_LOG = logging.getLogger(__name__)
_ENDING_SECONDS = 5.0
_KVM = Path("/dev/kvm")
_SLOWEST = 40.0
"""A kernel with all checks at once takes up to 25 times as long to boot as a plain one (measured under emulation)."""
PROBE_SECONDS = 5.0
"""Time that a kernel gets to answer SysRq, and a shell Ctrl-C; see :meth:`Machine.diagnose`."""


@dataclass(frozen=True, slots=True)
class BootRequest:
    """The inputs of a boot.

    :param program: the QEMU program.
    :param image: kernel image.
    :param initramfs: the guest image's archive.
    :param machine_type: the board, its memory and its devices.
    :param acceleration: the accelerator, KVM or TCG.
    :param boot_seconds: a boot that takes longer counts as failed.
    :param plain_seconds: the time that the plain kernel needed to boot, for a variant whose slowness is to be measured;
        0 for any other kernel.
    :param plugin: QEMU's coverage plugin; None to note no coverage.
    :param disk: the read-only image of the guest's root file system; None for a guest that is an initramfs alone.
    :param bubblewrap: bwrap(1), which QEMU runs in; None to run it without.
    :param slowness: how many times slower the kernel is than a plain one; deadlines are that much longer.
    """

    program: Path
    image: Path
    initramfs: Path
    machine_type: qemu.MachineType
    acceleration: qemu.Acceleration
    boot_seconds: float = qemu.BOOT_SECONDS
    plain_seconds: float = 0.0
    plugin: Path | None = None
    disk: Path | None = None
    bubblewrap: Path | None = None
    slowness: float = 1.0

    @property
    def patience(self) -> float:
        """Return the time limit of a boot: longer for a variant, whose slowness is not known before its boot."""
        return max(self.boot_seconds, _SLOWEST * self.plain_seconds)

    def argv(
        self,
        backing: qemu.Backing,
        ports: dict[str, int],
        monitor: int,
        *,
        waits: bool,
        disks: Mapping[str, int] | None = None,
    ) -> list[str]:
        """Return the whole command line of QEMU.

        :param backing: the file that holds the guest's memory.
        :param ports: file descriptor of each serial port, by name.
        :param monitor: file descriptor of the QMP channel.
        :param waits: whether QEMU waits for device state instead of booting.
        :param disks: file descriptor of each disk of the machine type, by name; None for a machine type without any.
        """
        return [
            str(self.program),
            *qemu.isolation(),
            *qemu.board(self.machine_type),
            *qemu.processor(self.machine_type, self.acceleration),
            *qemu.memory(self.machine_type, backing),
            *qemu.serial_ports(ports),
            *qemu.devices(self.machine_type),
            *(qemu.root_disk(self.disk) if self.disk is not None else []),
            *qemu.disks(self.machine_type, disks or {}),
            *qemu.monitor(monitor),
            *qemu.kernel(self.image, self.initramfs, self.machine_type.command_line),
            *(qemu.incoming() if waits else []),
        ]

    def seen(self, backing: qemu.Backing) -> Seen:
        """Return the files that QEMU sees in bubblewrap.

        :param backing: the file that holds the guest's memory.
        """
        return Seen(
            self.program,
            readable=[self.image, self.initramfs, *(one for one in (self.plugin, self.disk) if one is not None)],
            # A clone does not write to it, but QEMU opens it for that.
            writable=[backing.file],
            devices=[_KVM] if self.acceleration is qemu.Acceleration.KVM and _KVM.exists() else [],
        )


class Machine:
    """A running guest; made by :func:`running`.

    :param request: the inputs of the boot.
    :param qemu_process: the QEMU process.
    :param wires: the serial ports.
    :param channel: the QMP channel.
    :param folder: holds ``kernel.log``, a log for each console, and ``qemu.log``.
    """

    def __init__(
        self,
        request: BootRequest,
        qemu_process: QemuProcess,
        wires: Wires,
        channel: socket.socket,
        folder: Path,
    ) -> None:
        self.request = request
        self.folder = folder
        self.wires = wires
        self.consoles = {name: Console(wires, name.value) for name in console_name.ConsoleName}
        self.nonce = secrets.token_hex(8)
        self.prepared = ""
        """The preparation that was already done when the machine was cloned; see ``harness/guest/prepared.py``."""
        self.clock = GuestClock(qemu_process.pid, slowness=request.slowness)
        self.diagnosis = diagnosis.Diagnosis(Fate.ALIVE)
        """What :meth:`diagnose` found last."""
        self._process = qemu_process
        self._channel = channel
        self._monitor: Monitor | None = None
        self._adopted: set[console_name.ConsoleName] = set()

    @property
    def argv(self) -> list[str]:
        """Return the command line of the running QEMU, behind that of bubblewrap."""
        words = self._process.child.args
        return [str(argument) for argument in words] if isinstance(words, list) else []

    @property
    def pid(self) -> int:
        """Return the pid of QEMU."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Return whether QEMU runs.

        When QEMU ends, its ports close one after the other, a moment before the process is gone. If a port is closed,
        this waits for the process, for some seconds at most.
        """
        if not all(map(self.wires.is_open, qemu.PORT_NAMES)):
            with contextlib.suppress(process.Expired):
                self._process.child.wait(_ENDING_SECONDS)
        return self._process.child.poll() is None

    def console(self, name: console_name.ConsoleName, *, deadline: Deadline, prompt: str | None = None) -> Console:
        """Return a console; at first use its shell gets this machine's nonce.

        :param prompt: the prompt that the shell gets at first use; None keeps its prompt.
        :raises Unanswered: its shell does not answer.
        """
        console = self.consoles[name]
        if name not in self._adopted:
            differs = prompt is not None and prompt != console.prompt
            console.adopt(self.nonce, prompt=prompt if differs else None, deadline=deadline)
            self._adopted.add(name)
        return console

    @property
    def adopted(self) -> list[Console]:
        """Return the consoles that were used so far."""
        return [self.consoles[name] for name in self.consoles if name in self._adopted]

    def monitor(self, deadline: Deadline) -> Monitor:
        """Return QEMU's monitor; the first call connects to it.

        :raises HostError: QEMU does not answer; the evidence is its last lines of output.
        """
        if self._monitor is None:
            # Imported here and not at the top: qemu.qmp imports asyncio, and QEMU starts meanwhile.
            from harness.guest.qmp import Monitor

            try:
                self._monitor = Monitor(self._channel, deadline=deadline)
            except HostError as error:
                raise HostError(error.what, evidence=self.last_words() or error.evidence, remedy=error.remedy) from None
        return self._monitor

    @property
    def has_switched_off(self) -> bool:
        """Return whether QEMU ended by itself: the guest rebooted, which ends it, or switched itself off."""
        return not self.is_running and self._process.child.returncode == 0

    @property
    def is_starved(self) -> bool:
        """Return whether QEMU got so little time of a processor that deadlines on its clock came too early."""
        return self.is_running and self.clock.is_starved

    def deadline(self, seconds: float) -> Deadline:
        """Return a deadline for what the guest does, in seconds of the machine's own clock.

        :param seconds: the time on a quiet host; on a busy one it may take :data:`~harness.guest.guest_clock.MULTIPLE`
            times as long.
        """
        return Deadline.after(seconds, clock=self.clock)

    def await_shells(self, deadline: Deadline) -> None:
        """Wait until each shell of a booting guest has printed its first prompt.

        :raises Unanswered: a shell did not before the deadline.
        """
        for console in self.consoles.values():
            console.await_first_prompt(deadline)

    def diagnose(self, name: console_name.ConsoleName) -> Fate:
        """Find out which parts still answer after a command did not return; :attr:`diagnosis` has the evidence."""
        self.diagnosis = diagnosis.diagnose(self, name, seconds=PROBE_SECONDS)
        return self.diagnosis.fate

    def fate_of(self, name: console_name.ConsoleName, error: Unanswered) -> Fate:
        """Return the state of the machine after a command did not return; :meth:`diagnose` finds an unknown one."""
        return self.diagnose(name) if error.fate is Fate.COMMAND_HUNG else error.fate

    def last_words(self) -> str:
        """Return the last lines that QEMU itself printed."""
        log = self.folder / "qemu.log"
        text = log.read_text(errors="replace") if log.exists() else ""
        return "\n".join(text.strip().splitlines()[-10:])

    def kill(self) -> None:
        """Kill QEMU; every wait for one of its consoles then ends with a lost machine."""
        self._process.kill()

    def close(self) -> None:
        """Read the rest of the output from the wires, and end QEMU."""
        self.wires.drain(Deadline.after(1.0))
        if self._monitor is not None:
            self._monitor.close()
        self._process.end()
        self.wires.drain(Deadline.after(1.0))
        self.wires.close()
        self._channel.close()


@contextlib.contextmanager
def running(
    request: BootRequest, backing: qemu.Backing, *, folder: Path, waits: bool = False, pass_fds: Sequence[int] = ()
) -> Iterator[Machine]:
    """Start a machine for the duration of a ``with`` block; it boots or, with ``waits``, waits for device state.

    :param request: the inputs of the boot.
    :param backing: the file that holds the guest's memory.
    :param folder: receives the logs; it must exist.
    :param waits: whether the machine waits for device state.
    :param pass_fds: file descriptors that QEMU inherits.
    :raises HostError: QEMU cannot be started.
    """
    with contextlib.ExitStack() as ends:
        pairs = {name: socket.socketpair() for name in (*qemu.PORT_NAMES, "qmp")}
        for ours, theirs in pairs.values():
            ends.callback(ours.close)
            ends.callback(theirs.close)
        ports = {name: pairs[name][1].fileno() for name in qemu.PORT_NAMES}
        channel, monitor_end = pairs["qmp"]
        _LOG.info("starting a machine with %s; its logs are in %s", request.image, folder)
        images = opened_disks(request.machine_type.disks, backing.file.parent, is_kept=backing.is_shared)
        disks = ends.enter_context(images)
        argv = request.argv(backing, ports, monitor_end.fileno(), waits=waits, disks=disks)
        window = ends.enter_context(coverage_kept(folder)) if request.plugin is not None else None
        if request.plugin is not None and window is not None:
            argv += qemu.coverage(request.plugin, window)
        inherited = [
            *ports.values(),
            monitor_end.fileno(),
            *disks.values(),
            *pass_fds,
            *([window] if window is not None else []),
        ]
        if backing.is_shared:
            backing.file.touch()  # bubblewrap shows files that exist
        qemu_process = ends.enter_context(
            started(
                argv,
                bubblewrap=request.bubblewrap,
                seen=request.seen(backing),
                log=folder / "qemu.log",
                pass_fds=inherited,
            )
        )
        for _, theirs in pairs.values():
            theirs.close()
        wires = Wires({name: pairs[name][0] for name in qemu.PORT_NAMES}, folder=folder)
        machine = Machine(request, qemu_process, wires, channel, folder)
        ends.callback(machine.close)
        yield machine


@contextlib.contextmanager
def coverage_kept(folder: Path) -> Iterator[int]:
    """Return the descriptor of a file for the plugin's bitmap; at the block's end, when QEMU is gone, keep the bitmap.

    :param folder: the folder of the machine's logs; if it is gone, nothing is kept.
    """
    window = files.open_window()
    try:
        yield window
    finally:
        bitmap = files.read_window(window)
        os.close(window)
        # A full disk is reported by whatever writes the record; the coverage alone is no reason to fail a case.
        with contextlib.suppress(OSError):
            files.keep(bitmap, folder)
