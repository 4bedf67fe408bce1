# SPDX-License-Identifier: GPL-2.0-only
"""Check each ``Fixes:`` line: its form, and that it names a commit of the base's history by its own subject."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, CheckNotRunError, Group
from harness.kernel.git.revisions import find_commit
from harness.model.finding import Level, StyleFinding

_FORM = re.compile(r'(?P<commit>[0-9a-f]{4,40}) \("(?P<subject>.*)"\)')
# Documentation/process/submitting-patches.rst: "at least the first 12 characters of the SHA-1 ID".
_DIGITS = 12


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    named = []
    is_found = False
    for trailer in patch.trailers:
        if trailer.name != "fixes":
            continue
        form = _FORM.fullmatch(trailer.value.rstrip())
        if form is None:
            is_found = True
            text = f'"{trailer}" is not of the form: Fixes: <12 digits of the commit> ("<its subject>")'
            yield StyleFinding(Level.WARNING, "", 0, text)
            continue
        named.append((form["commit"], form["subject"]))
        if len(form["commit"]) < _DIGITS:
            is_found = True
            text = f"Fixes: {form['commit']} has {len(form['commit'])} digits, not {_DIGITS}"
            yield StyleFinding(Level.WARNING, "", 0, text)
    if named and not bench.has_history:
        if is_found:
            return
        raise CheckNotRunError("the base has no whole history to look up the commits of Fixes: in")
    for commit, subject in named:
        yield from _look_up(bench, patch, commit, subject)


def _look_up(bench: Bench, patch: CheckedPatch, named: str, subject: str) -> Iterator[StyleFinding]:
    repository, deadline = bench.base.repository, bench.context.deadline
    commit = find_commit(repository, named, deadline=deadline)
    if not commit:
        yield StyleFinding(Level.ERROR, "", 0, f"Fixes: {named} is no commit of the base's history")
        return
    is_before = ("merge-base", "--is-ancestor", commit, patch.parent)
    if repository.git(*is_before, check=False, deadline=deadline).status == 1:
        yield StyleFinding(Level.ERROR, "", 0, f"Fixes: {named} is a commit that is not in the base's history")
    real = bench.git("log", "-1", "--format=%s", commit).strip()
    if " ".join(real.split()) != " ".join(subject.split()):
        yield StyleFinding(Level.WARNING, "", 0, f'the subject of {named} is "{real}", not "{subject}"')


CHECK = Check("fixes", "Fixes: names a commit of the base's history, by its subject", Group.TEXT, _examine)
