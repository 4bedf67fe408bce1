# SPDX-License-Identifier: GPL-2.0-only
"""What the check of a host says about builds."""

from __future__ import annotations

import pytest

from harness.base.deadline import Deadline
from harness.hosts.check import HostCheck, builds_text
from harness.hosts.remote.host_list import Host
from harness.hosts.remote.ssh import HostReport
from harness.kernel.toolchain.toolchain import find_toolchain

HOST = Host("b", "user@b")


@pytest.fixture(scope="module")
def own() -> str:
    """Return the version lines of compiler and linker of this host."""
    return find_toolchain(deadline=Deadline.after(60)).render()


def test_a_host_with_this_compiler_builds(own: str) -> None:
    """The check has its version, and the line is among those that are printed."""
    text = builds_text(HOST, HostReport(toolchain=own))

    assert text == f"yes, with {own.splitlines()[0]}"
    assert f"      builds       {text}" in HostCheck("b", HostReport(toolchain=own), builds=text).lines


def test_a_host_with_another_compiler_or_linker_does_not(own: str) -> None:
    """Both versions are shown."""
    compiler, linker = own.splitlines()

    assert builds_text(HOST, HostReport(toolchain=f"gcc 9\n{linker}\n")) == f"no: gcc 9; here {compiler}"
    assert builds_text(HOST, HostReport(toolchain=f"{compiler}\nGNU ld 1\n")) == f"no: GNU ld 1; here {linker}"


def test_what_is_missing_is_installed_by_a_command() -> None:
    """It is ready to be typed."""
    text = builds_text(HOST, HostReport(no_builds=("flex", "libelf-dev")))

    assert text == "no; install what is missing: ssh user@b sudo apt-get install flex libelf-dev"
