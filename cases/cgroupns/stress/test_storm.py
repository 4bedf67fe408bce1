"""Namespaces and cgroups made, entered, mounted, left and removed by many processes at once, for a bounded time.

What the kernel says meanwhile fails the case as in any other; a kernel built with kconfigs/lockdep.config says more.
Here it is asked whether anything is left: namespaces, cgroups in memory, mounts.
"""

from __future__ import annotations

import pytest

from harness.run.python_api import PrepareHeader, Shell, Sight

WORKERS = 6
SECONDS = 2
SETTLED_SECONDS = 20
"""How long the kernel may take to free what was removed: it does so in the background."""
COUNT = (
    "count() { echo $(grep freezer /proc/cgroups | cut -f3; cat {top}/unified/cgroup.stat 2>/dev/null;"
    " grep -c cgroup /proc/1/mountinfo); }"
)
"""A shell function: cgroups of the freezer hierarchy, removed ones too; of the default one (since 4.14); mounts."""


@pytest.mark.needs("cgroup-namespaces", "CONFIG_CGROUP_FREEZER")
@pytest.mark.parametrize("folder", ["freezer", "unified"])
def test_storm(hierarchies: PrepareHeader, admin: Shell, inside: Shell, sight: Sight, folder: str) -> None:
    """When the storm is over and has settled, the kernel holds as many namespaces, cgroups and mounts as before it."""
    top = hierarchies("v1:freezer", "v2")
    path = f"{top}/{folder}/storm"
    admin.run(f"mkdir {path}; {COUNT.replace('{top}', top)}")
    before = admin.run("count")
    # In a user namespace of its own the namespaces are counted, and the limit tells whether one is left (Linux 4.9).
    inside.run("exec unshare -Urm bash")
    said = inside.run(f"cgctl storm {SECONDS} {WORKERS} {path}", seconds=60)

    # Where setns moves who enters, somebody may have been in the way of the storm's own rmdir.
    admin.run(f"rmdir {path}/*/ 2>/dev/null")

    assert int(said.rpartition(" = ")[2]) > 0, said
    assert admin.run(f"echo {path}/*/") == f"{path}/*/"
    assert settled(admin, before) == before
    if inside.ask("echo 1 > /proc/sys/user/max_cgroup_namespaces").status == 0:
        left = inside.run("nsctl unshare cgroup")
        sight("freed_with_last_user", "yes" if left == "unshare(CLONE_NEWCGROUP) = 0" else "no")


def settled(shell: Shell, before: str) -> str:
    """Wait in the guest until the counts are those of before, or long enough. :return: the counts then."""
    shell.run(f"before='{before}'; end=$((SECONDS + {SETTLED_SECONDS}))")
    return shell.run('until [ "$(count)" = "$before" ] || ((SECONDS > end)); do :; done; count', seconds=60)
