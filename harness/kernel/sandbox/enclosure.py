# SPDX-License-Identifier: GPL-2.0-only
"""Run QEMU in bubblewrap: it sees its programs, its libraries and the files of one machine, and nothing else.

QEMU's emulation is no security boundary by its own documentation, and its guests are untrusted kernels. A kernel that
breaks out finds no HOME, no network, no other process, no variables of the user, no key, and of the store only the
files of its own machine.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.store import digest_of
from harness.kernel.sandbox.bubblewrap import PROGRAM_FOLDERS, program_folders

_PROGRAM = "bwrap"
_KIND = "enclosure"
_PROBE_SECONDS = 30.0
_PID = re.compile(rb'"child-pid": ([0-9]+)')
_READ_BYTES = 4096
_UNSHARED = ("user-try", "net", "pid", "ipc", "uts", "cgroup-try")
_SETTINGS = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d")
_DEVICES = (Path("/dev/null"), Path("/dev/urandom"))
# bubblewrap asks for its death with that of its parent as the last thing before it executes the program; a parent that
# died before is not noticed. So bash says at the socket named by $0 that this was done, and waits for a line from the
# thread that started bubblewrap: one that is gone, and with it bubblewrap, sends none. Its process may live a moment
# longer than the thread, so the end of the socket alone would not do.
_GUARD = 'fd=$0; printf r >&"$fd"; read -r -u "$fd" || exit 1; exec {fd}<&-; exec env -u SHLVL -u _ "$@"'
_PREFIX_PARTS = ("lib", "lib64", "libexec", "share/qemu", "share/seabios")
"""What a QEMU that is installed elsewhere needs of its prefix."""
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
"""The whole environment of QEMU: variables of the user may hold secrets."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The files of a machine that its QEMU sees, besides programs and libraries.

    :param program: QEMU.
    :param readable: files and folders to read.
    :param writable: files to write.
    :param devices: devices to open.
    :param has_network: whether it shares the host's network.
    :param has_proc: whether it has /proc, /dev and an empty /tmp.
    """

    program: Path
    readable: Sequence[Path] = ()
    writable: Sequence[Path] = ()
    devices: Sequence[Path] = ()
    has_network: bool = False
    has_proc: bool = False


def enclosing_arguments(bubblewrap: Path, seen: Seen, *, info: int | None = None) -> list[str]:
    """Return the arguments that precede those of QEMU, or of another program.

    :param bubblewrap: bwrap(1).
    :param seen: the files that QEMU sees.
    :param info: the descriptor to which bwrap writes the pid of the program, as JSON; None for none.
    """
    words = [str(bubblewrap), *([] if info is None else ["--info-fd", str(info)])]
    words += ["--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"]
    words += [f"--unshare-{name}" for name in _UNSHARED if name != "net" or not seen.has_network]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"] if seen.has_proc else []
    words += program_folders()
    for name in _SETTINGS:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for device in (*([] if seen.has_proc else _DEVICES), *seen.devices):
        words += ["--dev-bind", str(device), str(device)]
    for path in (*_installation(seen.program), *seen.readable):
        if not _is_program_file(path):
            words += ["--ro-bind", str(path), str(path)]
    for path in seen.writable:
        words += ["--bind", str(path), str(path)]
    # bwrap's own root is memory without a limit.
    return [*words, "--remount-ro", "/", "--chdir", "/", "--"]


def _is_program_file(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in PROGRAM_FOLDERS)


def _installation(program: Path) -> Iterator[Path]:
    """Return what a QEMU elsewhere needs: never the whole prefix, which may be in HOME."""
    found: dict[Path, None] = {}
    for one in dict.fromkeys((program, program.resolve())):
        folder = one.parent
        if _is_program_file(one):
            continue
        # A build folder has its firmware beside it.
        parts = _PREFIX_PARTS if folder.name == "bin" else ("pc-bios",)
        found |= dict.fromkeys([folder, *(folder.parent / part for part in parts)])
    return (path for path in found if path.exists())


def find_enclosure(context: Context) -> tuple[Path | None, str]:
    """Find bubblewrap for QEMU; return its path, or None and why it does not work on this host.

    That it works is remembered until the host boots again.

    :param context: its store remembers it.
    """
    program = process.find_program(_PROGRAM)
    if program is None:
        return None, f"no program {_PROGRAM} on PATH (package bubblewrap)"
    stat = program.stat()
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        user = Path("/proc/self/ns/user").stat().st_ino
        key = digest_of(str(program), str(stat.st_size), str(stat.st_mtime_ns), str(os.geteuid()), boot, str(user))
        if context.store.recall(_KIND, key) is not None:
            return program, ""
        if not (complaint := _probe(program)):
            context.store.remember(_KIND, key, {"program": str(program)})
            return program, ""
        return None, complaint
    return None, "/proc is not mounted"


def _probe(program: Path) -> str:
    """Return why bubblewrap does not work; empty if it does."""
    true = process.find_program("true") or Path("/bin/true")
    with open(os.devnull, "wb") as info:  # noqa: PTH123 - not a path
        words = [*enclosing_arguments(program, Seen(true), info=info.fileno()), str(true)]
        within = process.Surroundings(env=ENVIRONMENT, pass_fds=[info.fileno()])
        result = process.run(words, deadline=Deadline.after(_PROBE_SECONDS), check=False, within=within)
    return "" if result.status == 0 else result.complaint


def unenclosed_note(complaint: str) -> str:
    """Return the note for the user that QEMU runs without bubblewrap.

    :param complaint: why.
    """
    last = complaint.strip().splitlines()[-1] if complaint.strip() else "it failed"
    return f"QEMU runs without bubblewrap: {last}; a kernel that breaks out of QEMU has your rights"


class QemuProcess:
    """QEMU's process, either the child itself or the one that bubblewrap started."""

    def __init__(self, child: process.Child, info: int | None) -> None:
        """Find the process.

        :param child: the child: QEMU, or bubblewrap.
        :param info: the descriptor from which bubblewrap's information is read; None without it.
        """
        self.child = child
        self.pid = child.pid
        self.has_started = True
        """Whether QEMU, or a process that will be QEMU, was started."""
        self._descriptor: int | None = None
        if info is not None:
            self.pid = _read_pid(info)
            self.has_started = self.pid != 0
        if info is not None and self.has_started:
            with contextlib.suppress(ProcessLookupError):
                self._descriptor = os.pidfd_open(self.pid)

    def kill(self) -> None:
        """Kill QEMU; bubblewrap then ends by itself."""
        if self._descriptor is None:
            self.child.kill()
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def end(self) -> None:
        """Kill QEMU and wait until it is gone."""
        if self._descriptor is not None:
            self.kill()
            # bubblewrap ends with QEMU, which it reaps. Without a timeout: with one, Python looks only now and then.
            self.child.wait()
            os.close(self._descriptor)
            self._descriptor = None
        process.end(self.child)


