# SPDX-License-Identifier: GPL-2.0-only
"""Check that a patch was posted to everybody that the tree's ``scripts/get_maintainer.pl`` names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, CheckNotRunError, Group, Need
from harness.model.finding import Level, StyleFinding

SCRIPT = "scripts/get_maintainer.pl"
_WORDS = ("--no-git", "--no-git-fallback", "--norolestats", "--roles", "--nomoderated", "--no-s")
_NAMED = re.compile(r"(?:(?P<name>.*) )?<?(?P<address>[^\s<>()]+@[^\s<>()]+)>? \((?P<role>.*)\)")
# It is named for every file; a patch with another list need not go there.
_CATCH_ALL = "linux-kernel@vger.kernel.org"


def _examine(bench: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    if not patch.patch.recipients:
        raise CheckNotRunError("the mail has no To: or Cc: header")
    if not bench.has(bench.base.commit, SCRIPT):
        raise CheckNotRunError(f"the base has no {SCRIPT}")
    argv = ["perl", f"{{tree}}/{SCRIPT}", *_WORDS, "{out}/patch"]
    result = bench.run_script(argv, {"patch": patch.patch.mail}, in_tree=True)
    if not result.is_success:
        why = result.stopped or (result.lines[-1] if result.lines else f"exited with status {result.status}")
        raise CheckNotRunError(f"{SCRIPT} of the base failed: {why}")
    reached = {*patch.patch.recipients, *(one.address for one in patch.trailers), _address(patch.author)}
    for line in result.lines:
        found = _NAMED.fullmatch(line.strip())
        if found is None or found["address"].lower() in reached or found["address"].lower() == _CATCH_ALL:
            continue
        yield StyleFinding(Level.WARNING, "", 0, f"not posted to {found['address']} ({found['role']})")


def _address(person: str) -> str:
    return person.rpartition("<")[2].rstrip(">").lower()


CHECK = Check(
    "maintainers",
    "the mail went to everybody that get_maintainer.pl names",
    Group.TEXT,
    _examine,
    needs=(Need("perl", "perl"),),
    needs_of_tree=SCRIPT,
)
