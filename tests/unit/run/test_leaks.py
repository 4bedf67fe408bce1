# SPDX-License-Identifier: GPL-2.0-only
"""The list of leaks that a guest prints at its kernel log's port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.guest.qemu import KERNEL_LOG
from harness.guest.wires import Wires
from harness.kernellog.reader import scan
from harness.run.leaks import list_leaks, without_count

LISTED = """\
[  152.1][   T40] kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
[  152.2][   T40] unreferenced object 0xffff888003d1a5c0 (size 8):
[  152.2][   T40]   comm "unshare", pid 70, jiffies 4294812345 (age 0.012s)
[  152.2][   T40]   hex dump (first 8 bytes):
[  152.2][   T40]     75 6e 73 68 61 72 65 00                          unshare.
[  152.2][   T40]   backtrace:
[  152.2][   T40]     [<00000000ac5c6b08>] kstrdup+0x35/0x70
[  152.2][   T40]     [<00000000ac5c6b08>] copy_cgroup_ns+0x1a2/0x2b0
[  152.2][   T40]     [<00000000ac5c6b08>] create_new_namespaces+0x3a0/0x4e0
[  152.3][   T40] harness: leaks listed
"""


@dataclass
class Guest:
    """The kernel log's port of a guest, whose other end the test has."""

    wires: Wires
    folder: Path
    seconds: float
    slowness: float = 1.0

    def deadline(self, seconds: float) -> Deadline:
        """Return a short deadline on the clock of the guest."""
        return Deadline.after(self.seconds, clock=lambda: time.monotonic() / self.slowness)


@pytest.fixture
def ports() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return both ends of the port."""
    ours, theirs = socket.socketpair()
    yield ours, theirs
    theirs.close()


def test_list_leaks_waits_for_the_end_of_the_list(ports: tuple[socket.socket, socket.socket], tmp_path: Path) -> None:
    """The guest is asked once, and what it lists are splats of the machine."""
    ours, theirs = ports
    asked: list[bytes] = []

    def answer() -> None:
        asked.append(theirs.recv(100))
        theirs.sendall(LISTED.encode())

    guest = Guest(Wires({KERNEL_LOG: ours}, folder=tmp_path), tmp_path, 30)
    thread = threading.Thread(target=answer)
    thread.start()
    is_listed = list_leaks(guest)
    thread.join()
    guest.wires.close()

    assert is_listed
    assert asked == [b"leaks\n"]
    (leak,) = without_count(guest.wires.splats)
    assert leak.function == "copy_cgroup_ns"


def test_list_leaks_waits_for_a_slow_kernel(ports: tuple[socket.socket, socket.socket], tmp_path: Path) -> None:
    """The clock of a slow kernel is slow: a deadline of 0.2 s there is 4 s here."""
    ours, theirs = ports
    guest = Guest(Wires({KERNEL_LOG: ours}, folder=tmp_path), tmp_path, 0.2, slowness=20)
    late = threading.Timer(0.8, lambda: theirs.sendall(LISTED.encode()))
    late.start()
    is_listed = list_leaks(guest)
    late.join()
    guest.wires.close()

    assert is_listed


def test_list_leaks_gives_up(ports: tuple[socket.socket, socket.socket], tmp_path: Path) -> None:
    """A guest that lists nothing does not hold up the run, nor does one that is gone."""
    guest = Guest(Wires({KERNEL_LOG: ports[0]}, folder=tmp_path), tmp_path, 0.1)

    assert not list_leaks(guest)
    ports[1].close()
    assert not list_leaks(guest)
    guest.wires.close()


def test_count_alone_is_kept() -> None:
    """A kernel that counts leaks and was not asked for the list (its own scan) is reported as before."""
    (count,) = scan(LISTED.split("\n")[0] + "\n")

    assert without_count([count]) == [count]
