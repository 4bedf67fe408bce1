# SPDX-License-Identifier: GPL-2.0-only
"""Write ``junit.xml`` for the checks of a series: a suite for each patch, a test for each check. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.checks_record import ChecksRecord, PatchChecks
from harness.model.finding import CheckResult
from harness.model.run_record import CaseRecord, RunRecord, no_kernel
from harness.model.verdict import Outcome
from harness.report.formats.junit import render_junit

CLASS = "checks"


def render_checks_junit(record: ChecksRecord) -> str:
    """Return the JUnit XML of the checks; to be written as UTF-8.

    :param record: the checks.
    """
    suites = [
        RunRecord(
            no_kernel("checks"),
            record.started,
            complete=True,
            command=record.command,
            harness_version=record.harness_version,
            cases=tuple(_cases(patch)),
        )
        for patch in record.patches
    ]
    return render_junit(suites, labels=[f"{one.number}/{len(record.patches)} {one.subject}" for one in record.patches])


def check_case(result: CheckResult, *, is_strict: bool = True) -> CaseRecord:
    """Return the test of one check of one patch: failed with findings, skipped if it was not run.

    :param result: the result of the check.
    :param is_strict: whether findings fail it; else they are its text.
    """
    name = f"{CLASS}/{result.check}"
    if result.not_run:
        return CaseRecord(name, CLASS, result.check, Outcome.SKIPPED, reason=result.reason)
    if result.findings:
        text = "".join(f"{one.render()}\n" for one in result.findings)
        if not is_strict:
            return CaseRecord(name, CLASS, result.check, Outcome.MATCH, transcript=text)
        reason = result.findings[0].render()
        return CaseRecord(name, CLASS, result.check, Outcome.MISMATCH, reason=reason, diff=text)
    return CaseRecord(name, CLASS, result.check, Outcome.MATCH)


def _cases(patch: PatchChecks) -> Iterator[CaseRecord]:
    if patch.does_not_apply:
        reason = patch.does_not_apply
        yield CaseRecord(f"{CLASS}/applies", CLASS, "applies", Outcome.KERNEL, reason=reason)
    yield from map(check_case, patch.results)
