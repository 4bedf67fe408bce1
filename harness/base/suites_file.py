# SPDX-License-Identifier: GPL-2.0-only
"""Read the default suite from the data file ``cases/suites.toml``, the only file that names one."""

from __future__ import annotations

import functools
import tomllib

from harness.base import paths


def default_name() -> str:
    """Return the name of the default suite."""
    return _read().get("default", "")


def legacy_name() -> str:
    """Return the suite of ids from before suites existed (``cases/PATH``); empty when there is none."""
    return _read().get("legacy", "")


@functools.cache
def _read() -> dict[str, str]:
    return {key: str(value) for key, value in tomllib.loads(paths.SUITES_FILE.read_text()).items()}
