# SPDX-License-Identifier: GPL-2.0-only
"""Find out which lines of a series the cases of its last patch have run, patch by patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.base.context import Context
from harness.coverage.changes import ChangedLine, summarize
from harness.coverage.gutter import GutterLine, patch_lines
from harness.guest.coverage.read import read_coverage
from harness.kernel.line_tables import read_inputs
from harness.kernel.source.apt import Apt
from harness.model.kernel_spec import parse_spec
from harness.model.series_record import ChangedLines
from harness.pipeline import Options
from harness.results.find_run import FoundRun
from harness.run.coverage.lines import lines_of_series, patch_of_lines, patch_text

_HOST_APT = Apt()


@dataclass(frozen=True, slots=True)
class SeriesLines:
    """The lines of a series that were run.

    :param whole: those of all patches.
    :param patches: those of each patch that has lines in the result of the series, by its number.
    :param gutters: each patch with what ran its lines, by its number.
    """

    whole: ChangedLines
    patches: Mapping[int, ChangedLines]
    gutters: Mapping[int, Sequence[GutterLine]]


def read_series_lines(context: Context, run: FoundRun, options: Options) -> SeriesLines:
    """Return which lines of a series were run.

    A line belongs to the patch that changed it last: lines that a later patch removes again are in no kernel that all
    cases ran on.

    :param run: the run of the last patch, with coverage.
    :param options: the options of its kernel.
    :raises UsageError: the run has no coverage, or the source has changed since.
    :raises HostError: the line tables cannot be read.
    :raises SeriesError: the series does not apply any more, or compiling it again was stopped.
    """
    coverage = read_coverage(context, [run])
    kernel = run.run.kernel
    inputs = read_inputs(
        context, parse_spec(options.kernel), options.building, image_digest=kernel.image_digest, apt=_HOST_APT
    )
    changed = lines_of_series(context, inputs, coverage)
    tree = inputs.trees[-1]
    authors = patch_of_lines(context, tree, changed)
    patches: dict[int, list[ChangedLine]] = {number: [] for number in range(1, len(tree.commits) + 1)}
    written: dict[str, dict[tuple[str, int], ChangedLine]] = {}
    for line in changed:
        origin = authors.get((line.file, line.line))
        if origin is not None:
            patches[tree.commits.index(origin.commit) + 1].append(line)
            written.setdefault(origin.commit, {})[origin.file, origin.line] = line
    gutters = {
        number: patch_lines(patch_text(context, tree, commit), written.get(commit, {}))
        for number, commit in enumerate(tree.commits, start=1)
    }
    return SeriesLines(summarize(changed), {number: summarize(lines) for number, lines in patches.items()}, gutters)
