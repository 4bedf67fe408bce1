# SPDX-License-Identifier: GPL-2.0-only
"""Compile the touched files at each patch, so that every patch builds without a new warning."""

from __future__ import annotations

from collections.abc import Iterable

from harness.checks.builds.compile import PLAIN, new_diagnostics
from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, Group, Need
from harness.model.finding import StyleFinding


def _examine(bench: Bench, patch: CheckedPatch) -> Iterable[StyleFinding]:
    return new_diagnostics(bench, patch, PLAIN)


CHECK = Check(
    "warnings",
    "each patch builds without new warnings",
    Group.BUILD,
    _examine,
    (Need("gcc", "gcc"), Need("make", "make")),
)
