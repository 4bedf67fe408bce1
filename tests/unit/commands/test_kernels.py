# SPDX-License-Identifier: GPL-2.0-only
"""``harness kernels``, on the host's apt."""

from __future__ import annotations

import pytest

from harness.base.errors import ExitStatus
from harness.base.process import find_program
from harness.kernel.source.apt import Apt
from tests.command_line import call


@pytest.mark.skipif(find_program("apt-get") is None or not Apt().has_lists(), reason="the host has no package lists")
def test_the_kernels_of_the_host_are_listed() -> None:
    """Each line is an argument KERNEL, a version and a package, in columns."""
    told = call("kernels")

    assert told.status is ExitStatus.AS_EXPECTED
    assert all(line.startswith("deb") and len(line.split()) == 3 for line in told.text.splitlines())


@pytest.mark.parametrize("suite", ["sid main [trusted=yes]", "../../etc", "", "-o"])
def test_a_suite_is_checked_before_apt_runs(suite: str) -> None:
    """A suite becomes a line of apt's sources: nothing else may get in there."""
    call("kernels", f"--from={suite}").require_error(ExitStatus.USAGE, "not a valid")
