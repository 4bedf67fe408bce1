# SPDX-License-Identifier: GPL-2.0-only
"""Find the cases that reach a patch between the ends of a series, from what the cases ran at both ends.

A case that runs no function which the patch changes, neither on the base nor with the whole series, is not run on the
patch. Whatever is no function of a C file that the ends know leaves a doubt, and so does code that the boot runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from harness.base.context import Context
from harness.coverage.touched import Touched
from harness.kernel.from_source import SourceInputs
from harness.kernel.git.repository import Repository
from harness.kernel.line_tables import read_inputs
from harness.kernel.source.apt import Apt
from harness.model.kernel_spec import parse_spec
from harness.pipeline import Options
from harness.results.find_run import FoundRun
from harness.run.coverage.lines import source_text
from harness.run.coverage.touching import KnownLines, reach_of_functions, read_change, read_lines, unknown_functions


@dataclass(frozen=True, slots=True)
class ReachOfPatch:
    """The cases that reach a patch.

    :param cases: their ids; with a doubt other cases may reach it, too.
    :param doubt: what the patch changes besides functions; empty without a doubt.
    """

    cases: frozenset[str]
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class _End:
    """What is known of an end of the series.

    :param texts: the texts of the changed files.
    """

    known: KnownLines
    texts: Mapping[str, str]


def find_reaches(
    context: Context, ends: tuple[FoundRun, FoundRun], options: tuple[Options, Options]
) -> list[ReachOfPatch]:
    """Return the cases that reach each patch of a series, in order.

    :param ends: the runs of all cases on the base and with the whole series, with coverage.
    :param options: the options of these kernels.
    :raises UsageError: a run has no coverage, or its source has changed since.
    :raises HostError: the line tables cannot be read.
    :raises SeriesError: the series does not apply any more, or compiling it again was stopped.
    """
    inputs = [_inputs(context, run, one) for run, one in zip(ends, options, strict=True)]
    tree = inputs[-1].trees[-1]
    commits = (tree.base, *tree.commits)
    changes = [_read(context, tree.repository, *pair) for pair in pairwise(commits)]
    files = {file for names, _ in changes for file in names}
    sides = [_end(context, one, run, files) for one, run in zip(inputs, ends, strict=True)]
    return [_reach(names, doubt, sides) for names, doubt in changes]


def _inputs(context: Context, run: FoundRun, options: Options) -> SourceInputs:
    digest = run.run.kernel.image_digest
    return read_inputs(context, parse_spec(options.kernel), options.building, image_digest=digest, apt=Apt())


def _read(context: Context, repository: Repository, old: str, new: str) -> tuple[dict[str, frozenset[str]], str]:
    """Return the names of the functions that a patch changes, by file, and what else it changes."""
    names: dict[str, frozenset[str]] = {}
    doubts: list[str] = []
    for first, second in ((old, new), (new, old)):
        touched, others = read_change(context, repository, first, second)
        doubts += others
        for file, one in touched.items():
            names[file] = names.get(file, frozenset()) | _names(one)
            doubts += one.doubts
    return names, doubts[0] if doubts else ""


def _names(touched: Touched) -> frozenset[str]:
    return frozenset(span.name for span in touched.functions)


def _end(context: Context, inputs: SourceInputs, run: FoundRun, files: set[str]) -> _End:
    tree = inputs.trees[-1]
    texts = {file: source_text(context, tree, file) for file in files}
    return _End(read_lines(context, inputs, run, files), texts)


def _reach(names: Mapping[str, frozenset[str]], doubt: str, sides: list[_End]) -> ReachOfPatch:
    chosen = [reach_of_functions(side.known, side.texts, names) for side in sides]
    cases = frozenset(case for one in chosen for case in one.cases)
    doubts = [
        doubt,
        *(text for one in chosen for text in one.doubts),
        *unknown_functions([s.texts for s in sides], names),
    ]
    return ReachOfPatch(cases, next(filter(None, doubts), ""))
