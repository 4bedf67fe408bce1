"""A running guest: QEMU, its four serial ports and its monitor, for the length of a ``with`` block.

QEMU holds one end of socket pairs whose other end is here. When the harness dies, by whatever signal, the kernel kills
QEMU (see ``harness/base/process.py``) and the sockets are gone: nothing is left to clean up.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.guest import qemu
from harness.guest.console import Console, Unanswered
from harness.guest.wires import Wires
from harness.model.verdict import Fate
from harness.session import console_name

if TYPE_CHECKING:
    from harness.guest.qmp import Monitor

_LOG = logging.getLogger(__name__)
_ENDING_SECONDS = 5.0
_STARVED = 0.75
"""Of its time; deadlines are ten times what is needed on a host that only runs the machine."""
PROBE_SECONDS = 5.0
"""How long a kernel may take to answer SysRq, or a shell Ctrl-C; see :meth:`Machine.diagnose`."""


@dataclass(frozen=True, slots=True)
class BootRequest:
    """All that decides what boots.

    :param program: the QEMU program.
    :param image: kernel image.
    :param initramfs: the guest image's archive.
    :param boot_seconds: a boot that takes longer counts as failed.
    """

    program: Path
    image: Path
    initramfs: Path
    machine_type: qemu.MachineType
    acceleration: qemu.Acceleration
    boot_seconds: float = qemu.BOOT_SECONDS

    def words(self, backing: qemu.Backing, ports: dict[str, int], monitor: int, *, waits: bool) -> list[str]:
        """The whole command line of QEMU."""
        return [
            str(self.program),
            *qemu.isolation(),
            *qemu.board(self.machine_type),
            *qemu.processor(self.machine_type, self.acceleration),
            *qemu.memory(self.machine_type, backing),
            *qemu.serial_ports(ports),
            *qemu.devices(self.machine_type),
            *qemu.monitor(monitor),
            *qemu.kernel(self.image, self.initramfs, self.machine_type.append),
            *(qemu.incoming() if waits else []),
        ]


class Machine:
    """A running guest; made by :func:`running`.

    :param folder: holds ``kernel.log``, a log a console, and ``qemu.log``.
    """

    def __init__(
        self,
        request: BootRequest,
        child: process.Child,
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
        """The preparation that was done when the machine was had; see ``harness/guest/prepared.py``."""
        self._started = time.monotonic()
        self._child = child
        self._channel = channel
        self._monitor: Monitor | None = None
        self._adopted: set[console_name.ConsoleName] = set()

    @property
    def words(self) -> list[str]:
        """The command line that QEMU was started with."""
        return [str(word) for word in self._child.args] if isinstance(self._child.args, list) else []

    @property
    def pid(self) -> int:
        """Pid of QEMU."""
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether QEMU runs.

        When it ends, its ports close a moment before it is gone, one after the other: then this waits for it, for some
        seconds at most.
        """
        if not all(map(self.wires.is_open, qemu.PORT_NAMES)):
            with contextlib.suppress(process.Expired):
                self._child.wait(_ENDING_SECONDS)
        return self._child.poll() is None

    def console(self, name: console_name.ConsoleName, *, deadline: Deadline, prompt: str | None = None) -> Console:
        """The console of that name, its shell knowing this machine's nonce (and showing ``prompt``, at first use).

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
        """The consoles that were used so far."""
        return [self.consoles[name] for name in self.consoles if name in self._adopted]

    def monitor(self, deadline: Deadline) -> Monitor:
        """QEMU's monitor; the connection is made at the first call.

        :raises HostError: QEMU does not answer; the last lines of what it said are the evidence.
        """
        if self._monitor is None:
            # Imported here and not above: qemu.qmp brings asyncio, and QEMU starts up meanwhile.
            from harness.guest.qmp import Monitor

            try:
                self._monitor = Monitor(self._channel, deadline=deadline)
            except HostError as error:
                raise HostError(error.what, evidence=self.last_words() or error.evidence, remedy=error.remedy) from None
        return self._monitor

    @property
    def is_starved(self) -> bool:
        """Whether QEMU has waited for a processor most of the time since it was started."""
        lived = time.monotonic() - self._started
        return self.is_running and process.seconds_waited(self.pid) >= _STARVED * lived

    def await_shells(self, deadline: Deadline) -> None:
        """Wait until each shell of a booting guest stands at its first prompt.

        :raises Unanswered: one does not.
        """
        for console in self.consoles.values():
            console.await_first_prompt(deadline)

    def diagnose(self, name: console_name.ConsoleName) -> Fate:
        """What still lives after a command did not return.

        The kernel is asked by SysRq on its log's serial port (a break, then ``h``: it prints its help), which needs
        no process of the guest; the shell by Ctrl-C. A shell that answers speaks for the kernel as well, which may have
        been built without SysRq. Both have the same few seconds, whatever deadline was missed.
        """
        if not self.is_running:
            return Fate.MACHINE_LOST
        if self.is_starved:
            return Fate.STARVED
        deadline = Deadline.after(PROBE_SECONDS)
        before = self.wires.kernel_bytes
        if not self._ask_kernel(deadline):
            return Fate.KERNEL_GONE if self.is_running else Fate.MACHINE_LOST
        try:
            self.consoles[name].interrupt(deadline=deadline)
        except Unanswered as error:
            if error.fate is not Fate.COMMAND_HUNG:
                return error.fate
            return Fate.SHELL_SILENT if self.wires.kernel_bytes > before else Fate.KERNEL_GONE
        return Fate.COMMAND_HUNG

    def fate_of(self, name: console_name.ConsoleName, error: Unanswered) -> Fate:
        """What became of the machine after a command did not return; asked where only silence is known."""
        return self.diagnose(name) if error.fate is Fate.COMMAND_HUNG else error.fate

    def last_words(self) -> str:
        """The last lines that QEMU itself printed."""
        log = self.folder / "qemu.log"
        text = log.read_text(errors="replace") if log.exists() else ""
        return "\n".join(text.strip().splitlines()[-10:])

    def kill(self) -> None:
        """End QEMU now; whoever waits for one of its consoles learns that the machine is lost."""
        self._child.kill()

    def close(self) -> None:
        """Take in what is left on the wires, and end QEMU."""
        self.wires.drain(Deadline.after(1.0))
        if self._monitor is not None:
            self._monitor.close()
        process.end(self._child)
        self.wires.drain(Deadline.after(1.0))
        self.wires.close()
        self._channel.close()

    def _ask_kernel(self, deadline: Deadline) -> bool:
        """Type SysRq h; whether QEMU and the port take it."""
        try:
            self.monitor(deadline).execute("chardev-send-break", deadline=deadline, id=qemu.KERNEL_LOG)
            self.wires.send(qemu.KERNEL_LOG, b"h", deadline=deadline)
        except (HostError, qemu.RefusedError, BrokenPipeError, TimeoutError):
            return False
        return True


@contextlib.contextmanager
def running(
    request: BootRequest, backing: qemu.Backing, *, folder: Path, waits: bool = False, pass_fds: Sequence[int] = ()
) -> Iterator[Machine]:
    """A machine that boots (or, with ``waits``, waits for device state), for the length of a ``with`` block.

    :param folder: for the logs; it must exist.
    :raises HostError: QEMU cannot be started.
    """
    with contextlib.ExitStack() as ends:
        pairs = {name: socket.socketpair() for name in (*qemu.PORT_NAMES, "qmp")}
        for ours, theirs in pairs.values():
            ends.callback(ours.close)
            ends.callback(theirs.close)
        ports = {name: pairs[name][1].fileno() for name in qemu.PORT_NAMES}
        channel, monitor_end = pairs["qmp"]
        _LOG.info("machine of %s, with its logs in %s", request.image, folder)
        words = request.words(backing, ports, monitor_end.fileno(), waits=waits)
        log = ends.enter_context((folder / "qemu.log").open("wb"))
        child = ends.enter_context(
            process.start(
                words,
                stdout=log.fileno(),
                stderr=log.fileno(),
                within=process.Surroundings(pass_fds=[*ports.values(), monitor_end.fileno(), *pass_fds]),
            )
        )
        for _, theirs in pairs.values():
            theirs.close()
        wires = Wires({name: pairs[name][0] for name in qemu.PORT_NAMES}, folder=folder)
        machine = Machine(request, child, wires, channel, folder)
        ends.callback(machine.close)
        yield machine
