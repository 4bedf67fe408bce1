# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``suite_of_kernels``: without --suite, the suite of a shipped series among the arguments is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import paths
from harness.base.errors import UsageError
from harness.base.suites_file import default_name
from harness.commands.options import suite_of_kernels

OF_TIME = "timens-offsets-from-zero"
OF_CGROUPS = "mountinfo-unscoped"


@pytest.mark.parametrize(
    ("kernels", "suite"),
    [
        ((f"series:{OF_TIME}",), "timens"),
        (("deb-src:6.1", f"series:{OF_TIME}+more.mbox"), "timens"),
        (("deb-src:6.1", str(paths.SERIES / OF_TIME)), "timens"),
        ((f"series:{OF_CGROUPS}",), default_name()),
        (("deb", "deb-src:6.1"), ""),
        (("series:no-such-series",), ""),
    ],
)
def test_suite_of_kernels_reads_shipped_series(kernels: tuple[str, ...], suite: str) -> None:
    """A series counts as ``series:NAME``, with patches on top, or as the folder of its patches; --suite wins."""
    assert suite_of_kernels("", kernels) == suite
    assert suite_of_kernels("mine", kernels) == "mine"


def test_suite_of_kernels_ignores_other_descriptions(tmp_path: Path) -> None:
    """A suite contains programs, and patches are untrusted: only shipped series choose a suite."""
    (tmp_path / "series.toml").write_text((paths.SERIES / OF_TIME / "series.toml").read_text())

    assert suite_of_kernels("", (str(tmp_path),)) == ""


def test_suite_of_kernels_refuses_two_suites() -> None:
    """Series of two suites are a usage error that names both."""
    with pytest.raises(UsageError, match=f"these series are of several suites: timens, {default_name()}"):
        suite_of_kernels("", (f"series:{OF_TIME}", f"series:{OF_CGROUPS}"))
