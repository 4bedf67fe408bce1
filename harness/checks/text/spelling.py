# SPDX-License-Identifier: GPL-2.0-only
"""Check the spelling of messages, added comments and documents, with the base's list and that of codespell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.util import find_spec

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, CheckNotRunError, Group
from harness.checks.frame.comments import comment_text
from harness.model.finding import Level, StyleFinding

LIST = "scripts/spelling.txt"
_MODULE = "codespell_lib"
_WORD = re.compile(r"(?<![\w@/.\\&%$#<-])[A-Za-z][a-z']{2,}(?![\w@/\\(>-]|\.\w)")
_DOCUMENTS = (".rst", ".txt")


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    words = {**_codespells(), **_of_tree(bench.text(bench.base.commit, LIST) or "")}
    if not words:
        raise CheckNotRunError(f"the base has no {LIST}, and codespell is not installed", packages=["codespell"])
    subject, _, body = patch.message.partition("\n")
    # Quoted logs and code are indented.
    prose = [subject, *(line for line in body.split("\n") if line[:1].isalpha() and not re.match(r"[\w-]+: ", line))]
    for line in prose:
        yield from (StyleFinding(Level.CHECK, "", 0, text) for text in _misspelled(line, words))
    for change in patch.changes:
        is_document = change.path.endswith(_DOCUMENTS)
        for number, line in change.added.items():
            text = line if is_document and not line.startswith((" ", "\t")) else comment_text(change.path, line)
            # A word that stands in a removed line as well was there before.
            known = {word for old in change.removed.values() for word in _WORD.findall(old)}
            for one in _misspelled(text, words, known):
                yield StyleFinding(Level.CHECK, change.path, number, one)


def _misspelled(text: str, words: Mapping[str, str], known: set[str] | frozenset[str] = frozenset()) -> Iterator[str]:
    for word in dict.fromkeys(_WORD.findall(text)):
        right = words.get(word.lower())
        # A name with a capital within a sentence is a name.
        if right and word not in known and (word.islower() or text.lstrip().startswith(word)):
            yield f'"{word}" may be misspelled: {right}?'


def _of_tree(text: str) -> dict[str, str]:
    """Return the list of the tree: ``wrong||right``."""
    pairs = (line.split("||") for line in text.splitlines() if "||" in line and not line.startswith("#"))
    return {one[0].strip().lower(): one[1].strip() for one in pairs}


@cache
def _codespells() -> Mapping[str, str]:
    """Return codespell's list, ``wrong->right``, without the words that may be right; empty if it is not installed."""
    if find_spec(_MODULE) is None:
        return {}
    text = (files(_MODULE) / "data" / "dictionary.txt").read_text(encoding="utf-8")
    pairs = (line.split("->") for line in text.splitlines() if "->" in line)
    # More than one correction, or a reason after the comma: codespell does not change such a word by itself.
    return {one[0].lower(): one[1].strip() for one in pairs if "," not in one[1]}


CHECK = Check(
    "spelling",
    "spelling of messages, comments and documents (more words with codespell)",
    Group.TEXT,
    _examine,
    needs_of_tree=LIST,
)
