# SPDX-License-Identifier: GPL-2.0-only
"""Find new boot parameters, sysctls and cgroup files that no document of the tree names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, CheckNotRunError, Group
from harness.model.finding import Level, StyleFinding

_TOP = "Documentation"
_PARAMETER = re.compile(r'^\s*(?:__setup(?:_param)?|early_param|core_param(?:_cb)?)\(\s*"?(?P<name>[\w.-]+)=?"?')
_SYSCTL = re.compile(r'^\s*\.procname\s*=\s*"(?P<name>[\w.-]+)"')
_FILE = re.compile(r'^\s*\.name\s*=\s*"(?P<name>[\w.-]+)"')
_ARRAY = re.compile(r"^(?:static\s+)?(?:const\s+)?struct\s+(?P<type>\w+)\s+\w+\[[^\]]*\]\s*=\s*\{?")
_MOST_ABOVE = 600


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    found = list(_added(bench, patch))
    if found and not bench.has(patch.commit, _TOP):
        raise CheckNotRunError("the tree has no Documentation/")
    for path, line, kind, name in found:
        # In the base the name may stand in another file, or in another form.
        if not bench.find_word(name, patch.commit, _TOP):
            yield StyleFinding(Level.WARNING, path, line, f"no document names the {kind} {name}")


def _added(bench: Bench, patch: CheckedPatch) -> Iterator[tuple[str, int, str, str]]:
    for change in patch.changes:
        if not change.path.endswith(".c"):
            continue
        removed = {name for line in change.removed.values() for name in _names(line)}
        lines: list[str] = []
        for number, line in change.added.items():
            if not (names := [one for one in _names(line) if one not in removed]):
                continue
            lines = lines or (bench.text(patch.commit, change.path) or "").split("\n")
            if kind := _kind(line, lines, number):
                yield from ((change.path, number, kind, name) for name in names)


def _names(line: str) -> Iterator[str]:
    return (found["name"] for one in (_PARAMETER, _SYSCTL, _FILE) if (found := one.match(line)))


def _kind(line: str, lines: list[str], number: int) -> str:
    """Return what a line defines, by the array that it is in; empty for something else."""
    if _PARAMETER.match(line):
        return "boot parameter"
    for above in reversed(lines[max(0, number - _MOST_ABOVE) : number - 1]):
        if array := _ARRAY.match(above):
            wanted = "ctl_table" if _SYSCTL.match(line) else "cftype"
            kind = {"ctl_table": "sysctl", "cftype": "cgroup file"}[wanted]
            return kind if array["type"] == wanted else ""
        if above.startswith("}"):
            return ""
    return ""


CHECK = Check(
    "documented",
    "boot parameters, sysctls and cgroup files that no document names",
    Group.ABI,
    _examine,
    needs_of_tree="Documentation/",
)
