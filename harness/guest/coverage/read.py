# SPDX-License-Identifier: GPL-2.0-only
"""Read the coverage of runs: from their folders, and what it is compared with from the store."""

from __future__ import annotations

from collections.abc import Sequence

from harness.base.context import Context
from harness.base.errors import UsageError
from harness.coverage import files
from harness.coverage.bitmap import NOTHING, Bitmap, union
from harness.coverage.functions import RunCoverage
from harness.guest.coverage.facts import find_template, has_fixed_addresses, read_functions, read_idle
from harness.results.find_run import FoundRun


def read_coverage(context: Context, runs: Sequence[FoundRun]) -> RunCoverage:
    """Return what the cases of runs have run; several runs of one kernel are united, case by case.

    :raises UsageError: a run has no coverage, or the runs are of different kernels.
    :raises HostError: the template of the machines is gone.
    """
    first = runs[0]
    for found in runs:
        if not found.run.coverage.template:
            raise UsageError(
                f"the run {found.name} has no coverage",
                evidence=found.run.coverage.problem or "it was run without --coverage",
                remedy=f"run the cases with it: harness run {found.run.kernel.spec} --coverage",
            )
        if found.run.kernel.image_digest != first.run.kernel.image_digest:
            raise UsageError(
                f"the runs {first.name} and {found.name} are of different kernels, whose addresses differ",
                evidence=f"{first.run.kernel.origin}\n{found.run.kernel.origin}",
                remedy=f"compare them by function: harness coverage --diff {first.name} {found.name}",
            )
    template = find_template(context, first.run.coverage.template)
    others = [one for one in runs if one.run.coverage.template != first.run.coverage.template]
    if others and not has_fixed_addresses(template.request):
        raise UsageError(
            f"the runs {first.name} and {others[0].name} have the kernel at different addresses",
            evidence="its base is random (KASLR), and each has a template of its own",
            remedy="run both with a machine type that has nokaslr, as q35",
        )
    return RunCoverage(
        read_functions(context, template),
        read_cases(runs),
        read_idle(context, template),
        files.load(template.folder) or NOTHING,
    )


def read_cases(runs: Sequence[FoundRun]) -> dict[str, Bitmap]:
    """Return what each case has run, by its id; a case without a machine has no coverage.

    :raises UsageError: a file is damaged.
    """
    cases: dict[str, Bitmap] = {}
    for found in runs:
        for case in found.run.cases:
            bitmap = files.load_case(found.folder / case.folder) if case.folder else None
            if bitmap is not None:
                cases[case.id] = union([cases[case.id], bitmap]) if case.id in cases else bitmap
    return cases
