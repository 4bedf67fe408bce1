# SPDX-License-Identifier: GPL-2.0-only
"""The path of every cgroup of a small tree, read from a namespace rooted at every other one.

The rule (cgroup_namespaces(7), "CGroup Namespaces (v4)", 16 November 2015, item 3): one ``/..`` for each level up to
the deepest common ancestor, then down by names. Session files show single examples; this case checks all pairs.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from harness.run.python_api import PrepareHeader, Shell, Sight

TREE = ("/", "/a", "/a/b", "/a/b/c", "/a/d", "/ab", "/e")
"""The cgroups; the name of one is the start of another's."""


@pytest.mark.needs("cgroup-namespaces")
def test_every_pair(hierarchies: PrepareHeader, admin: Shell, inside: Shell, sight: Sight) -> None:
    """Paths below the reader's root follow the rule, and all other paths are of one kind."""
    top = hierarchies("v2")
    admin.run(f"cd {top}; mkdir -p {' '.join('.' + path for path in TREE)}")
    pids = {path: start_sleeper(admin, path) for path in TREE}
    inside.run(f"cd {top}")
    seen = {root: read_all(inside, root, pids) for root in TREE}
    within = {(root, target) for root in TREE for target in TREE if PurePosixPath(target).is_relative_to(root)}
    outside = [(root, target) for root in TREE for target in TREE if (root, target) not in within]

    for root, target in sorted(within):
        assert seen[root][target] == relative(root, target), f"{target} from {root}"

    kinds = {kind(seen[root][target], root, target) for root, target in outside}
    assert len(kinds) == 1, {(root, target): seen[root][target] for root, target in outside}
    sight("outside_view", kinds.pop())


def start_sleeper(shell: Shell, path: str) -> int:
    """Start a process in a cgroup.

    :return: its pid.
    """
    shell.run(f"sleep 1000 & echo $! > .{path}/cgroup.procs")
    return int(shell.run("echo $!"))


def read_all(shell: Shell, root: str, pids: dict[str, int]) -> dict[str, str | None]:
    """Read the path of each process in a new namespace rooted at ``root``; None for a process without a line."""
    files = " ".join(f"/proc/{pid}/cgroup" for pid in pids.values())
    shell.run(f"echo $$ > .{root}/cgroup.procs")
    output = shell.run(f"unshare -C grep -H ^0: {files}")
    found = {int(pid): path for pid, path in re.findall(r"^/proc/(\d+)/cgroup:0:[^:]*:(.*)$", output, re.MULTILINE)}
    return {target: found.get(pid) for target, pid in pids.items()}


def relative(root: str, target: str) -> str:
    """Return the path of a cgroup relative to a root, by the rule."""
    ups, steps = PurePosixPath(root), PurePosixPath(target)
    common = max((path for path in (ups, *ups.parents) if steps.is_relative_to(path)), key=lambda path: len(path.parts))
    parts = [".."] * len(ups.relative_to(common).parts) + list(steps.relative_to(common).parts)
    return "/" + "/".join(parts)


def kind(seen: str | None, root: str, target: str) -> str:
    """Return the value of the trait for a path that is not below the root."""
    if seen is None:
        return "hidden"
    return {relative(root, target): "relative", target: "absolute"}.get(seen, f"{target} from {root}: {seen}")
