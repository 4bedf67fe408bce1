# SPDX-License-Identifier: GPL-2.0-only
"""Compile with each touched Kconfig symbol as y, m and n, where it can be."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.builds.compile import PLAIN
from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.builds import Way
from harness.checks.frame.check import Check, CheckNotRunError, Group, Need
from harness.checks.frame.difference import fresh
from harness.checks.frame.symbols import is_kconfig, touched_symbols
from harness.model.finding import StyleFinding

MOST_SYMBOLS = 4


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    names = [
        name
        for path in patch.files
        if is_kconfig(path)
        for name in touched_symbols(patch.changes, path, lambda one: bench.text(patch.commit, one) or "")
    ]
    if len(names) > MOST_SYMBOLS:
        raise CheckNotRunError(f"the patch touches {len(names)} symbols, more than {MOST_SYMBOLS}")
    told = [bench.compile(PLAIN, patch)[2].findings] if names else []
    for name in names:
        for value, request in (
            ("y", f"CONFIG_{name}=y"),
            ("m", f"CONFIG_{name}=m"),
            ("n", f"# CONFIG_{name} is not set"),
        ):
            way = Way(f"{name}={value}", requests=request)
            base, before, after = bench.compile(way, patch)
            if after.options.get(f"CONFIG_{name}", "n") != value:
                continue  # its dependencies are not met, or it is no tristate
            found = fresh(after.findings, base.findings, before.findings, *told)
            told.append(found)
            for one in found:
                text = f"with CONFIG_{name}={value}: {one.text}"
                yield StyleFinding(one.level, one.file, one.line, text, one.kind)


CHECK = Check(
    "kconfig",
    "touched Kconfig symbols as y, m and n",
    Group.BUILD,
    _examine,
    (Need("gcc", "gcc"), Need("make", "make")),
)
