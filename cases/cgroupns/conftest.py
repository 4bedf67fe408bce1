# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the cases of cgroup namespaces."""

from __future__ import annotations

import pytest

from harness.run.python_api import Prepare, PrepareHeader


@pytest.fixture
def hierarchies(prepare: Prepare) -> PrepareHeader:
    """Return a function that mounts cgroup hierarchies, named as in the header: ``hierarchies("v1:freezer", "v2")``."""
    return prepare.header("hierarchies")
