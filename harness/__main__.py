# SPDX-License-Identifier: GPL-2.0-only
"""``python -m harness``: the same as the ``harness`` command."""

from __future__ import annotations

from harness.cli import main

main()
