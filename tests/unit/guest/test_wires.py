# SPDX-License-Identifier: GPL-2.0-only
"""The wires of a machine: every byte is read and logged, whichever wire is waited for."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.guest.qemu import KERNEL_LOG
from harness.guest.timestamps import TIMES_NAME, parse_moments
from harness.guest.wires import Wires
from harness.kernellog.reader import SplatKind

MEBI = 1 << 20
PORT = "admin"


@dataclass(frozen=True, slots=True)
class Line:
    """Two ports and the guest's ends of them."""

    wires: Wires
    kernel: socket.socket
    shell: socket.socket
    folder: Path

    def logged(self, name: str) -> bytes:
        """What the log file of a port holds."""
        return (self.folder / f"{name}.log").read_bytes()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """A kernel log and one shell."""
    kernel, shell = socket.socketpair(), socket.socketpair()
    wires = Wires({KERNEL_LOG: kernel[0], PORT: shell[0]}, folder=tmp_path)
    yield Line(wires, kernel[1], shell[1], tmp_path)
    wires.close()
    kernel[1].close()
    shell[1].close()


def soon() -> Deadline:
    """Far enough away for whatever is to succeed."""
    return Deadline.after(120)


def test_times_account_for_every_byte(line: Line) -> None:
    """The file beside the logs has the time of each byte and whether it was typed."""
    line.kernel.sendall(b"[    1.0] hello\n")
    line.wires.pump(soon())
    line.wires.send(PORT, b"echo\n", deadline=soon())
    line.shell.sendall(b"out\n")
    line.wires.pump(soon())
    line.wires.close()
    found = parse_moments((line.folder / TIMES_NAME).read_text())

    assert found[KERNEL_LOG].begins[-1] == len(line.logged(KERNEL_LOG))
    assert found[PORT].begins == [0, 5, 9]
    assert [begin for begin, _ in found[PORT].typed] == [0]


def test_bytes_are_logged_at_once(line: Line) -> None:
    """Received and typed bytes are in the log file before a caller reads them."""
    line.shell.sendall(b"# \xff\0")
    line.wires.pump(soon())
    before = line.logged(PORT)
    line.wires.send(PORT, b"echo\n", deadline=soon())
    line.shell.sendall(b"out\n")
    line.wires.pump(soon())

    assert before == b"# \xff\0"
    assert line.logged(PORT) == b"# \xff\0echo\nout\n"
    assert line.shell.recv(100) == b"echo\n"
    assert line.wires.unread(PORT) == 8
    assert [line.wires.take(PORT, size) for size in (3, 100, 1)] == [b"# \xff", b"\0out\n", b""]


def test_pump_reads_all_ports(line: Line) -> None:
    """A wait for one port reads the others too, so that no port blocks the guest."""
    line.kernel.sendall(b"[    1.0] a line\n")
    line.shell.sendall(b"text")
    line.wires.drain(soon())

    assert line.logged(KERNEL_LOG) == b"[    1.0] a line\n"
    assert line.wires.kernel_bytes == 17
    assert line.wires.take(PORT, 10) == b"text"


def test_pump_ends_at_the_deadline(line: Line) -> None:
    """A wait ends at its deadline, and draining does not wait at all."""
    deadline = Deadline.after(0.2)
    something = line.wires.pump(deadline)
    past = deadline.is_past
    line.wires.drain(Deadline.never())

    assert not something
    assert past


def test_splats_are_found_at_once(line: Line) -> None:
    """The kernel log is scanned as it comes; a pending splat at its end is reported when the wires are closed."""
    line.kernel.sendall(b"[    1.0] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n")
    line.wires.drain(soon())
    found = [splat.kind for splat in line.wires.splats]
    line.kernel.sendall(b"[    2.0] Kernel panic - not syncing: sysrq triggered crash\n")
    line.wires.drain(soon())
    panicked = line.wires.kernel_log.is_panicked
    line.wires.close()

    assert found == [SplatKind.KMEMLEAK]
    assert panicked
    assert [splat.kind for splat in line.wires.splats] == [SplatKind.KMEMLEAK, SplatKind.PANIC]


def test_closed_port_delivers_its_last_bytes(line: Line) -> None:
    """Bytes before the end of a port are read; then it counts as closed, and typing fails at once."""
    line.shell.sendall(b"last words")
    line.shell.close()
    line.wires.drain(soon())
    words = line.wires.take(PORT, 100)
    with pytest.raises(BrokenPipeError):
        line.wires.send(PORT, b"echo\n", deadline=soon())

    assert words == b"last words"
    assert not line.wires.is_open(PORT)
    assert line.wires.is_open(KERNEL_LOG)


