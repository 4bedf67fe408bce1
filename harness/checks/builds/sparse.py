# SPDX-License-Identifier: GPL-2.0-only
r"""Check the touched files with sparse, \`\`make C=2\`\`."""

from __future__ import annotations

from collections.abc import Iterable

from harness.checks.builds.compile import PLAIN, new_diagnostics
from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.builds import Way
from harness.checks.frame.check import Check, Group, Need
from harness.model.finding import StyleFinding

_WAY = Way("sparse", ("C=2",))


def _examine(bench: Bench, patch: CheckedPatch) -> Iterable[StyleFinding]:
    return new_diagnostics(bench, patch, _WAY, PLAIN)


CHECK = Check(
    "sparse",
    "touched files with sparse",
    Group.BUILD,
    _examine,
    (Need("gcc", "gcc"), Need("make", "make"), Need("sparse", "sparse")),
)
