# SPDX-License-Identifier: GPL-2.0-only
"""Find the lines that the cases of a run have run: of files of its kernel's tree, or of the series in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.base.context import Context
from harness.coverage.branches import BranchCoverage
from harness.coverage.changes import ChangedLine, changed_lines, judge_changes
from harness.coverage.functions import RunCoverage
from harness.coverage.lines import LineCoverage, branch_coverage, line_coverage
from harness.kernel.build.options import BuildOptions
from harness.kernel.debug_package import fetch_debug_kernel, read_debug_units
from harness.kernel.from_source import SourceInputs
from harness.kernel.line_tables import files_of, read_inputs, read_units
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.source.apt import Apt
from harness.model.command_option import CommandOption
from harness.model.kernel_spec import parse_spec
from harness.model.origin import Origin
from harness.model.run_record import RunRecord
from harness.suite.definition import Suite

_COMMIT_DIGITS = 40


def source_of(context: Context, run: RunRecord, suite: Suite) -> SourceInputs:
    """Return the tree and the configuration of a run's kernel, by the options that it was run with.

    :raises UsageError: the kernel was not built by the harness, or its source has changed since.
    :raises SeriesError: the series does not apply any more.
    """
    options = build_options(run.options, suite)
    return read_inputs(
        context, parse_spec(run.kernel.located), options, image_digest=run.kernel.image_digest, apt=Apt()
    )


def build_options(options: Iterable[CommandOption], suite: Suite) -> BuildOptions:
    """Return the options of a build from those of a command."""
    given = list(options)
    values = {name: tuple(one.value for one in given if one.name == name) for name in ("--config", "--make")}
    return BuildOptions(values["--config"], suite=suite.config, make=values["--make"])


@dataclass(frozen=True, slots=True)
class FileLines:
    """The lines of some files.

    :param lines: the lines with code, by file.
    :param branches: the conditional jumps that cases ran.
    :param absent: the C files that have no code in this kernel.
    """

    lines: tuple[LineCoverage, ...] = ()
    branches: tuple[BranchCoverage, ...] = ()
    absent: tuple[str, ...] = ()


def lines_of_files(context: Context, inputs: SourceInputs, run: RunCoverage, words: Sequence[str]) -> FileLines:
    """Return the lines with code of files and folders of the tree.

    :raises UsageError: there is no such file in the tree, or there are too many.
    """
    files = files_of(inputs, words, deadline=context.deadline)
    # A folder stands for its own lines, not for those of headers that its files include.
    own = frozenset(files)
    units = read_units(context, inputs, files)
    lines = tuple(one for one in line_coverage(run, units) if one.file in own)
    with_code = {one.file for one in lines}
    absent = tuple(file for file in files if file.endswith(".c") and file not in with_code)
    return FileLines(lines, tuple(one for one in branch_coverage(run, units) if one.file in own), absent)


def lines_of_debug_package(context: Context, origin: Origin, run: RunCoverage, words: Sequence[str]) -> FileLines:
    """Return the lines with code of files and folders, by the package of debug symbols of a Debian kernel.

    :param origin: the image package of the kernel.
    :raises UsageError: there is no such package, or the kernel has no function of such a file.
    :raises HostError: the package cannot be fetched.
    """
    vmlinux = fetch_debug_kernel(context, origin, apt=Apt())
    units = read_debug_units(context, vmlinux, run.symbols, words)
    own = frozenset(unit.object for unit in units)
    return FileLines(tuple(one for one in line_coverage(run, units) if one.file in own))


def source_text(context: Context, tree: PatchedTree, file: str) -> str:
    """Return the text of a file of a tree; empty if the tree does not have it."""
    found = tree.repository.git("ls-tree", tree.commit, "--", file, deadline=context.deadline).text
    return tree.repository.git("show", f"{tree.commit}:{file}", deadline=context.deadline).text if found else ""


def lines_of_series(context: Context, inputs: SourceInputs, run: RunCoverage) -> list[ChangedLine]:
    """Return the lines that the series of a kernel adds or changes, as its last patch leaves them.

    A line of a header has code where the C files of the series include it.
    """
    tree = inputs.trees[-1]
    names = ("diff", "-U0", "--no-renames", "--no-ext-diff", "--no-color", tree.base, tree.commit)
    diff = tree.repository.git(*names, "--", "*.c", "*.h", deadline=context.deadline).text
    changed = changed_lines(diff)
    units = read_units(context, inputs, changed) if changed else []
    branches = branch_coverage(run, units, wanted=changed)
    return judge_changes(changed, line_coverage(run, units, wanted=changed), branches)


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """Where a line of the patched tree comes from.

    :param commit: the commit of the patch that changed it last.
    :param file: the file as that patch leaves it.
    :param line: the line as that patch leaves it.
    """

    commit: str
    file: str
    line: int


def patch_of_lines(
    context: Context, tree: PatchedTree, lines: Sequence[ChangedLine]
) -> dict[tuple[str, int], WrittenLine]:
    """Return which patch last changed each line of a series, by file and line."""
    found: dict[tuple[str, int], WrittenLine] = {}
    for file in dict.fromkeys(one.file for one in lines):
        words = ("blame", "-s", "--incremental", f"{tree.base}..{tree.commit}", "--", file)
        commit, numbers = "", (0, 0, 0)
        for line in tree.repository.git(*words, deadline=context.deadline).text.splitlines():
            first, *rest = line.split(" ")
            if len(rest) == 3 and len(first) >= _COMMIT_DIGITS:
                commit, numbers = first, (int(rest[0]), int(rest[1]), int(rest[2]))
            elif first == "filename" and commit in tree.commits:
                name = line.partition(" ")[2]
                original, final, count = numbers
                for at in range(count):
                    found[file, final + at] = WrittenLine(commit, name, original + at)
    return found


def patch_text(context: Context, tree: PatchedTree, commit: str) -> str:
    """Return what a patch of a series changes, as ``git show`` shows it."""
    words = ("show", "--format=", "--no-renames", "--no-ext-diff", "--no-color", commit)
    return tree.repository.git(*words, deadline=context.deadline).text
