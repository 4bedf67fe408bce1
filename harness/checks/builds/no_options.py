# SPDX-License-Identifier: GPL-2.0-only
r"""Compile the touched files with \`\`make allnoconfig\`\`, which has hardly an option."""

from __future__ import annotations

from collections.abc import Iterable

from harness.checks.builds.compile import PLAIN, new_diagnostics
from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.builds import Way
from harness.checks.frame.check import Check, Group, Need
from harness.model.finding import StyleFinding

_WAY = Way("allno", target="allnoconfig")


def _examine(bench: Bench, patch: CheckedPatch) -> Iterable[StyleFinding]:
    return new_diagnostics(bench, patch, _WAY, PLAIN)


CHECK = Check(
    "allno", "touched files with allnoconfig", Group.BUILD, _examine, (Need("gcc", "gcc"), Need("make", "make"))
)
