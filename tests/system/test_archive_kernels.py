# SPDX-License-Identifier: GPL-2.0-only
"""Kernels of Debian's archive: other suites, and packages split as since 6.19."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.kernel.source.archive import offered_by
from tests.command_line import call


@pytest.mark.network
def test_debian_has_kernels_in_other_suites(tmp_path: Path) -> None:
    """The lists of a real mirror are verified with the real keyring."""
    offer = offered_by(Context(Store(tmp_path / "store"), Deadline.after(120)), "trixie")

    assert next(one.version for one in offer.kernels if one.word == "deb:6.12@trixie").startswith("6.12.")


@pytest.mark.guest
@pytest.mark.network
def test_a_split_kernel_of_another_suite_boots(tmp_path: Path) -> None:
    """Image and config are in packages of their own, and the image outside of /boot; the record names the suite."""
    case = tmp_path / "uname.session"
    case.write_text("title: release\n\n    # uname -r | cut -d. -f1\n    7\n")
    told = call("run", "deb:@trixie-backports", "--cases", case, "--results", tmp_path / "results")
    record = json.loads(next((tmp_path / "results").glob("*/run.json")).read_text())

    assert told.status == 0
    assert record["kernel"]["came_from"]["suite"] == "trixie-backports"
    assert record["kernel"]["config_source"] == "beside the image"


@pytest.mark.guest
@pytest.mark.network
def test_a_controller_that_v1_does_not_have(tmp_path: Path) -> None:
    """With CONFIG_MEMCG_V1 off, Debian 13 lists memory in /proc/cgroups and refuses to mount it: no mismatch."""
    built = call("build", "deb:6.12@trixie").text.splitlines()[-1]
    shutil.copy(next(Path(built).glob("vmlinuz-*")), tmp_path / "kernel")
    told = call(
        *("run", tmp_path / "kernel", "--results", tmp_path / "results"),
        *("--cases", paths.SUITES / "cgroupns/cover_letter/relative.session"),
    )

    assert "this kernel has no controller memory in v1: cgroup: Unknown subsys name 'memory'" in told.text
    assert "1 skipped" in told.text
