# SPDX-License-Identifier: GPL-2.0-only
"""Whether one patch is another version of another one, told by what both were made on. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.kernel.mail.diff import Region, read_lines

_INDEX = re.compile(rb"index ([0-9a-f]{7,64})\.\.([0-9a-f]{7,64})")


def stand_on_the_same(one: bytes, other: bytes) -> bool:
    """Return whether two patches were made on the same content of a file, so that only one of them can be applied.

    git writes that content's hash on its ``index`` line; where one has no such line, the lines that both remove tell.
    """
    mine, others = _grounds(one), _grounds(other)
    for file in mine.keys() & others.keys():
        (blob, removed), (other_blob, other_removed) = mine[file], others[file]
        if blob and other_blob:
            if _is_same(blob, other_blob):
                return True
        elif removed & other_removed:
            return True
    return False


def collide(patches: Sequence[bytes]) -> bool:
    """Return whether the ``index`` lines show two of the patches to be made on the same content of a file."""
    made: dict[bytes, list[bytes]] = {}
    for text in patches:
        for file, (blob, _) in _grounds(text).items():
            if blob and any(_is_same(blob, other) for other in made.get(file, ())):
                return True
            made.setdefault(file, []).append(blob)
    return False


def _is_same(blob: bytes, other: bytes) -> bool:
    shorter = min(len(blob), len(other))
    if not shorter:
        return False
    return blob[:shorter] == other[:shorter]


def _grounds(text: bytes) -> dict[bytes, tuple[bytes, frozenset[tuple[bytes, bytes]]]]:
    """Map each file of a patch to the hash of its content before, and the lines removed with their hunk."""
    found: dict[bytes, tuple[bytes, frozenset[tuple[bytes, bytes]]]] = {}
    file = blob = hunk = b""
    removed: set[tuple[bytes, bytes]] = set()

    def close() -> None:
        if file:
            found[file] = (blob, frozenset(removed))

    for line in read_lines(text):
        content = line.content
        if line.region is Region.HEADER and content.startswith((b"diff --git ", b"--- ")) and (hunk or not file):
            close()
            file, blob, hunk, removed = b"", b"", b"", set()
        if line.region is Region.HEADER and (index := _INDEX.match(content)):
            blob = index.group(1)
        elif line.region is Region.HEADER and content.startswith((b"+++ ", b"diff --git ")):
            file = content.rpartition(b" ")[2].partition(b"/")[2]
        elif line.region is Region.RANGE:
            hunk = content.partition(b" +")[0]
        elif line.region is Region.BODY and content.startswith(b"-"):
            removed.add((hunk, content))
    close()
    return found
