# SPDX-License-Identifier: GPL-2.0-only
"""Make the exported form of a case from its session file and the run that judged it. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from harness.base.errors import UsageError
from harness.export.script import ExportedCase, Helper
from harness.export.steps import compile_steps
from harness.model.run_record import CaseRecord, RunRecord
from harness.model.verdict import Outcome
from harness.session.preparation import preparation_command
from harness.session.transcript import Transcript

STEP_SECONDS = 60.0
"""Timeout of a step if the session file has none: twice that of a clone, since QEMU's code cache is empty here."""


def find_exported(run: RunRecord, word: str) -> CaseRecord:
    """Find a case of a run.

    :param word: the id of the case, its end, or the line of a report with it: ``views/siblings.session:12``.
    :raises UsageError: there is no such case, several have that end, it is a Python case, or it was not run.
    """
    name = word.partition(":")[0] if "::" not in word else word
    found = [case for case in run.cases if case.id == name] or [
        case for case in run.cases if case.id.endswith(f"/{name}") or case.id.endswith(f"/{name}.session")
    ]
    if len(found) != 1:
        known = "\n".join(case.id for case in (found or run.cases)[:10])
        what = "several cases of the run have this name" if found else "the run has no such case"
        raise UsageError(f"{word}: {what}", evidence=known, remedy="name a case as the report does")
    [case] = found
    if not case.id.endswith(".session"):
        remedy = "export a *.session case, or write the steps as one"
        raise UsageError(f"{case.id} cannot be exported: it is written in Python", remedy=remedy)
    if case.outcome is Outcome.SKIPPED:
        remedy = "export it from a run on a kernel that has what the case needs"
        raise UsageError(f"{case.id} cannot be exported: it was skipped", evidence=case.reason, remedy=remedy)
    return case


def export_case(transcript: Transcript, run: RunRecord, helpers: Iterable[Helper] = ()) -> ExportedCase:
    """Return a case as a script can play it.

    :param transcript: its session file.
    :param run: the run, whose profile judges it.
    :param helpers: the helper programs of the guest; those that the case uses are kept.
    :raises UsageError: what is played depends on a trait that the profile does not define.
    """
    expected = {one.trait: one.expected for one in run.traits if one.expected}
    prompts = {console.value: known[0].text for console, known in transcript.prompts.items() if known}
    usual = {name: "# " if name == "admin" else f"{name}# " for name in prompts}
    preparation = preparation_command(transcript.preparations)
    steps = compile_steps(transcript, expected)
    typed = "\n".join([preparation, *(step.command for step in steps)])
    return ExportedCase(
        id=transcript.path,
        title=transcript.title,
        preparation=preparation,
        base_prompts=tuple((name, text) for name, text in prompts.items() if text != usual[name]),
        tokens=tuple(transcript.varies),
        steps=steps,
        timeout=math.ceil(transcript.timeout_seconds or STEP_SECONDS),
        helpers=tuple(one for one in helpers if re.search(rf"\b{re.escape(one.name)}\b", typed)),
    )
