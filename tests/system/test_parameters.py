# SPDX-License-Identifier: GPL-2.0-only
"""Kernel parameters and a machine type of the user."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import paths
from harness.model.run_record import CaseRecord, RunRecord
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from tests.command_line import call

V1 = """\
title: a hierarchy of v1
hierarchies: v1:{0}

    # cat /proc/cmdline | grep -o cgroup_no_v1.*
    cgroup_no_v1=freezer,named
    # awk '/MemTotal/ {{ print ($2 > 300000) }}' /proc/meminfo
    1
"""


@pytest.mark.guest
def test_hierarchies_that_are_switched_off_at_boot(tmp_path: Path) -> None:
    """A case that needs one is skipped with the parameter as the reason; the machine has the memory of the file."""
    text = (paths.MACHINE_TYPES / "q35.toml").read_text().replace("memory_mebibytes = 256", "memory_mebibytes = 384")
    (tmp_path / "mine.toml").write_text(text)
    for name, controller in (("off", "freezer"), ("named", "name=x"), ("on", "cpu")):
        (tmp_path / f"{name}.session").write_text(V1.format(controller))
    words = ("--append", "cgroup_no_v1=freezer,named", "--machine", tmp_path / "mine.toml", "--suite", "cgroupns")
    cases = [word for name in ("off", "named", "on") for word in ("--cases", tmp_path / f"{name}.session")]
    call("run", "deb", *words, *cases, "--results", tmp_path / "results")
    run = load_run(next((tmp_path / "results").glob("*-deb")))

    assert [(case.outcome, case.reason.partition(" (")[0]) for case in _by_name(run)] == [
        (Outcome.SKIPPED, "this kernel has no controller name=x in v1, by cgroup_no_v1=freezer,named"),
        (Outcome.SKIPPED, "this kernel has no controller freezer in v1, by cgroup_no_v1=freezer,named"),
        (Outcome.MATCH, ""),
    ]
    assert run.kernel.parameters == ("cgroup_no_v1=freezer,named",)
    assert run.command_line.endswith(" cgroup_no_v1=freezer,named")
    assert run.machine_type == str(tmp_path / "mine.toml")


def _by_name(run: RunRecord) -> list[CaseRecord]:
    return sorted(run.cases, key=lambda case: case.name)
