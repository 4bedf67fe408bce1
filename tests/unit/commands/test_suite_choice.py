# SPDX-License-Identifier: GPL-2.0-only
"""The suite of a command where none is named: that of the shipped series among its arguments."""

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
def test_a_shipped_series_brings_its_suite(kernels: tuple[str, ...], suite: str) -> None:
    """As ``series:NAME``, with patches on top, or as the folder of its patches; --suite goes first."""
    assert suite_of_kernels("", kernels) == suite
    assert suite_of_kernels("mine", kernels) == "mine"


def test_a_description_beside_other_patches_names_no_suite(tmp_path: Path) -> None:
    """A suite brings programs, and patches are untrusted: only what ships is believed."""
    (tmp_path / "series.toml").write_text((paths.SERIES / OF_TIME / "series.toml").read_text())

    assert suite_of_kernels("", (str(tmp_path),)) == ""


def test_series_of_two_suites_are_refused() -> None:
    """The message names both."""
    with pytest.raises(UsageError, match=f"these series are of several suites: timens, {default_name()}"):
        suite_of_kernels("", (f"series:{OF_TIME}", f"series:{OF_CGROUPS}"))
