# SPDX-License-Identifier: GPL-2.0-only
r"""Compile the touched files with \`\`make allmodconfig\`\`: all code, as modules where it can be."""

from __future__ import annotations

from collections.abc import Iterable

from harness.checks.builds.compile import ALL_MODULES, PLAIN, new_diagnostics
from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, Group, Need
from harness.model.finding import StyleFinding


def _examine(bench: Bench, patch: CheckedPatch) -> Iterable[StyleFinding]:
    return new_diagnostics(bench, patch, ALL_MODULES, PLAIN)


CHECK = Check(
    "allmod", "touched files with allmodconfig", Group.BUILD, _examine, (Need("gcc", "gcc"), Need("make", "make"))
)
