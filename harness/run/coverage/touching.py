# SPDX-License-Identifier: GPL-2.0-only
"""Find the cases that reach a change: since an earlier run, of the patches of a kernel, or of its uncommitted files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.context import Context
from harness.base.errors import UsageError
from harness.coverage.choice import in_order, lines_of_cases, within_share
from harness.coverage.lines import LineCoverage, line_coverage
from harness.coverage.touched import Touched, find_reach, function_spans, touched_functions
from harness.guest.coverage.kept import find_kept
from harness.guest.coverage.read import read_coverage
from harness.kernel.build.options import BuildOptions
from harness.kernel.build.product import find_built
from harness.kernel.from_source import SourceInputs, read_source, source_word
from harness.kernel.git.repository import Repository
from harness.kernel.line_tables import read_units
from harness.kernel.source.apt import Apt
from harness.kernel.source.locate import find_named
from harness.model.command_option import CommandOption
from harness.model.kernel_spec import KernelSpec, SpecKind, parse_patches, parse_spec
from harness.model.run_record import KernelRecord
from harness.results.find_run import FoundRun
from harness.run.coverage.lines import build_options, source_of
from harness.suite.definition import Suite
from harness.suite.load import case_id, case_paths, suite_argument

CHANGES = "changes"
"""The word for the patches of a kernel, or the uncommitted files of its tree."""

_DIFF = ("diff", "-U0", "--no-renames", "--no-ext-diff", "--no-color")


@dataclass(frozen=True, slots=True)
class Touching:
    """The change whose cases are to be run first.

    :param word: a series or a patch, or :data:`CHANGES`.
    :param run: an earlier run with coverage, if the word names one.
    :param is_only: whether the other cases are left out.
    :param share: the largest share of the suite to run, in percent; 100 for all cases that reach the change.
    """

    word: str = CHANGES
    run: FoundRun | None = None
    is_only: bool = False
    share: int = 100


@dataclass(frozen=True, slots=True)
class Chosen:
    """The cases that reach a change.

    :param cases: their ids, in the order in which to run them.
    :param doubts: what else the change touches; if there is any, other cases may reach it, too.
    :param count: number of cases that the choice was made from.
    :param since: name of what the kernel was compared with.
    """

    cases: tuple[str, ...]
    doubts: tuple[str, ...]
    count: int
    since: str


@dataclass(frozen=True, slots=True)
class _Ends:
    """The two trees that differ by the change, and what the cases ran on the first one.

    :param inputs: the tree of the first one, and its configuration.
    :param commit: the second one.
    """

    earlier: FoundRun
    name: str
    inputs: SourceInputs
    commit: str


def cases_touching(
    context: Context, kernel: KernelRecord, request: Touching, suite: Suite, options: tuple[CommandOption, ...] = ()
) -> Chosen:
    """Return the cases that reach a change.

    :param kernel: the kernel to test, built from source.
    :param options: the options that it is built with.
    :raises UsageError: there is no coverage to choose by, or the kernel is not of the same source.
    :raises SeriesError: the series does not apply.
    :raises HostError: the line tables cannot be read.
    """
    if request.run is not None:
        ends = _since_run(context, kernel, request.run, suite)
    else:
        ends = _since_base(context, kernel, request.word, suite, build_options(options, suite))
    tree = ends.inputs.trees[-1]
    if not ends.commit or not tree.repository.has_commit(ends.commit, deadline=context.deadline):
        raise UsageError(
            f"--touching {ends.name}: its source and that of {kernel.spec} have no common repository",
            evidence=f"{ends.earlier.run.kernel.origin}\n{kernel.origin}",
            remedy="name a run of the base of this kernel",
        )
    touched, others = read_change(context, tree.repository, tree.commit, ends.commit)
    known = read_lines(context, ends.inputs, ends.earlier, touched)
    return choose(known, touched, [*others, *unknown_cases(ends.earlier, suite)], since=ends.name)


@dataclass(frozen=True, slots=True)
class KnownLines:
    """What the cases of a run have run of some files.

    :param code: the lines with code.
    :param count: number of cases.
    :param seconds: how long each case took.
    """

    code: tuple[LineCoverage, ...]
    count: int
    seconds: Mapping[str, float]


def read_lines(context: Context, inputs: SourceInputs, earlier: FoundRun, files: Iterable[str]) -> KnownLines:
    """Return what the cases of a run have run of C files.

    :param inputs: the tree and the configuration of the run's kernel.
    :raises UsageError: the run has no coverage.
    :raises HostError: the line tables cannot be read.
    """
    coverage = read_coverage(context, [earlier])
    own = frozenset(files)
    code = line_coverage(coverage, read_units(context, inputs, sorted(own))) if own else []
    seconds = {case.id: case.seconds for case in earlier.run.cases}
    return KnownLines(tuple(one for one in code if one.file in own), len(coverage.cases), seconds)


def choose(known: KnownLines, touched: Mapping[str, Touched], others: Iterable[str], *, since: str = "") -> Chosen:
    """Return the cases that reach a change of a tree, in the order in which to run them.

    :param known: what the cases have run of the changed files.
    :param touched: what the change touches, by C file.
    :param others: what else the change touches.
    :param since: name of what the kernel was compared with.
    """
    code = [one for one in known.code if one.file in touched]
    reach = find_reach(touched, code, others)
    order = in_order(reach.cases, lines_of_cases(code), known.seconds)
    return Chosen(tuple(order), reach.doubts, known.count, since)


def read_change(context: Context, repository: Repository, old: str, new: str) -> tuple[dict[str, Touched], list[str]]:
    """Return what differs between two commits: of the C files that the old one has, and the names of all others."""

    def git(*words: str) -> str:
        return repository.git(*words, deadline=context.deadline).text

    files = [one for one in git("diff", "--name-only", "-z", "--no-renames", old, new).split("\0") if one]
    touched = {}
    for file in files:
        if file.endswith(".c") and git("ls-tree", old, "--", file):
            text = git("show", f"{new}:{file}") if git("ls-tree", new, "--", file) else ""
            touched[file] = touched_functions(
                file, git("show", f"{old}:{file}"), text, git(*_DIFF, old, new, "--", file)
            )
    return touched, [one for one in files if one not in touched and not one.startswith("Documentation/")]


def _since_run(context: Context, kernel: KernelRecord, earlier: FoundRun, suite: Suite) -> _Ends:
    return _Ends(earlier, earlier.name, source_of(context, earlier.run, suite), kernel.build.commit)


def _since_base(context: Context, kernel: KernelRecord, word: str, suite: Suite, options: BuildOptions) -> _Ends:
    """Find the base of a change, and what the cases ran on it.

    :raises UsageError: the kernel has no such base, or no coverage of it is kept.
    """
    spec = parse_spec(kernel.located)
    base, patched = base_of(spec, word)
    words = source_word(parse_spec(base)), source_word(parse_spec(patched))
    if words[0] is None or words[1] is None:
        raise UsageError(
            f"--touching: {kernel.spec} is not built from source",
            remedy="name a tree, or a source package with patches",
        )
    inputs = read_source(context, words[0], options, apt=Apt())
    commit = kernel.build.commit
    if patched != kernel.located:
        commit = read_source(context, words[1], options, apt=Apt()).trees[-1].commit
    if inputs.trees[-1].commit == commit:
        raise UsageError(f"--touching: nothing differs from {base}", remedy="name a series, or a run with --coverage")
    built = find_built(context, inputs.trees[-1], inputs.config) if inputs.config else None
    digest = built.digest if built else ""
    earlier = find_kept(context.store, image_digest=digest, suite=suite_argument(suite)) if digest else None
    if earlier is None:
        raise UsageError(
            f"what the cases run on {base} is not known",
            evidence="the store has no coverage of a whole run on that kernel with these options",
            remedy=f"run all cases on it once: harness run {base} --coverage",
        )
    return _Ends(earlier, base, inputs, commit)


def base_of(spec: KernelSpec, word: str) -> tuple[str, str]:
    """Return the KERNEL arguments of the base of a change, and of the kernel with the change."""
    whole = spec.render()
    if spec.kind is SpecKind.PATH:
        named = find_named(spec)
        if isinstance(named, Path):
            return whole, whole
        tree = f"{named.path}@{named.revision}" if named.revision else named.path
        patches = named.patches
    else:
        tree, patches = replace(spec, patches="").render(), spec.patches
    if word in (CHANGES, patches):
        return (tree, whole) if patches else (f"{tree.partition('@')[0]}@HEAD", whole)
    if patches:
        # The kernel has another series: the change is on top of it.
        raise UsageError(
            f"--touching {word}: {whole} has another series",
            remedy="name a kernel with that series, or without any",
        )
    if parse_patches(word).is_range and spec.kind is SpecKind.PATH:
        return f"{tree.partition('@')[0]}@{word.partition('..')[0]}", whole
    return whole, f"{whole}+{word}"


def unknown_cases(earlier: FoundRun, suite: Suite) -> list[str]:
    """Return what an earlier run does not know: files of cases that it has no results of, or why it has only some."""
    run = earlier.run
    if run.is_partial or not run.complete or run.not_run:
        return [f"cases that {earlier.name} did not run"]
    known = {case.id.partition("::")[0] for case in run.cases}
    return [name for file in case_paths(suite) if (name := case_id(file, suite)) not in known]


def reach_of_functions(known: KnownLines, texts: Mapping[str, str], functions: Mapping[str, frozenset[str]]) -> Chosen:
    """Return the cases that run any line of some functions of a kernel.

    :param known: what the cases have run of the files.
    :param texts: the texts of the files in that kernel.
    :param functions: the names of the functions, by file; those that this kernel does not have are left out.
    """
    cases: set[str] = set()
    doubts = []
    for file, names in functions.items():
        spans = [span for span in function_spans(texts.get(file, "")) if span.name in names]
        lines = [one for one in known.code if one.file == file and any(span.holds(one.line) for span in spans)]
        cases |= {case for one in lines for case in one.cases}
        if any(one.is_boot for one in lines):
            doubts.append(f"{file}: the boot runs {', '.join(sorted(names))} as well")
    return Chosen(tuple(sorted(cases)), tuple(doubts), known.count, "")


def unknown_functions(ends: Iterable[Mapping[str, str]], functions: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the functions that none of some kernels has.

    :param ends: the texts of files in each kernel.
    :param functions: the names of the functions, by file.
    """
    known = {(file, span.name) for texts in ends for file, text in texts.items() for span in function_spans(text)}
    return [
        f"{file}: {name or 'a function'}"
        for file, names in functions.items()
        for name in sorted(names)
        if (file, name) not in known or not name
    ]


def first_cases(chosen: Chosen, share: int) -> tuple[str, ...]:
    """Return the cases to run when the others are left out: all that reach the change, or a share of the suite."""
    return chosen.cases if share >= 100 else within_share(chosen.cases, chosen.count, share=share)
