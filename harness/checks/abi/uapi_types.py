# SPDX-License-Identifier: GPL-2.0-only
"""Compare the structs, enums and constants of touched UAPI headers: what user space was compiled with must stay."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.c_types import Definition, constants, definitions
from harness.checks.frame.check import Check, Group
from harness.model.finding import Level, StyleFinding

_UAPI = re.compile(r"(?:arch/[^/]+/)?include/uapi/.*\.h")
# Ends of an enum, and counts, that move when something is added before them.
_END = re.compile(r"\w*(?:MAX|LAST|NUM|COUNT|END|NR)\w*\b.*|__\w+")
_GROWING = re.compile(r"\w*(?:MAX|LAST|NUM|COUNT|SIZE|VERSION|MASK|ALL|NR|SUPPORTED|VALID)\w*")
_GUARD = re.compile(r"_*[A-Z0-9_]+_H_*")


def is_uapi(path: str) -> bool:
    """Return whether a file is a header for user space."""
    return _UAPI.fullmatch(path) is not None


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    for change in patch.changes:
        # What the series itself added may still change within the series.
        old = bench.text(bench.base.commit, change.path)
        if not is_uapi(change.path) or change.is_new or old is None:
            continue
        before, new = bench.text(patch.parent, change.path), bench.text(patch.commit, change.path)
        if new is None:
            yield StyleFinding(Level.ERROR, change.path, 0, "the header for user space is removed")
            continue
        yield from _compare(change.path, _both(old, before or ""), new)


def _both(old: str, before: str) -> tuple[dict[str, Definition], dict[str, str]]:
    """Return what the base and the patch before have alike: an earlier patch has its own findings."""
    types, values = definitions(before), constants(before)
    return (
        {name: one for name, one in definitions(old).items() if name in types and types[name].members == one.members},
        {name: value for name, value in constants(old).items() if values.get(name) == value},
    )


def _compare(path: str, old: tuple[dict[str, Definition], dict[str, str]], new: str) -> Iterator[StyleFinding]:
    types, values = definitions(new), constants(new)
    for name, one in old[0].items():
        if (now := types.get(name)) is None:
            yield StyleFinding(Level.ERROR, path, 0, f"{name} is gone from the header")
        elif now.members != one.members:
            yield from _members(path, name, one, now)
    for name, value in old[1].items():
        if name not in values and not _GUARD.fullmatch(name):
            # It may have become an enumerator of that name.
            if not re.search(rf"\b{name}\b", new):
                yield StyleFinding(Level.ERROR, path, 0, f"the constant {name} is gone from the header")
        elif values.get(name, value) != value and not _GROWING.fullmatch(name) and _number(value) is not None:
            now_value = values[name]
            if _number(now_value) not in (None, _number(value)):
                yield StyleFinding(Level.ERROR, path, 0, f"the constant {name} changes from {value} to {now_value}")


def _members(path: str, name: str, old: Definition, new: Definition) -> Iterator[StyleFinding]:
    if old.kind == "enum":
        was = [one for one in old.members if not _END.fullmatch(one)]
        now = [one for one in new.members if not _END.fullmatch(one)]
        # Enumerators with values may stand in any order.
        at = next((one for one in range(len(was)) if now[one : one + 1] != was[one : one + 1]), None)
        if at is not None and not (all("=" in one for one in was) and set(was) <= set(now)):
            text = f"{name}: the value of {was[at].partition('=')[0].strip()} changes, or it is gone"
            yield StyleFinding(Level.ERROR, path, new.line, text)
        return
    at = next(
        (one for one in range(len(old.members)) if new.members[one : one + 1] != old.members[one : one + 1]), None
    )
    if at is not None:
        instead = f', there is "{new.members[at]}"' if at < len(new.members) else ""
        text = f'{name}: "{old.members[at]}" is not in its place any more{instead}'
        yield StyleFinding(Level.WARNING, path, new.line, text)
    elif old.kind == "struct":
        added = "; ".join(new.members[len(old.members) :])
        yield StyleFinding(Level.CHECK, path, new.line, f"{name} grows: {added}")


def _number(value: str) -> int | None:
    found = re.fullmatch(r"\(?(0[xX][0-9a-fA-F]+|\d+)[uUlL]*\)?", value)
    return int(found[1], 0 if found[1][:2].lower() == "0x" else 10) if found else None


CHECK = Check("uapi-types", "structs, enums and constants of UAPI headers stay", Group.ABI, _examine)
