# SPDX-License-Identifier: GPL-2.0-only
"""Check the entries of touched files below ``Documentation/ABI/``, whose README names the fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, Group
from harness.checks.frame.difference import fresh
from harness.model.finding import Level, StyleFinding

_TOP = "Documentation/ABI/"
_FIELD = re.compile(r"(What|Date|KernelVersion|Contact|Description|Users):[ \t]*(.*)", re.IGNORECASE)
_NEEDED = ("date", "contact", "description")


def _examine(bench: Bench, patch: CheckedPatch) -> Iterable[StyleFinding]:
    for path in (one for one in patch.files if one.startswith(_TOP) and not one.endswith("README")):
        states = dict.fromkeys((patch.commit, patch.parent, bench.base.commit))
        found = [list(_faults(path, bench.text(commit, path) or "")) for commit in states]
        yield from fresh(found[0], *found[1:])


def _faults(path: str, text: str) -> Iterator[StyleFinding]:
    what, at, fields, is_open = "", 0, set[str](), False
    for number, line in enumerate([*text.split("\n"), "What: "], 1):
        found = _FIELD.match(line)
        if found is None:
            continue
        name = found[1].lower()
        if name != "what":
            fields.add(name)
            is_open = True
        elif is_open or not found[2]:
            # Several What: lines in a row share one entry.
            missing = [one.capitalize() for one in _NEEDED if what and one not in fields]
            if missing:
                text = f"{what} has no {' and no '.join(f'{one}:' for one in missing)}"
                yield StyleFinding(Level.WARNING, path, at, text)
            what, at, fields, is_open = found[2], number, set(), False
        elif not what:
            what, at = found[2], number


CHECK = Check("abi-files", "entries of Documentation/ABI/ have their fields", Group.TEXT, _examine)
