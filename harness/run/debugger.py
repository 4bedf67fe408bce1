# SPDX-License-Identifier: GPL-2.0-only
"""Attach a debugger to a machine.

gdb: QEMU's stub on a socket in its folder, breakpoints at the functions of a series. drgn: on a copy of its memory.
"""

from __future__ import annotations

import shlex
import signal
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.events import PhaseStarted
from harness.cores.reader import KernelFacts, open_prompt
from harness.guest.cores.dump import write_core
from harness.guest.machine import Machine
from harness.kernel.build.options import BuildOptions
from harness.kernel.from_source import read_source, source_word
from harness.kernel.source.apt import Apt
from harness.model.kernel_spec import KernelSpec
from harness.results.cores import CORE_NAME
from harness.run.coverage.touching import read_change

_SOCKET = "gdb"
_VMLINUX = "vmlinux"
_SECONDS = 10.0
_MOST_BREAKPOINTS = 50


@dataclass(frozen=True, slots=True)
class Debugger:
    """A machine that waits for gdb.

    :param socket: the path of QEMU's stub.
    :param vmlinux: the kernel with its symbols; None when there is none beside the image.
    :param functions: where gdb stops.
    """

    socket: Path
    vmlinux: Path | None
    functions: tuple[str, ...] = ()

    def argv(self, *more: str) -> list[str]:
        """Return the command line of gdb.

        Files of the machine's kernel are untrusted: gdb reads no scripts that are in them or beside them.

        :param more: further commands.
        """
        commands = ["set pagination off", f"target remote {self.socket}"]
        commands += [f"break {name}" for name in self.functions] if self.vmlinux is not None else []
        words = [word for command in (*commands, *more) for word in ("-ex", command)]
        return ["gdb", "-q", "-nx", "-iex", "set auto-load off", *words, *map(str, filter(None, [self.vmlinux]))]


def serve(machine: Machine, functions: Iterable[str] = ()) -> Debugger:
    """Stop a machine, and let gdb attach to it.

    :param functions: where gdb stops.
    :raises HostError: QEMU does not answer.
    """
    deadline = Deadline.after(_SECONDS)
    path = (machine.folder / _SOCKET).absolute()
    monitor = machine.monitor(deadline)
    monitor.execute("stop", deadline=deadline)
    # QEMU gets an open socket: in bubblewrap it does not see the folder.
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(str(path))
        except OSError as error:
            remedy = "use a folder with a short path"
            raise HostError("there is no port for gdb", evidence=f"{path}: {error}", remedy=remedy) from None
        listener.listen(1)
        monitor.pass_file(_SOCKET, listener.fileno(), deadline=deadline)
    address = {"type": "fd", "data": {"str": _SOCKET}}
    backend = {"type": "socket", "data": {"addr": address, "server": True, "wait": False}}
    monitor.execute("chardev-add", deadline=deadline, id=_SOCKET, backend=backend)
    words = {"command_line": f"gdbserver chardev:{_SOCKET}"}
    answer = str(monitor.execute("human-monitor-command", deadline=deadline, **words))
    if "Waiting for gdb" not in answer:
        raise HostError("QEMU offers no port for gdb", evidence=answer.strip(), remedy="use a newer QEMU")
    vmlinux = machine.request.image.parent / _VMLINUX
    return Debugger(path, vmlinux if vmlinux.exists() else None, tuple(functions)[:_MOST_BREAKPOINTS])


def run_gdb(debugger: Debugger) -> str:
    """Run gdb in this terminal until the user leaves it.

    :return: how to attach by hand, if gdb is not installed; else empty.
    """
    argv = debugger.argv()
    if process.find_program(argv[0]) is None:
        return f"gdb is not installed (apt-get install gdb); the machine waits for: {shlex.join(argv)}"
    # Ctrl-C is for gdb, which stops the machine then.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with process.start(argv, stdin=None, stdout=None, stderr=None) as child:
            child.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return ""


def patched_functions(context: Context, spec: KernelSpec, options: BuildOptions) -> tuple[str, ...]:
    """Return the names of the functions that the series of a kernel changes or adds; none without a series.

    :raises HarnessError: the source is gone, or the series does not apply any more.
    """
    word = source_word(spec)
    if word is None:
        return ()
    tree = read_source(context, word, options, apt=Apt()).trees[-1]
    if tree.commit == tree.base:
        return ()
    names: dict[str, None] = {}
    for pair in ((tree.base, tree.commit), (tree.commit, tree.base)):
        touched, _ = read_change(context, tree.repository, *pair)
        names |= dict.fromkeys(
            span.name for one in touched.values() for span in one.functions if span.name.isidentifier()
        )
    return tuple(sorted(names))


def open_drgn(context: Context, machine: Machine, kernel: KernelFacts) -> None:
    """Open drgn's prompt on the memory of a machine, which is stopped meanwhile.

    :param kernel: the symbols and types of its kernel.
    :raises HostError: QEMU does not answer, or the memory cannot be saved.
    """
    core = machine.folder / CORE_NAME
    context.report(PhaseStarted("saving the memory of the machine"))
    try:
        write_core(machine, core, release=kernel.release)
    except OSError as error:
        raise HostError("the memory of the machine cannot be saved", evidence=str(error)) from None
    open_prompt(core, kernel)
    deadline = Deadline.after(_SECONDS)
    machine.monitor(deadline).execute("cont", deadline=deadline)
