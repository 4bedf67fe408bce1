# SPDX-License-Identifier: GPL-2.0-only
"""Find the lines that the cases of a run have run: of files of its kernel's tree, or of the series in it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.base.context import Context
from harness.coverage.changes import ChangedLine, changed_lines, judge_changes
from harness.coverage.functions import RunCoverage
from harness.coverage.lines import LineCoverage, line_coverage
from harness.kernel.build.options import BuildOptions
from harness.kernel.from_source import SourceInputs
from harness.kernel.line_tables import files_of, read_inputs, read_units
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.source.apt import Apt
from harness.model.kernel_spec import parse_spec
from harness.model.run_record import RunRecord
from harness.suite.definition import Suite


def source_of(context: Context, run: RunRecord, suite: Suite) -> SourceInputs:
    """Return the tree and the configuration of a run's kernel, by the options that it was run with.

    :raises UsageError: the kernel was not built by the harness, or its source has changed since.
    :raises SeriesError: the series does not apply any more.
    """
    given = {name: tuple(one.value for one in run.options if one.name == name) for name in ("--config", "--make")}
    options = BuildOptions(given["--config"], suite=suite.config, make=given["--make"])
    return read_inputs(
        context, parse_spec(run.kernel.located), options, image_digest=run.kernel.image_digest, apt=Apt()
    )


def lines_of_files(
    context: Context, inputs: SourceInputs, run: RunCoverage, words: Sequence[str]
) -> tuple[list[LineCoverage], list[str]]:
    """Return the lines with code of files and folders of the tree, and the C files that have none in this kernel.

    :raises UsageError: there is no such file in the tree, or there are too many.
    """
    files = files_of(inputs, words, deadline=context.deadline)
    # A folder stands for its own lines, not for those of headers that its files include.
    own = frozenset(files)
    lines = [one for one in line_coverage(run, read_units(context, inputs, files)) if one.file in own]
    with_code = {one.file for one in lines}
    return lines, [file for file in files if file.endswith(".c") and file not in with_code]


def lines_of_series(context: Context, inputs: SourceInputs, run: RunCoverage) -> list[ChangedLine]:
    """Return the lines that the series of a kernel adds or changes, as its last patch leaves them.

    A line of a header has code where the C files of the series include it.
    """
    tree = inputs.trees[-1]
    names = ("diff", "-U0", "--no-renames", "--no-ext-diff", "--no-color", tree.base, tree.commit)
    diff = tree.repository.git(*names, "--", "*.c", "*.h", deadline=context.deadline).text
    changed = changed_lines(diff)
    units = read_units(context, inputs, changed) if changed else []
    return judge_changes(changed, line_coverage(run, units, wanted=changed))


def patch_of_lines(context: Context, tree: PatchedTree, lines: Sequence[ChangedLine]) -> dict[tuple[str, int], str]:
    """Return the commit of the patch that last changed each line of a series, by file and line."""
    found: dict[tuple[str, int], str] = {}
    for file in dict.fromkeys(one.file for one in lines):
        words = ("blame", "-s", "--incremental", f"{tree.base}..{tree.commit}", "--", file)
        for line in tree.repository.git(*words, deadline=context.deadline).text.splitlines():
            commit, *numbers = line.split(" ")
            if len(numbers) == 3 and commit in tree.commits:
                first, count = int(numbers[1]), int(numbers[2])
                found.update({(file, number): commit for number in range(first, first + count)})
    return found
