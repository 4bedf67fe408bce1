# SPDX-License-Identifier: GPL-2.0-only
"""Kernels of Debian's archive: other suites, and packages split as since 6.19."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
