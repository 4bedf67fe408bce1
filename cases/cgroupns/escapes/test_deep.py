# SPDX-License-Identifier: GPL-2.0-only
"""A namespace a hundred levels deep (scenario E-14): paths up, down and across, in v1 and v2 hierarchies."""

from __future__ import annotations

import re

import pytest

from harness.run.python_api import PrepareHeader, Shell

DEPTH = 100
STARTS = {"freezer": r"\d+:freezer", "v2": "0:[^:]*"}
"""Regular expressions for the start of each hierarchy's line."""


@pytest.mark.needs("cgroup-namespaces", "CONFIG_CGROUP_FREEZER")
def test_deep(hierarchies: PrepareHeader, admin: Shell, inside: Shell) -> None:
    """A path has one /.. for each of a hundred levels up, and all names of the levels down."""
    top = hierarchies("v1:freezer", "v2")
    down = "/d" * DEPTH
    admin.run(f"cd {top}; mkdir -p freezer{down} unified{down} freezer/s unified/s")
    pid = admin.run("sleep 1000 & echo $! > unified/s/cgroup.procs; echo $! > freezer/s/tasks; echo $!").split()[-1]
    shell = inside.run(f"cd {top}; echo $$ > freezer{down}/tasks; echo $$ > unified{down}/cgroup.procs; echo $$")
    inside.run("exec unshare -Cm bash")

    within = paths(inside, shell)
    sibling, above = paths(inside, pid), paths(inside, "1")
    if within["freezer"] == "/":
        assert sibling["freezer"] == "/.." * DEPTH + "/s"
        assert above["freezer"] == "/.." * DEPTH
    assert within["v2"] == "/"
    if above["v2"].startswith("/.."):
        assert sibling["v2"] == "/.." * DEPTH + "/s"
        assert above["v2"] == "/.." * DEPTH
    assert paths(admin, shell) == {"freezer": down, "v2": down}


def paths(shell: Shell, pid: str) -> dict[str, str]:
    """Read the path of a process in each hierarchy; empty if a hierarchy has no line."""
    lines = shell.run(f"cat /proc/{pid}/cgroup")
    found = {name: re.search(rf"^{start}:(/.*)$", lines, re.MULTILINE) for name, start in STARTS.items()}
    return {name: match[1] if match else "" for name, match in found.items()}
