# SPDX-License-Identifier: GPL-2.0-only
"""What ``harness build`` requests of the configuration."""

from __future__ import annotations

import pytest

from harness.commands.kernel.build import with_suite
from harness.kernel.build.options import BuildOptions
from harness.suite.load import find_suite


@pytest.mark.parametrize(("name", "expected"), [("containers", ("namespaces", "debian")), ("timens", None)])
def test_a_suite_and_its_guest_are_built_for(name: str, expected: tuple[str, ...] | None) -> None:
    """The kernel is that of ``harness run``, which would build another one otherwise."""
    suite = find_suite(name)

    assert with_suite(BuildOptions(), suite).suite.names == (expected or suite.config.names)
