# SPDX-License-Identifier: GPL-2.0-only
"""Find exported symbols that a patch removes, restricts, or gives another type."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.c_types import exports, prototype
from harness.checks.frame.check import Check, Group
from harness.model.finding import Level, StyleFinding

_SUFFIXES = (".c", ".S", ".h")


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    for change in patch.changes:
        if not change.path.endswith(_SUFFIXES) or change.is_new:
            continue
        # A symbol that the series itself exports may go again.
        first = bench.text(bench.base.commit, change.path) or ""
        base = exports(first)
        before = bench.text(patch.parent, change.path) or ""
        after = bench.text(patch.commit, change.path) or ""
        now = exports(after)
        for name, kind in exports(before).items():
            if base.get(name) != kind:
                continue
            if name not in now:
                yield from _gone(bench, patch, change.path, name)
            elif now[name] != kind:
                text = f"{name}: {kind} becomes {now[name]}"
                yield StyleFinding(Level.CHECK, change.path, 0, text)
            else:
                yield from _retyped(change.path, name, first, before, after)


def _retyped(path: str, name: str, first: str, before: str, after: str) -> Iterator[StyleFinding]:
    """Compare the type of a function with that of the patch before, if the base has it so."""
    base, old, new = (prototype(text, name) for text in (first, before, after))
    if base and old and new and base[0] == old[0] != new[0]:
        text = f"the type of the exported {name} changes: {new[0]}, before {old[0]}"
        yield StyleFinding(Level.CHECK, path, new[1], text)


def _gone(bench: Bench, patch: CheckedPatch, path: str, name: str) -> Iterator[StyleFinding]:
    words = ("grep", "-I", "-w", "-F", "-e", name, patch.commit, "--", "*.c", "*.S")
    found = [line.partition(":")[2].partition(":") for line in bench.git(*words, check=False).splitlines()]
    if any(re.match(rf"\s*EXPORT_SYMBOL\w*\(\s*{name}\s*[,)]", line) for _, _, line in found):
        return
    # A call is indented: not the head of a function, a struct of the same name, or a comment.
    call = re.compile(rf"\s+(?!/?\*|//).*\b{name}\s*\(")
    used = any(file != path and call.match(line) for file, _, line in found)
    level = Level.WARNING if used else Level.CHECK
    still = "; other files still call it" if used else ""
    yield StyleFinding(level, path, 0, f"{name} is not exported any more{still}")


CHECK = Check("exports", "exported symbols that are gone or have another type", Group.ABI, _examine)
