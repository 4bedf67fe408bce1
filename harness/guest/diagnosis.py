# SPDX-License-Identifier: GPL-2.0-only
"""Find out which parts of a machine still answer after a command did not return, and collect the evidence.

A kernel counts as gone only when nothing else explains its silence. SysRq alone is no proof: it is silent without
CONFIG_MAGIC_SYSRQ_SERIAL, when the kernel has no console on its log's serial port, and on Debian's 6.19 and 7.0. So the
other consoles are asked as well, and QEMU for the state of the processor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.base.deadline import Deadline
from harness.base.errors import CaseError, HarnessError, HostError
from harness.guest import qemu
from harness.guest.console import Console, Unanswered
from harness.guest.wires import Wires
from harness.model.verdict import Fate
from harness.session.console_name import ConsoleName

if TYPE_CHECKING:
    from harness.guest.qmp import Monitor

_TASKS_SECONDS = 15.0
# The state D is a sleep that no signal ends; idle kernel threads are in state I.
_STUCK = (
    "for f in $(grep -ls '^State:.D' /proc/[0-9]*/status); do d=${f%/*}; "
    'echo "$(cat $d/comm) (pid ${d##*/}) sleeps uninterruptibly:"; cat $d/stack; done 2>/dev/null | head -n 40'
)
_FRAME = re.compile(r"\[<[^>]*>\] ([\w.]+)\+0x")
_TASK = re.compile(r"^(.*) \(pid (\d+)\) sleeps uninterruptibly:$", re.MULTILINE)
_RIP = re.compile(r"\bRIP=([0-9a-f]{16}) RFL=([0-9a-f]{8})")
_HALTED = re.compile(r"\bHLT=1\b")
_INTERRUPTS_ON = 0x200  # the flag IF of RFLAGS
# Strings of equal length are compared, as awk has no integers of 64 bits.
_NEAREST = (
    'awk -v a={address} \'$2 ~ /^[tTwW]$/ && $1 "" <= a "" && $1 "" > b {{ b = $1 ""; n = $3 }} '
    "END {{ print b, n }}' /proc/kallsyms"
)


class SilentMachine(Protocol):
    """The part of a machine that a diagnosis uses; see :class:`harness.guest.machine.Machine`."""

    wires: Wires

    @property
    def consoles(self) -> Mapping[ConsoleName, Console]:
        """Return all consoles."""

    @property
    def is_running(self) -> bool:
        """Return whether QEMU runs."""

    @property
    def is_starved(self) -> bool:
        """Return whether QEMU got no processor most of the time."""

    def deadline(self, seconds: float) -> Deadline:
        """Return a deadline for what the guest does."""

    def console(self, name: ConsoleName, *, deadline: Deadline) -> Console:
        """Return a console that has this machine's nonce."""

    def monitor(self, deadline: Deadline) -> Monitor:
        """Return QEMU's monitor."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The state of a machine, with its evidence.

    :param fate: the state.
    :param summary: the evidence in a few words; empty without any.
    :param text: the evidence in full, in lines.
    :param address: the address of the instruction that the processor was at, 16 hexadecimal digits; empty if unknown.
    """

    fate: Fate
    summary: str = ""
    text: str = ""
    address: str = ""


def diagnose(machine: SilentMachine, name: ConsoleName, *, seconds: float) -> Diagnosis:
    """Find out which parts of a machine still answer after a command on a console did not return.

    The kernel is tested with SysRq on its log's serial port (a break, then ``h``: it prints its help), which needs no
    process of the guest, and with the other consoles. The shell is tested with Ctrl-C. If a shell answers, the kernel
    is alive as well. Each gets the same few seconds, whatever deadline was missed.
    """
    if not machine.is_running:
        return Diagnosis(Fate.MACHINE_LOST)
    if machine.is_starved:
        return Diagnosis(Fate.STARVED)
    deadline = machine.deadline(seconds)
    before = machine.wires.kernel_bytes
    if not _ask_kernel(machine, deadline):
        return _gone(machine, seconds)
    try:
        machine.consoles[name].interrupt(deadline=deadline)
    except Unanswered as error:
        if error.fate is not Fate.COMMAND_HUNG:
            return Diagnosis(error.fate)
    else:
        return Diagnosis(Fate.COMMAND_HUNG)
    if _is_stopped(machine, seconds):
        return _gone(machine, seconds)
    other = _answering(machine, name, seconds)
    if other is not None:
        return _silent(machine, other)
    return Diagnosis(Fate.SHELL_SILENT) if machine.wires.kernel_bytes > before else _gone(machine, seconds)


