# SPDX-License-Identifier: GPL-2.0-only
"""Check that no trailer is doubled."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, Group
from harness.model.finding import Level, StyleFinding


def _examine(_: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    seen: set[tuple[str, str]] = set()
    told: set[tuple[str, str]] = set()
    last = ("", "")
    for one in patch.trailers:
        # A person may review and test: only the same trailer twice is doubled.
        key = one.name, one.address if one.name.endswith("-by") and one.address else " ".join(one.value.lower().split())
        # An author who is the maintainer as well signs off twice, with others between.
        is_doubled = key == last if one.name == "signed-off-by" else key in seen
        if is_doubled and key not in told:
            told.add(key)
            yield StyleFinding(Level.WARNING, "", 0, f"the trailer is there twice: {one}")
        seen.add(key)
        last = key


CHECK = Check("trailers", "no trailer is there twice", Group.TEXT, _examine)
