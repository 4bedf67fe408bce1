# SPDX-License-Identifier: GPL-2.0-only
"""A kernel counts as gone only with proof: real guests whose SysRq and shells are silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.guest.diagnosis import find_symbol
from harness.guest.machine import Machine
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from harness.session.console_name import ConsoleName
from tests.command_line import call

# The freezer of v1 puts a task to sleep in state D.
STUCK = """\
title: a task that no signal reaches, and a shell that ignores Ctrl-C
hierarchies: v1:freezer
timeout: 3

    # cd /sys/fs/cgroup/freezer; mkdir a; trap '' INT; stty -isig; echo FROZEN >a/freezer.state
    # (echo $BASHPID >a/tasks; echo thawed)
"""


@pytest.mark.guest
def test_a_kernel_that_lives_without_sysrq(tmp_path: Path) -> None:
    """With console=tty0 nothing answers SysRq on the serial port: another console does, and names the stuck task."""
    (tmp_path / "stuck.session").write_text(STUCK)
    words = ("--append", "console=tty0", "--suite", "cgroupns", "--cases", tmp_path / "stuck.session")
    call("run", "deb", *words, "--results", tmp_path / "results")
    (case,) = load_run(next((tmp_path / "results").glob("*-deb"))).cases

    assert case.outcome is Outcome.TIMEOUT
    assert "the shell is silent and cannot be interrupted; the kernel answers" in case.reason
    assert "; bash (pid " in case.reason
    assert " is stuck in __refrigerator()" in case.reason
    assert "[<0>] __refrigerator+0x" in case.diff


@pytest.mark.guest
def test_an_address_has_a_symbol(machine: Machine) -> None:
    """Debian's System.map is a stub; a running kernel knows its symbols."""
    console = machine.console(ConsoleName.ADMIN, deadline=Deadline.after(60))
    command = "grep -w cgroup_rmdir /proc/kallsyms"
    address = console.run(command, deadline=Deadline.after(60)).output.split()[0]
    inside = f"{int(address, 16) + 0x1A:016x}"

    assert find_symbol(console, inside, deadline=Deadline.after(60)) == "cgroup_rmdir+0x1a"
    assert find_symbol(console, "0000000000001000", deadline=Deadline.after(60)) == ""
