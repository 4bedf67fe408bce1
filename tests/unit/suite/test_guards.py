# SPDX-License-Identifier: GPL-2.0-only
"""Every guard of every shipped session file names an errno or an output: else it shows nothing about a kernel."""

from __future__ import annotations

import re

import pytest

from harness.session.step import Alternative, Alternatives, Step
from harness.session.transcript import parse
from harness.suite.load import case_paths, find_suite, shipped_names

# "mount: ...", "write error: ...", "= -1 ...", "= ...": cut in front of what tells one result from another.
_CUT = re.compile(r"(?:: |= |-1 )\.\.\.")
_READING = re.compile(r"(?:cat|head|tail|ls) \S+$")


def fault(step: Step, alternative: Alternative) -> str:
    """Return why a guard shows nothing; empty for a guard that does."""
    told = [line.text for line in alternative.lines if not line.is_any_lines]
    if any(_CUT.search(text) for text in told):
        return "is cut in front of the errno or value"
    if alternative.lines and not told:
        return "fits any output"
    if not alternative.lines and _READING.match(step.command):
        return "fits an empty file"
    return ""


def faults(text: str, **keywords: object) -> list[str]:
    transcript = parse(text, path="x.session", **keywords)  # type: ignore[arg-type]
    return [
        f"{alternative.line}: {alternative.guard.trait} = {alternative.guard.value} {reason}"
        for step in transcript.steps
        for part in step.expected
        if isinstance(part, Alternatives)
        for alternative in part.alternatives
        if (reason := fault(step, alternative))
    ]


@pytest.mark.parametrize("name", shipped_names())
def test_guards_of_shipped_cases_name_errno_or_output(name: str) -> None:
    """No guard of a suite is vague; the list has file, line, trait and value."""
    suite = find_suite(name)
    found = [
        f"{path.name}:{one}"
        for path in case_paths(suite)
        if path.suffix == ".session"
        for one in faults(path.read_text(), preparations=suite.preparations)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("command", "guard", "wrong"),
    [
        ("mount x", "(x = refused) mount: ...", True),
        ("mount x", "(x = refused) mount: /mnt: wrong fs type, ...", False),
        ("echo 1 > f", "(x = refused) bash: echo: write error: ...", True),
        ("nsctl x", "(x = refused) setns(f) = -1 ...", True),
        ("nsctl x", "(x = refused) hierarchy(v2, /mnt) = 0...", False),
        ("unshare x", "(x = refused) ...", True),
        ("cat cgroup.controllers", "(x = refused)", True),
        ("cat f && echo mounted", "(x = refused)", False),
        ("echo 1 > f", "(x = refused)", False),
    ],
)
def test_vague_guards_are_found(command: str, guard: str, wrong: bool) -> None:
    """Each kind of a guard that any result fits, and the guards that look like one."""
    text = f"title: t\nsource: s\nscenario: X-01\n\n    # {command}\n    {guard}\n    (x = allowed) done\n"

    assert bool(faults(text)) == wrong
