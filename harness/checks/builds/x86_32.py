# SPDX-License-Identifier: GPL-2.0-only
"""Compile the touched files for 32-bit x86, where sizes and formats differ."""

from __future__ import annotations

from collections.abc import Iterable

from harness.checks.builds.compile import ALL_MODULES, PLAIN, new_diagnostics
from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.builds import Way
from harness.checks.frame.check import Check, Group, Need
from harness.model.finding import StyleFinding

_WAY = Way("x86-32", ("ARCH=i386",), target="allmodconfig")


def _examine(bench: Bench, patch: CheckedPatch) -> Iterable[StyleFinding]:
    return new_diagnostics(bench, patch, _WAY, PLAIN, ALL_MODULES)


CHECK = Check(
    "x86-32", "touched files for 32-bit x86", Group.BUILD, _examine, (Need("gcc", "gcc"), Need("make", "make"))
)
