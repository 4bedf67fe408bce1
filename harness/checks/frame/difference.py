# SPDX-License-Identifier: GPL-2.0-only
"""Read which lines a commit adds and removes, and tell new findings from those that were there before. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.model.finding import StyleFinding

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
# A message that names a line, such as "declared at kernel/x.c:12" or "see line 12".
_LINE_IN_TEXT = re.compile(r"(?<=:)\d+(?::\d+)?\b|(?<=line )\d+")


@dataclass(slots=True)
class ChangedFile:
    """The lines of a file that a commit changes.

    :param path: its path after the commit; before it for a removed file.
    :param added: the added lines, by their number after the commit.
    :param removed: the removed lines, by their number before the commit.
    :param is_new: whether the commit adds the file.
    :param is_gone: whether the commit removes the file.
    """

    path: str
    added: dict[int, str] = field(default_factory=dict)
    removed: dict[int, str] = field(default_factory=dict)
    is_new: bool = False
    is_gone: bool = False


def parse_changes(diff: str) -> tuple[ChangedFile, ...]:
    """Return the changed files of a diff that git made with ``-U0 --no-renames --no-prefix``; binary files as well."""
    files: list[ChangedFile] = []
    old = new = left_old = left_new = 0
    for line in diff.split("\n"):
        if left_old or left_new:
            if line.startswith("-") and left_old:
                files[-1].removed[old], old, left_old = line[1:], old + 1, left_old - 1
                continue
            if line.startswith("+") and left_new:
                files[-1].added[new], new, left_new = line[1:], new + 1, left_new - 1
                continue
        if line.startswith("diff --git "):
            # Without prefixes and renames, both halves are equal.
            names = line.removeprefix("diff --git ")
            files.append(ChangedFile(names[: len(names) // 2]))
        elif files and line.startswith("new file mode "):
            files[-1].is_new = True
        elif files and line.startswith("deleted file mode "):
            files[-1].is_gone = True
        elif files and (found := _HUNK.match(line)):
            old, new = int(found[1]), int(found[2])
            left_old, left_new = _count(found[0], "-"), _count(found[0], "+")
    return tuple(files)


def _count(header: str, sign: str) -> int:
    """Return the number of lines of one side of a hunk."""
    found = re.search(rf"\{sign}\d+(?:,(\d+))?", header)
    assert found is not None
    return int(found[1]) if found[1] is not None else 1


def fresh(after: Iterable[StyleFinding], *before: Sequence[StyleFinding]) -> tuple[StyleFinding, ...]:
    """Return the findings that no earlier state has: by file and text, without line numbers.

    :param after: the findings with the patch.
    :param before: the findings of each earlier state, such as the base and the patch before.
    """
    known: Counter[tuple[str, str, str]] = Counter()
    for state in before:
        known |= Counter(map(_key, state))
    new = []
    for one in after:
        key = _key(one)
        if known[key]:
            known[key] -= 1
        else:
            new.append(one)
    return tuple(new)


def _key(one: StyleFinding) -> tuple[str, str, str]:
    return one.file, one.kind, _LINE_IN_TEXT.sub("N", one.text)