def find_symbol(console: Console, address: str, *, deadline: Deadline) -> str:
    """Return the symbol of a kernel address, as ``name+0x1a``, by the kallsyms of a running kernel; empty if unknown.

    :param console: a console of a machine with the same addresses.
    :param address: 16 hexadecimal digits.
    :raises Unanswered: the shell does not answer.
    """
    words = console.run(_NEAREST.format(address=address), deadline=deadline).output.split()
    if len(words) != 2 or not re.fullmatch("[0-9a-f]{16}", words[0]) or not int(words[0], 16):
        return ""
    return f"{words[1]}+{int(address, 16) - int(words[0], 16):#x}"


def _answering(machine: SilentMachine, name: ConsoleName, seconds: float) -> Console | None:
    """Return another console that answers; None without one."""
    for other in ConsoleName:
        if other is not name:
            try:
                console = machine.console(other, deadline=machine.deadline(seconds))
                console.run("true", deadline=machine.deadline(seconds))
            except (Unanswered, CaseError):
                continue
            return console
    return None


def _silent(machine: SilentMachine, other: Console) -> Diagnosis:
    """Name the tasks that no signal reaches, with their kernel stacks."""
    try:
        text = other.run(_STUCK, deadline=machine.deadline(_TASKS_SECONDS)).output.strip()
    except (Unanswered, CaseError):
        return Diagnosis(Fate.SHELL_SILENT)
    return Diagnosis(Fate.SHELL_SILENT, summarize_tasks(text), text if _TASK.search(text) else "")


def summarize_tasks(text: str) -> str:
    """Return the first stuck task in a few words: ``rmdir (pid 77) is stuck in do_wait()``."""
    found = _TASK.search(text)
    if found is None:
        return ""
    frame = _FRAME.search(text, found.end())
    more = len(_TASK.findall(text)) - 1
    where = f" in {frame[1]}()" if frame else ""
    return f"{found[1]} (pid {found[2]}) is stuck{where}" + (f", and {more} more" if more else "")


def _gone(machine: SilentMachine, seconds: float) -> Diagnosis:
    """Describe a kernel that does not answer by the state of QEMU and of its processor."""
    if not machine.is_running:
        return Diagnosis(Fate.MACHINE_LOST)
    deadline = machine.deadline(seconds)
    try:
        status = machine.monitor(deadline).execute("query-status", deadline=deadline)
        words = {"command_line": "info registers"}
        registers = str(machine.monitor(deadline).execute("human-monitor-command", deadline=deadline, **words))
    except (HarnessError, OSError):
        return Diagnosis(Fate.KERNEL_GONE if machine.is_running else Fate.MACHINE_LOST, "QEMU does not answer either")
    state = str(status.get("status", "")) if isinstance(status, dict) else ""
    return read_processor(state, registers)


def read_processor(state: str, registers: str) -> Diagnosis:
    """Describe the processor of a kernel that does not answer.

    :param state: QEMU's status of the machine, such as ``running``.
    :param registers: the output of ``info registers``.
    """
    if state not in ("", "running"):
        return Diagnosis(Fate.KERNEL_GONE, f"QEMU is {state}", registers)
    found = _RIP.search(registers)
    if found is None:
        return Diagnosis(Fate.KERNEL_GONE, "", registers)
    interrupts = "on" if int(found[2], 16) & _INTERRUPTS_ON else "off"
    doing = "is halted" if _HALTED.search(registers) else "runs"
    summary = f"the processor {doing} with interrupts {interrupts}, at {found[1]}"
    return Diagnosis(Fate.KERNEL_GONE, summary, registers, found[1])


def _is_stopped(machine: SilentMachine, seconds: float) -> bool:
    """Return whether QEMU has stopped the processor: no console can answer then."""
    deadline = machine.deadline(seconds)
    try:
        status = machine.monitor(deadline).execute("query-status", deadline=deadline)
    except (HarnessError, OSError):
        return True
    return isinstance(status, dict) and status.get("status") != "running"


def _ask_kernel(machine: SilentMachine, deadline: Deadline) -> bool:
    """Type SysRq h, and return whether QEMU and the port accepted it."""
    try:
        machine.monitor(deadline).execute("chardev-send-break", deadline=deadline, id=qemu.KERNEL_LOG)
        machine.wires.send(qemu.KERNEL_LOG, b"h", deadline=deadline)
    except (HostError, qemu.RefusedError, BrokenPipeError, TimeoutError):
        return False
    return True