def _read_pid(info: int) -> int:
    """Read QEMU's pid from what bubblewrap writes; 0 if it has ended before."""
    text = b""
    while not (found := _PID.search(text)):
        if not (data := os.read(info, _READ_BYTES)):
            return 0
        text += data
    return int(found[1])


@contextlib.contextmanager
def started(
    argv: Sequence[str], *, bubblewrap: Path | None, seen: Seen, log: Path, pass_fds: Sequence[int]
) -> Iterator[QemuProcess]:
    """Start QEMU for the length of a ``with`` block.

    :param argv: the command line of QEMU.
    :param bubblewrap: bwrap(1); None to start QEMU without it.
    :param seen: the files that QEMU sees.
    :param log: the file for what QEMU prints.
    :param pass_fds: the descriptors that QEMU inherits.
    :raises HostError: it cannot be started.
    """
    with contextlib.ExitStack() as ends:
        words, within, info = list(argv), process.Surroundings(pass_fds=pass_fds), None
        if bubblewrap is not None:
            _require_program(argv[0])
            info, theirs = os.pipe()
            ends.callback(os.close, info)
            written = ends.enter_context(os.fdopen(theirs, "wb", buffering=0))
            guard, guards = map(ends.enter_context, socket.socketpair())
            words = [*enclosing_arguments(bubblewrap, seen, info=theirs), *_guarded(words, guards.fileno())]
            within = process.Surroundings(env=ENVIRONMENT, pass_fds=[*pass_fds, theirs, guards.fileno()])
        output = ends.enter_context(log.open("wb")).fileno()
        child = ends.enter_context(process.start(words, stdout=output, stderr=output, within=within))
        if bubblewrap is not None:
            ends.callback(guard.close)  # before bubblewrap is killed, at the end of the block
            written.close()  # the end of bubblewrap is then the end of the pipe, and of the socket
            guards.close()
        qemu = QemuProcess(child, info)
        ends.callback(qemu.end)
        if not qemu.has_started:
            child.wait()
            raise enclosure_error(log.read_text(errors="replace").strip() or f"{bubblewrap} printed nothing")
        if bubblewrap is not None and process.find_program("bash") and guard.recv(1):
            guard.send(b"\n")
        yield qemu


def _guarded(words: Sequence[str], guards: int) -> list[str]:
    """Return the command line that executes a program when this process lets it; without bash it does so at once.

    :param guards: the end of a socket pair; a byte comes from it, and a line lets the program begin.
    """
    bash = process.find_program("bash")
    return [*([str(bash), "--norc", "--noprofile", "-c", _GUARD, str(guards)] if bash else []), *words]


def _require_program(program: str) -> None:
    """Refuse a program that is missing: bubblewrap counts as started before it executes the program.

    :raises HostError: it is missing, or not executable.
    """
    if shutil.which(program) is None:
        raise HostError(
            f"the program {program} cannot be started",
            evidence="no executable file has that name",
            remedy="run 'harness doctor', which names the package to install",
        )


def enclosure_error(evidence: str) -> HostError:
    """Return the error for a host where QEMU cannot run in bubblewrap.

    :param evidence: why.
    """
    return HostError(
        "QEMU cannot run in bubblewrap on this host",
        evidence=evidence,
        remedy="install bubblewrap where user namespaces are allowed: apt-get install bubblewrap; "
        "or, if you trust the kernels, give --trust",
        packages=("bubblewrap",),
    )
