# SPDX-License-Identifier: GPL-2.0-only
"""Check the form of the tag for stable trees, after Documentation/process/stable-kernel-rules.rst."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, Group
from harness.checks.frame.trailers import Trailer
from harness.model.finding import Level, StyleFinding

# stable@vger.kernel.org, stable@kernel.org, and stable+noautosel@kernel.org.
_KNOWN = re.compile(r"stable(?:\+noautosel)?@(?:vger\.)?kernel\.org")
_NEAR = re.compile(r"stable(?:\+\w+)?@(?:[\w-]+\.)*k[ern]{2,5}[ea]l\.\w+|stable@vger\.\S+|stable@kernel\.\S+")
# A range in brackets is an older form that the stable maintainers' scripts read as well.
_AFTER = re.compile(r"\s*(?:(?:#|\[).*)?")
_LIKE = re.compile(r"(?:cc[-:]?)?stable(?:-\w+)?", re.IGNORECASE)
_LINE = re.compile(r"(?P<key>[A-Za-z-]+):\s*(?P<value>.*)")


def _examine(_: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    for line in patch.message.split("\n")[1:]:
        found = _LINE.fullmatch(line.strip())
        if found is not None and (text := _fault(Trailer(found["key"], found["value"]))):
            yield StyleFinding(Level.WARNING, "", 0, f'"{line.strip()}": {text}')


def _fault(line: Trailer) -> str:
    """Return what is wrong with a line; empty if nothing is, or if it is not about stable trees."""
    address = line.address
    if _LIKE.fullmatch(line.key) and (address or line.value[:1].isdigit()):
        return "the tag for stable trees is Cc: stable@vger.kernel.org"
    if line.name != "cc" or not address.startswith("stable"):
        return ""
    if not _KNOWN.fullmatch(address):
        return "the address for stable trees is stable@vger.kernel.org" if _NEAR.fullmatch(address) else ""
    after = line.value[line.value.lower().index(address) + len(address) :]
    if not _AFTER.fullmatch(after.lstrip(">")):
        return "text after the address starts with #, such as # 5.10.x"
    return ""


CHECK = Check("stable", "Cc: stable@vger.kernel.org has the right form", Group.TEXT, _examine)
