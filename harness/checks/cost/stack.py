# SPDX-License-Identifier: GPL-2.0-only
"""Compare the stack use of the functions of touched objects, as the compiler notes it (``-fstack-usage``)."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.builds.compile import EXTRA, compiled_states
from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, Group, Need
from harness.checks.frame.measure import Measures
from harness.model.finding import Level, StyleFinding

# scripts/checkstack.pl shows functions from 100 bytes on; the default of FRAME_WARN is 2048 on 64 bits.
_LARGE = 512
_GROWTH = 128
_BOUNDED = ("static", "dynamic,bounded")


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    states = compiled_states(bench, patch, EXTRA)
    if states is None:
        return
    earlier, after = [one.measures for one in states[:2]], states[2]
    now = after.measures
    for name in bench.objects_of(patch, after):
        old = [state.get(name, Measures()) for state in earlier]
        for function, (size, line, kind) in now.get(name, Measures()).stack.items():
            known = [one.stack[function] for one in old if function in one.stack]
            most = max((one[0] for one in known), default=0)
            file = f"{name.removesuffix('.o')}.c"
            if size >= _LARGE and size - most >= _GROWTH:
                since = f", before {most}" if known else ""
                text = f"{function} uses {size} bytes of stack{since}"
                yield StyleFinding(Level.WARNING, file, line, text)
            elif kind not in _BOUNDED and all(one[2] in _BOUNDED for one in known):
                text = f"{function} uses an unbounded amount of stack ({kind})"
                yield StyleFinding(Level.WARNING, file, line, text)


CHECK = Check(
    "stack",
    f"functions that use {_LARGE} bytes of stack or more, and {_GROWTH} more than before",
    Group.COST,
    _examine,
    (Need("gcc", "gcc"), Need("make", "make")),
)
