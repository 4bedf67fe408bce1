# SPDX-License-Identifier: GPL-2.0-only
"""Find the cases that reach what has changed since an earlier run with coverage."""

from __future__ import annotations

from harness.base.context import Context
from harness.base.errors import UsageError
from harness.coverage.lines import line_coverage
from harness.coverage.touched import Reach, find_reach, touched_functions
from harness.guest.coverage.read import read_coverage
from harness.kernel.line_tables import read_units
from harness.model.run_record import KernelRecord
from harness.results.find_run import FoundRun
from harness.run.line_coverage import source_of
from harness.suite.definition import Suite
from harness.suite.load import case_id, case_paths

_DIFF = ("diff", "-U0", "--no-renames", "--no-ext-diff", "--no-color")


def cases_touching(context: Context, kernel: KernelRecord, earlier: FoundRun, suite: Suite) -> Reach:
    """Return the cases that reach what differs between the kernel of an earlier run and a kernel.

    :param kernel: the kernel to test, built from source.
    :param earlier: the run with coverage.
    :raises UsageError: the run has no coverage or no lines, or the kernel is not of the same source.
    :raises HostError: the line tables cannot be read.
    """
    inputs = source_of(context, earlier.run, suite)
    tree = inputs.trees[-1]
    commit = kernel.build.commit
    if not commit or not tree.repository.has_commit(commit, deadline=context.deadline):
        raise UsageError(
            f"--touching {earlier.name}: its source and that of {kernel.spec} have no common repository",
            evidence=f"{earlier.run.kernel.origin}\n{kernel.origin}",
            remedy="name a run of the base of this kernel",
        )

    def git(*words: str) -> str:
        return tree.repository.git(*words, deadline=context.deadline).text

    files = [one for one in git("diff", "--name-only", "-z", "--no-renames", tree.commit, commit).split("\0") if one]
    sources = [one for one in files if one.endswith(".c") and git("ls-tree", tree.commit, "--", one)]
    touched = {}
    for file in sources:
        old = git("show", f"{tree.commit}:{file}")
        new = git("show", f"{commit}:{file}") if git("ls-tree", commit, "--", file) else ""
        diff = git(*_DIFF, tree.commit, commit, "--", file)
        touched[file] = touched_functions(file, old, new, diff)
    others = [one for one in files if one not in touched and not one.startswith("Documentation/")]
    coverage = read_coverage(context, [earlier])
    code = line_coverage(coverage, read_units(context, inputs, sources)) if sources else []
    return find_reach(touched, code, [*others, *unknown_cases(earlier, suite)])


def unknown_cases(earlier: FoundRun, suite: Suite) -> list[str]:
    """Return what an earlier run does not know: files of cases that it has no results of, or why it has only some."""
    run = earlier.run
    if run.is_partial or not run.complete or run.not_run:
        return [f"cases that {earlier.name} did not run"]
    known = {case.id.partition("::")[0] for case in run.cases}
    return [name for file in case_paths(suite) if (name := case_id(file, suite)) not in known]
