# SPDX-License-Identifier: GPL-2.0-only
"""Check that each path below ``Documentation/`` that a patch names is there, and that it removes none that is named."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, CheckNotRunError, Group
from harness.model.finding import Level, StyleFinding

_TOP = "Documentation"
_PATH = re.compile(r"(?<![\w/.-])Documentation/[\w./+-]*\w(?P<open>[*?{\[<$\\])?")
_MOST_NAMING = 5


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    if not bench.has(patch.commit, _TOP):
        raise CheckNotRunError("the tree has no Documentation/")
    for change in patch.changes:
        before = {path for line in change.removed.values() for path in _paths(line)}
        for number, line in change.added.items():
            for path in _paths(line):
                if path not in before and not _is_there(bench, patch.commit, path):
                    yield StyleFinding(Level.WARNING, change.path, number, f"{path} does not exist")
    for gone in (one.path for one in patch.changes if one.is_gone and one.path.startswith(f"{_TOP}/")):
        naming = bench.git("grep", "-l", "-I", "-F", "-e", gone, patch.commit, check=False).splitlines()
        for one in naming[:_MOST_NAMING]:
            yield StyleFinding(Level.WARNING, one.partition(":")[2], 0, f"names {gone}, which this patch removes")


def _paths(line: str) -> Iterator[str]:
    """Yield the paths in a line; a pattern names no file."""
    return (found[0] for found in _PATH.finditer(line) if not found["open"])


def _is_there(bench: Bench, commit: str, path: str) -> bool:
    # A document is often named without its suffix, or as what is built of it.
    names = (path, f"{path}.rst", f"{path}.txt", f"{path}.yaml", path.replace(".html", ".rst"))
    return any(bench.has(commit, one) for one in dict.fromkeys(names))


CHECK = Check(
    "doc-links",
    "the paths below Documentation/ that are named exist",
    Group.TEXT,
    _examine,
    needs_of_tree="Documentation/",
)
