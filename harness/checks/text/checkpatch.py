# SPDX-License-Identifier: GPL-2.0-only
"""Check a patch with ``scripts/checkpatch.pl --strict`` of the base, as every series is."""

from __future__ import annotations

from collections.abc import Iterable

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, CheckNotRunError, Group, Need
from harness.kernel.patches.checkpatch import SCRIPT, check_style
from harness.model.finding import StyleFinding


def _examine(bench: Bench, patch: CheckedPatch) -> Iterable[StyleFinding]:
    found = check_style(bench.context, bench.base, [patch.patch], trusted=bench.building.is_trusted)
    if isinstance(found, str):
        raise CheckNotRunError(found)
    return found[patch.number]


CHECK = Check(
    "checkpatch", "scripts/checkpatch.pl --strict", Group.TEXT, _examine, (Need("perl", "perl"),), needs_of_tree=SCRIPT
)
