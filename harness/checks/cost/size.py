# SPDX-License-Identifier: GPL-2.0-only
"""Compare the sizes of functions and sections of the touched objects, as scripts/bloat-o-meter does."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.builds.compile import PLAIN, compiled_states
from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, Group, Need
from harness.checks.frame.measure import Measures
from harness.model.finding import Level, StyleFinding

# Smaller changes are those of alignment and of the compiler's mood.
_BYTES = 512
_PERCENT = 25
_SECTIONS = {".text": "code", ".data": "data", ".bss": "data without a value", ".rodata": "constants"}
_FUNCTIONS = 3


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    states = compiled_states(bench, patch, PLAIN)
    if states is None:
        return
    after = states[2]
    old, new = states[1].measures, after.measures
    for name in bench.objects_of(patch, after):
        if name in old and name in new:
            file = f"{name.removesuffix('.o')}.c"
            yield from _grown(file, old[name], new[name])


def _grown(file: str, before: Measures, after: Measures) -> Iterator[StyleFinding]:
    for section, what in _SECTIONS.items():
        old, new = before.sections.get(section, 0), after.sections.get(section, 0)
        if new - old < _BYTES or (new - old) * 100 < old * _PERCENT:
            continue
        text = f"its {what} ({section}) grows from {old} to {new} bytes"
        grown = {one: size - before.functions.get(one, 0) for one, size in after.functions.items()}
        most = sorted((one for one in grown if grown[one] > 0), key=lambda one: -grown[one])[:_FUNCTIONS]
        if section == ".text" and most:
            text += f": {', '.join(f'{one} +{grown[one]}' for one in most)}"
        yield StyleFinding(Level.CHECK, file, 0, text)


CHECK = Check(
    "size",
    f"code and data that grow by {_BYTES} bytes and {_PERCENT} %",
    Group.COST,
    _examine,
    (Need("gcc", "gcc"), Need("make", "make"), Need("nm", "binutils")),
)
