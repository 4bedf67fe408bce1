# SPDX-License-Identifier: GPL-2.0-only
"""Many namespaces in a row, each with its own root, which is removed after its only member has exited."""

from __future__ import annotations

import pytest

from harness.run.python_api import PrepareHeader, Shell

COUNT = 40


@pytest.mark.needs("cgroup-namespaces")
def test_many(hierarchies: PrepareHeader, admin: Shell, inside: Shell) -> None:
    """Every namespace shows its own root, and all roots but the last can be removed."""
    top = hierarchies("v2")
    names = [f"n{number}" for number in range(COUNT)]
    admin.run(f"cd {top}; mkdir {' '.join(names)}; mkfifo /run/pid")
    # The parent stays in the initial namespace, so no version prevents its move to the next cgroup.
    actions = [f"write {top}/{name}/cgroup.procs 0 then clone cgroup {{ cgroup in v2 }}" for name in names]
    inside.run(f"nsctl {' then '.join(actions)} then pid /run/pid then wait /run/end > /run/log &")
    pid = admin.run("read PID < /run/pid; echo $PID")

    log = admin.run("cat /run/log").splitlines()
    assert sum(line.startswith("clone(CLONE_NEWCGROUP) = ") for line in log) == COUNT, log
    assert log.count("cgroup(v2) = /") == COUNT, log
    assert admin.run(f"cut -d: -f3 /proc/{pid}/cgroup") == f"/{names[-1]}"
    assert admin.run(f"rmdir {' '.join(names[:-1])}") == ""
    assert admin.run(f"rmdir {names[-1]}").endswith("Device or resource busy")
    admin.run("echo > /run/end")
