# SPDX-License-Identifier: GPL-2.0-only
"""A guest with systemd: made from packages, booted once, and cloned for each case."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from tests.program import environment, harness

pytestmark = [
    pytest.mark.guest,
    pytest.mark.network,
    pytest.mark.slow("harness/guest/system", "harness/kernel/image/modules.py", "qemu/guests", "qemu/debian.toml"),
]
SECONDS = 1200.0
SUITE = """
format = 1
name = "system"
title = "a system"
guests = ["debian"]

[[guest.file]]
path = "/etc/systemd/system/broken.service"
source = "broken.service"

[[guest.file]]
path = "/etc/systemd/system/multi-user.target.d/broken.conf"
source = "broken.conf"
"""
SESSION = """title: systemd runs, and a shell of each console is a service
varies: 412

    # cat /proc/1/comm
    systemd
    # systemctl is-system-running
    degraded
    # systemctl --failed --plain --no-legend
    broken.service loaded failed failed A unit that fails
    # cat /proc/self/cgroup
    0::/system.slice/harness-admin.service
    inside# cat /proc/self/cgroup
    0::/system.slice/harness-inside.service
    # sleep 1000 &
    [1] 412
    # kill 412; wait 412
    [1]+  Terminated              sleep 1000
    # su tester -c id
    uid=9000(tester) gid=9000(tester) groups=9000(tester)
    # touch /etc/mine /usr/mine
    # findmnt -n -o FSTYPE /
    overlay
"""
SECOND = """title: a case sees nothing of another one

    # ls /etc/mine /usr/mine
    ls: cannot access '/etc/mine': No such file or directory
    ls: cannot access '/usr/mine': No such file or directory
    # nsctl pid | cut -d' ' -f1
    getpid()
"""


def test_cases_run_in_a_cloned_system(tmp_path: Path) -> None:
    """Two cases on clones of one boot; the unit that failed in the boot is a note of the run."""
    suite = tmp_path / "system"
    suite.mkdir()
    (suite / "suite.toml").write_text(SUITE)
    (suite / "broken.service").write_text(
        "[Unit]\nDescription=A unit that fails\n[Service]\nType=oneshot\nExecStart=sh -c 'echo no coffee >&2; exit 1'\n"
    )
    (suite / "broken.conf").write_text("[Unit]\nWants=broken.service\n")
    (suite / "first.session").write_text(SESSION)
    (suite / "second.session").write_text(SECOND)
    argv = harness("run", "deb", "--suite", suite, "-n", "1", "--results", tmp_path / "results")
    done = process.run(
        argv,
        deadline=Deadline.after(SECONDS),
        check=False,
        within=process.Surroundings(env=environment(), cwd=tmp_path),
    )
    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
    run = load_run(tmp_path / "results/latest")
    assert [case.outcome for case in run.cases] == [Outcome.MATCH] * 2
    assert [case.machine for case in run.cases] == ["clone"] * 2
    assert run.machine_type == "debian"
    (note,) = [note for note in run.notes if note.startswith("the guest: ")]
    assert note.startswith("the guest: systemd is degraded after the boot; the guest: the unit broken.service failed: ")
