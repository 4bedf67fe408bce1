# SPDX-License-Identifier: GPL-2.0-only
"""Many processes make, enter, mount, leave and remove namespaces and cgroups at once, for a bounded time.

Kernel warnings fail the case as in any other; a kernel built with kconfigs/lockdep.config finds more of them. The case
itself checks for leaks of namespaces, cgroups in memory, and mounts.
"""

from __future__ import annotations

import pytest

from harness.run.python_api import PrepareHeader, Shell, Sight

WORKERS = 6
SECONDS = 2
SETTLED_SECONDS = 20
"""Maximum time until the kernel has freed removed cgroups, which it does in the background."""
COUNT = (
    "count() { echo $(grep freezer /proc/cgroups | cut -f3; cat {top}/unified/cgroup.stat 2>/dev/null;"
    " grep -c cgroup /proc/1/mountinfo); }"
)
"""A shell function that prints the number of freezer cgroups, including removed ones, cgroup.stat of the
default hierarchy (since 4.14), and the number of cgroup mounts."""


@pytest.mark.needs("cgroup-namespaces", "CONFIG_CGROUP_FREEZER")
@pytest.mark.parametrize("folder", ["freezer", "unified"])
def test_storm(hierarchies: PrepareHeader, admin: Shell, inside: Shell, sight: Sight, folder: str) -> None:
    """After the storm, the kernel has as many namespaces, cgroups and mounts as before it."""
    top = hierarchies("v1:freezer", "v2")
    path = f"{top}/{folder}/storm"
    admin.run(f"mkdir {path}; {COUNT.replace('{top}', top)}")
    before = admin.run("count")
    # A new user namespace counts its cgroup namespaces, so the limit shows whether one has leaked (Linux 4.9).
    inside.run("exec unshare -Urm bash")
    output = inside.run(f"cgctl storm {SECONDS} {WORKERS} {path}", seconds=60)

    # On a kernel whose setns moves the caller, processes may have prevented the storm's own rmdir.
    admin.run(f"rmdir {path}/*/ 2>/dev/null")

    assert int(output.rpartition(" = ")[2]) > 0, output
    assert admin.run(f"echo {path}/*/") == f"{path}/*/"
    assert settled(admin, before) == before
    if inside.ask("echo 1 > /proc/sys/user/max_cgroup_namespaces").status == 0:
        left = inside.run("nsctl unshare cgroup")
        sight("freed_with_last_user", "yes" if left == "unshare(CLONE_NEWCGROUP) = 0" else "no")


def settled(shell: Shell, before: str) -> str:
    """Wait in the guest until the counts are the same as before, for SETTLED_SECONDS at most.

    :param before: counts before the storm.
    :return: counts after the wait.
    """
    shell.run(f"before='{before}'; end=$((SECONDS + {SETTLED_SECONDS}))")
    return shell.run('until [ "$(count)" = "$before" ] || ((SECONDS > end)); do :; done; count', seconds=60)
