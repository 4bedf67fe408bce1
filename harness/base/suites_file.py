# SPDX-License-Identifier: GPL-2.0-only
"""Which suite is meant where none is named: the only place that knows is the data file ``cases/suites.toml``."""

from __future__ import annotations

import functools
import tomllib

from harness.base import paths


def default_name() -> str:
    """Name the suite that is used where none is chosen."""
    return _read().get("default", "")


def legacy_name() -> str:
    """Name the suite that ``cases/PATH`` meant before there were suites; empty when none is."""
    return _read().get("legacy", "")


@functools.cache
def _read() -> dict[str, str]:
    return {key: str(value) for key, value in tomllib.loads(paths.SUITES_FILE.read_text()).items()}
