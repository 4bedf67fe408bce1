# SPDX-License-Identifier: GPL-2.0-only
"""Read the evidence for what a machine does that does not answer."""

from __future__ import annotations

import pytest

from harness.guest.diagnosis import read_processor, summarize_tasks
from harness.model.verdict import Fate

REGISTERS = """\
RAX=0000000000000000 RBX=ffffffff82a1a940 RCX=0000000000000001 RDX=4000000000000000
RIP=ffffffff81a3b4d5 RFL={flags} [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT={halted}
ES =0000 0000000000000000 00000000 00000000
"""
STUCK = """\
rmdir (pid 77) sleeps uninterruptibly:
[<0>] cgroup_drain_dying+0xd2/0x160
[<0>] cgroup_rmdir+0x2f/0x110
cat (pid 80) sleeps uninterruptibly:
[<0>] __do_sys_pause+0x1/0x2
"""


@pytest.mark.parametrize(
    ("flags", "halted", "summary"),
    [
        ("00000246", 1, "the processor is halted with interrupts on, at ffffffff81a3b4d5"),
        ("00000046", 1, "the processor is halted with interrupts off, at ffffffff81a3b4d5"),
        ("00000046", 0, "the processor runs with interrupts off, at ffffffff81a3b4d5"),
    ],
)
def test_the_processor_of_a_silent_kernel(flags: str, halted: int, summary: str) -> None:
    """A halted processor with interrupts idles; one without them never wakes."""
    found = read_processor("running", REGISTERS.format(flags=flags, halted=halted))

    assert (found.fate, found.summary, found.address) == (Fate.KERNEL_GONE, summary, "ffffffff81a3b4d5")
    assert found.text.startswith("RAX=")


def test_a_stopped_machine_is_said_to_be_stopped() -> None:
    """QEMU's own state explains all silence, and where the processor is says nothing then."""
    found = read_processor("paused", REGISTERS)

    assert (found.summary, found.address) == ("QEMU is paused", "")


def test_registers_of_another_form() -> None:
    """What cannot be read is shown as it is."""
    assert read_processor("running", "PC=1").text == "PC=1"


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        (STUCK, "rmdir (pid 77) is stuck in cgroup_drain_dying(), and 1 more"),
        ("rmdir (pid 77) sleeps uninterruptibly:\n", "rmdir (pid 77) is stuck"),
        ("bash: grep: command not found", ""),
        ("", ""),
    ],
)
def test_the_first_stuck_task_is_named(text: str, summary: str) -> None:
    """The function on top of its kernel stack is where it waits."""
    assert summarize_tasks(text) == summary
