# SPDX-License-Identifier: GPL-2.0-only
"""Compare the sizes and holes of touched structs with pahole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from harness.checks.builds.compile import compiled_states
from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.builds import Way
from harness.checks.frame.c_types import definitions
from harness.checks.frame.check import Check, Group, Need
from harness.model.finding import Level, StyleFinding

_WAY = Way(
    "debug",
    flags="-g",
    script='for object in "$@"; do [ -f "$object" ] && [ ! -L "$object" ] && pahole --sizes "$object"; done; :',
)
_SIZE = re.compile(r"(?P<name>\w+)\t(?P<size>\d+)\t(?P<holes>\d+)")


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    touched = dict(_touched(bench, patch))
    states = compiled_states(bench, patch, _WAY) if touched else None
    if states is None:
        return
    base, before, after = (_sizes(one.printed) for one in states)
    for name, (path, line) in touched.items():
        if name not in before or name not in after:
            continue
        (old_size, old_holes), (size, holes) = before[name], after[name]
        known = base.get(name, (size, holes))
        if size > old_size and size > known[0]:
            text = f"struct {name} grows from {old_size} to {size} bytes"
            yield StyleFinding(Level.CHECK, path, line, text)
        if holes > old_holes and holes > known[1]:
            yield StyleFinding(Level.CHECK, path, line, f"struct {name} has {holes} holes, before {old_holes}")


def _touched(bench: Bench, patch: CheckedPatch) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield the structs whose definition the patch changes, with their file and line."""
    for path in (one for one in patch.files if one.endswith((".c", ".h"))):
        old = definitions(bench.text(patch.parent, path) or "")
        for key, one in definitions(bench.text(patch.commit, path) or "").items():
            if one.kind == "struct" and key in old and old[key].members != one.members:
                yield one.name, (path, one.line)


def _sizes(lines: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return size and number of holes of each struct; the largest where files have different ones of a name."""
    found: dict[str, tuple[int, int]] = {}
    for line in lines:
        if one := _SIZE.fullmatch(line.strip()):
            found[one["name"]] = max(found.get(one["name"], (0, 0)), (int(one["size"]), int(one["holes"])))
    return found


CHECK = Check(
    "structs",
    "touched structs that grow or get holes, by pahole",
    Group.COST,
    _examine,
    (Need("gcc", "gcc"), Need("make", "make"), Need("pahole", "dwarves")),
)
