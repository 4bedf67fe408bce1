# SPDX-License-Identifier: GPL-2.0-only
"""Run checks on the patches of a series; a check that fails itself is reported as not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.base.errors import HarnessError
from harness.base.events import PhaseStarted
from harness.checks.frame.bench import MOST_FILES, Bench, CheckedPatch
from harness.checks.frame.check import Check
from harness.model.finding import CheckResult, Level, StyleFinding
from harness.model.series_record import counted

CHECK_SECONDS = 1800.0
"""The time limit of one check of one patch; each tool that it runs has a shorter one."""
MOST_FINDINGS = 100
"""More findings of one check of one patch are only counted."""


def run_checks(bench: Bench, checks: Sequence[Check]) -> Mapping[int, tuple[CheckResult, ...]]:
    """Return the results of the checks by patch.

    :param bench: the patches and their surroundings.
    :param checks: the checks, in their order.
    """
    results: dict[int, list[CheckResult]] = {patch.number: [] for patch in bench.patches}
    whole = bench.context
    for check in checks:
        whole.report(PhaseStarted(f"check {check.name}"))
        for patch in bench.patches:
            bench.context = whole.within(CHECK_SECONDS)
            results[patch.number].append(_run(check, bench, patch))
    bench.context = whole
    return {number: tuple(one) for number, one in results.items()}


def _run(check: Check, bench: Bench, patch: CheckedPatch) -> CheckResult:
    if missing := check.missing:
        names = " and ".join(one.name for one in missing)
        verb = "is" if len(missing) == 1 else "are"
        packages = tuple(dict.fromkeys(one.package for one in missing))
        return CheckResult(check.name, not_run=f"{names} {verb} not installed", packages=packages)
    if len(patch.changes) > MOST_FILES:
        return CheckResult(check.name, not_run=f"the patch changes {len(patch.changes)} files, more than {MOST_FILES}")
    try:
        found = tuple(check.examine(bench, patch))
    except HarnessError as error:
        return CheckResult(check.name, not_run=error.what, packages=error.packages)
    if (more := len(found) - MOST_FINDINGS) > 0:
        last = StyleFinding(Level.CHECK, "", 0, f"and {counted(more, 'finding')} more")
        found = (*found[:MOST_FINDINGS], last)
    return CheckResult(check.name, found)
