# SPDX-License-Identifier: GPL-2.0-only
"""Compile the touched files with clang and the tools of LLVM."""

from __future__ import annotations

from collections.abc import Iterable

from harness.checks.builds.compile import PLAIN, new_diagnostics
from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.builds import Way
from harness.checks.frame.check import Check, Group, Need
from harness.model.finding import StyleFinding

_WAY = Way("clang", choice=("LLVM=1",))


def _examine(bench: Bench, patch: CheckedPatch) -> Iterable[StyleFinding]:
    return new_diagnostics(bench, patch, _WAY, PLAIN)


CHECK = Check(
    "clang",
    "touched files with clang (LLVM=1)",
    Group.BUILD,
    _examine,
    (Need("make", "make"), Need("clang", "clang"), Need("ld.lld", "lld"), Need("llvm-ar", "llvm")),
)