def test_pump_ends_if_all_ports_are_closed(line: Line) -> None:
    """With every port closed there is nothing to wait for."""
    line.shell.close()
    line.kernel.close()
    line.wires.drain(soon())

    assert not line.wires.pump(Deadline.never())


def test_send_to_a_closed_port_fails(line: Line) -> None:
    """Typing into a port whose other end has just closed fails like typing into a closed port."""
    line.shell.close()
    with pytest.raises(BrokenPipeError):
        line.wires.send(PORT, b"echo\n", deadline=soon())

    assert line.wires.take(PORT, 1) == b""


def test_send_does_not_deadlock_with_output(line: Line) -> None:
    """Typing much to a guest that prints much does not deadlock: output is read, and all input arrives."""
    received = bytearray()

    def guest() -> None:
        line.shell.sendall(b"o" * MEBI)
        while len(received) < MEBI:
            received.extend(line.shell.recv(65536))

    thread = threading.Thread(target=guest)
    thread.start()
    line.wires.send(PORT, b"i" * MEBI, deadline=soon())
    thread.join()
    line.wires.drain(soon())

    assert received == b"i" * MEBI
    assert [line.logged(PORT).count(letter) for letter in (b"i", b"o")] == [MEBI, MEBI]


def test_send_ends_at_the_deadline(line: Line) -> None:
    """Typing to a guest that does not read ends at the deadline."""
    with pytest.raises(TimeoutError, match=PORT):
        line.wires.send(PORT, b"i" * MEBI, deadline=Deadline.after(0.3))

    assert line.wires.is_open(PORT)


def test_send_ends_with_the_guest(line: Line) -> None:
    """The end of a guest that does not read ends the typing at once."""
    deadline = Deadline.after(120)

    def guest() -> None:
        line.shell.recv(1)
        line.shell.sendall(b"read one byte\n")
        line.shell.close()

    thread = threading.Thread(target=guest)
    thread.start()
    with pytest.raises(BrokenPipeError):
        line.wires.send(PORT, b"i" * (8 * MEBI), deadline=deadline)
    thread.join()

    assert not deadline.is_past
    assert deadline.seconds_left > 60


def test_send_to_an_endless_guest_ends_at_the_deadline(line: Line) -> None:
    """A guest that prints endlessly and reads no input does not delay the deadline."""

    def guest() -> None:
        with contextlib.suppress(OSError):
            while True:
                line.shell.sendall(b"o" * MEBI)

    thread = threading.Thread(target=guest)
    thread.start()
    deadline = Deadline.after(0.5)
    with pytest.raises(TimeoutError):
        line.wires.send(PORT, b"i" * MEBI, deadline=deadline)
    late = Deadline.after(0).at - deadline.at
    line.wires.close()
    thread.join()
    (line.folder / f"{PORT}.log").unlink()

    assert late < 1


def test_unread_output_is_bounded(line: Line) -> None:
    """The last 8 MiB of an unread port are kept; the log file has everything."""
    amount = 9 * MEBI

    def guest() -> None:
        for at in range(9):
            line.shell.sendall(bytes([at]) * MEBI)
        line.shell.close()

    thread = threading.Thread(target=guest)
    thread.start()
    while line.wires.is_open(PORT):
        line.wires.pump(soon())
    thread.join()

    assert line.wires.unread(PORT) == 8 * MEBI
    assert line.wires.take(PORT, 1) == b"\x01"
    assert len(line.logged(PORT)) == amount


def test_full_disk_does_not_stop_a_case(tmp_path: Path) -> None:
    """A log that cannot be written does not stop the case."""
    (tmp_path / f"{PORT}.log").symlink_to("/dev/full")
    ours, theirs = socket.socketpair()
    wires = Wires({PORT: ours}, folder=tmp_path)
    theirs.sendall(b"text")
    wires.pump(soon())
    data = wires.take(PORT, 10)
    wires.close()
    theirs.close()

    assert data == b"text"


def test_close_closes_the_sockets(line: Line) -> None:
    """The guest's ends are at end of file when the wires are closed."""
    line.wires.close()

    assert line.shell.recv(1) == b""
    assert line.kernel.recv(1) == b""
