# SPDX-License-Identifier: GPL-2.0-only
"""Check that the prefix of the subject is one that earlier commits to the same files have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, CheckNotRunError, Group
from harness.model.finding import Level, StyleFinding

_PREFIX = re.compile(r"(?P<prefix>[\w./+,{}*\s-]{1,60}?(?:: ?[\w./+,{}*-]{1,30})*?): ?\S")
_READ = 60
_ENOUGH = 10
_MOST_FILES = 10
_SHOWN = 3
# What a commit of any part of the kernel may begin with.
_COMMON = {"revert", "treewide", "tree-wide", "kernel", "docs", "doc", "documentation"}
_GENERIC = re.compile(r"Revert \"|Merge |Reapply \"")


def prefix_words(subject: str) -> frozenset[str]:
    """Return the words of the prefix of a subject, in lower case; empty without a prefix."""
    found = _PREFIX.match(re.sub(r"^\[[^\]]*\]\s*", "", subject))
    if found is None:
        return frozenset()
    return frozenset(re.findall(r"[a-z0-9_+*-]+", found["prefix"].lower()))


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    subject = patch.message.partition("\n")[0]
    files = [one.path for one in patch.changes if not one.is_new][:_MOST_FILES]
    if not files or _GENERIC.match(subject):
        return
    if not bench.has_history:
        raise CheckNotRunError("the base has no whole history of subjects to compare with")
    words = ("log", "--no-merges", f"--max-count={_READ}", "--format=%s", patch.parent, "--", *files)
    found = bench.git(*words).splitlines()
    subjects = [one for one in found if not _GENERIC.match(one)]
    known = Counter(one for subject in subjects for one in prefix_words(subject))
    with_prefix = sum(bool(prefix_words(one)) for one in subjects)
    if len(subjects) < _ENOUGH or with_prefix * 10 < len(subjects) * 9:
        return
    own = prefix_words(subject)
    usual = ", ".join(dict.fromkeys(f"{one.partition(':')[0]}:" for one in subjects if prefix_words(one)))
    usual = ", ".join(usual.split(", ")[:_SHOWN])
    if not own:
        text = f"the subject has no prefix; the last commits to {files[0]} have: {usual}"
        yield StyleFinding(Level.WARNING, "", 0, text)
    elif not own & (known.keys() | _COMMON):
        prefix = subject.partition(":")[0]
        text = f'no earlier commit to {files[0]} has the prefix "{prefix}:"; the last ones have: {usual}'
        yield StyleFinding(Level.CHECK, "", 0, text)


CHECK = Check("prefix", "the subject's prefix is one that the file's history has", Group.TEXT, _examine)
