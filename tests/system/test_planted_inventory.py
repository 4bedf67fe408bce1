# SPDX-License-Identifier: GPL-2.0-only
"""A mode and an errno that a series changes in Linux 6.1 are found at their patches, without a case that shows them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from tests.program import environment, harness

pytestmark = [
    pytest.mark.guest,
    pytest.mark.build,
    pytest.mark.network,
    pytest.mark.slow(
        *("harness/bisect", "harness/inventory.py", "qemu/inventory.c", "cases/cgroupns/suite.toml"),
        *("kconfigs", "tests/data/planted"),
        importance=2,
    ),
]
PATCHES = Path(__file__).parents[1] / "data" / "planted"
SECONDS = 3600.0


def test_planted_changes_are_found_at_their_patches(tmp_path: Path) -> None:
    """Patch 2 changes a mode, patch 4 an errno; patches 1 and 3 change comments only."""
    targets = ("--target", "inventory:v2-child", "--target", "inventory:calls")
    done = process.run(
        harness("bisect", f"deb-src:6.1+{PATCHES}", *targets, "--json", "--results", tmp_path / "results"),
        deadline=Deadline.after(SECONDS),
        check=False,
        within=process.Surroundings(env=environment(), cwd=tmp_path),
    )
    assert done.status == ExitStatus.AS_EXPECTED, done.complaint
    found = {
        change["target"]: (one["commit"]["called"], change["before"][0].split()[0], change["after"].split()[0])
        for one in json.loads(done.stdout)["culprits"]
        for change in one["changes"]
    }
    call = "user 9000 then setns /proc/self/ns/cgroup cgroup"
    texts = [change for one in json.loads(done.stdout)["culprits"] for change in one["changes"]]

    assert {key: one[0] for key, one in found.items()} == {
        "inventory v2-child: /sys/fs/cgroup/child/cgroup.max.depth": "patch 2",
        f"inventory calls: {call}": "patch 4",
    }
    assert found["inventory v2-child: /sys/fs/cgroup/child/cgroup.max.depth"][1:] == ("mode=0644", "mode=0666")
    assert "EPERM" in texts[1]["before"][0]
    assert "EACCES" in texts[1]["after"]
