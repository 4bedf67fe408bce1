# SPDX-License-Identifier: GPL-2.0-only
"""Control files of the namespace's root under nsdelegate, written by a task inside."""

from __future__ import annotations

import pytest

from harness.run.python_api import PrepareHeader, Shell, Sight

EPERM = "Operation not permitted"
CONTROLLERS = "+memory +pids +cpu"


@pytest.mark.needs("cgroup-namespaces", "CONFIG_MEMCG", "CONFIG_CGROUP_PIDS")
def test_every_file(hierarchies: PrepareHeader, admin: Shell, inside: Shell, sight: Sight) -> None:
    """Under nsdelegate exactly the files that /sys/kernel/cgroup/delegate does not list are EPERM (cgroups(7))."""
    top = hierarchies("v2")
    if admin.ask(f"mount -o remount,nsdelegate {top}").status != 0:
        sight("nsdelegate", "absent")
        pytest.skip("this kernel has no nsdelegate")
    admin.run(f"mkdir {top}/a; echo {CONTROLLERS} > {top}/cgroup.subtree_control")
    delegated = set(admin.run("cat /sys/kernel/cgroup/delegate").split())
    writable = set(admin.run(f"cd {top}/a; find . -maxdepth 1 -type f -perm -200").replace("./", "").split())
    inside.run(f"cd {top}/a; echo $$ > cgroup.procs")
    inside.run("exec unshare -C bash")
    # No file accepts this text, so a write that is not refused has no effect.
    refused = inside.run(f'for f in {" ".join(sorted(writable))}; do echo "$f$( (echo x- > $f) 2>&1)"; done')
    errors = dict(line.partition("bash: ")[::2] for line in refused.splitlines())

    assert {"cgroup.procs", "cgroup.subtree_control"} <= delegated
    protected = {name for name, error in errors.items() if EPERM in error}
    assert protected in (set(), writable - delegated)
    sight("nsdelegate", "enforced")
    sight("nsdelegate_root_files", "eperm" if protected else "allowed")
