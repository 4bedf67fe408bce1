# SPDX-License-Identifier: GPL-2.0-only
"""Build a kernel from source, in stages.

    source -> series -> patched tree -> config -> build

An earlier build of the same files with the same config and compiler is found without a work tree.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.base.context import Context
from harness.base.errors import Stage, UsageError, during
from harness.base.events import PhaseStarted
from harness.kernel.build.elsewhere import BuildOrder, Elsewhere
from harness.kernel.build.options import BuildOptions, SourceWord
from harness.kernel.build.product import COMPILER, BuiltKernel, find_built
from harness.kernel.config.configure import DEFAULT as USUAL_FRAGMENTS
from harness.kernel.config.configure import Config, configure, configure_inputs, find_config, find_made_config
from harness.kernel.config.inputs import FragmentName, read_inputs
from harness.kernel.git.repository import Repository
from harness.kernel.git.slot import EarlyLook
from harness.kernel.git.worktree import WorkTree, checked_out
from harness.kernel.patches.patched_tree import PatchedTree, unpatched
from harness.kernel.patches.shipped import ShippedSeries, find_shipped
from harness.kernel.sandbox.sandbox import DEFAULT
from harness.kernel.source.apt import Apt
from harness.kernel.source.locate import find_named, no_patches, not_a_tree, read_as
from harness.kernel.source.tree import Source, is_tree, source_package, source_tree
from harness.kernel.toolchain.toolchain import find_adjustments, find_toolchain
from harness.model.kernel_spec import KernelSpec, SpecKind, parse_patches, parse_spec
from harness.model.origin import Origin
from harness.model.run_record import BuildRecord
from harness.semantics.profile import Declaration

if TYPE_CHECKING:
    from harness.kernel.patches.series import Series


@dataclass(frozen=True, slots=True)
class SourceKernel:
    """A kernel that was built from source.

    :param image: the bootable image.
    :param origin: the source and the applied series, for people.
    :param record: how it was built.
    :param came_from: the source alone, as facts.
    :param log: the output of make.
    :param notes: notes for the user, one line each.
    :param profile: name of the profile that a shipped series names; empty for any other kernel.
    :param declared: the declared differences from that profile.
    :param ungranted: see :class:`harness.kernel.config.configure.Config`.
    """

    image: Path
    origin: str
    record: BuildRecord
    came_from: Origin
    log: Path
    notes: tuple[str, ...]
    profile: str = ""
    declared: Declaration | None = None
    ungranted: tuple[tuple[str, str], ...] = ()


def kernel_from_source(context: Context, word: SourceWord, options: BuildOptions, *, apt: Apt) -> SourceKernel:
    """Fetch or find the source, apply the series, configure and build.

    :raises UsageError: no such source, revision, series or fragment; or fragments conflict.
    :raises SeriesError: the series does not apply, its config options are not granted, or it does not build.
    :raises HostError: a program or a package is missing, the disk is full, or the deadline has passed.
    """
    with contextlib.ExitStack() as stack:
        early = EarlyLook(context, stack)
        inputs = read_source(context, word, options, apt=apt, on_repository=early.begin)
        config, tree = inputs.config, inputs.trees[-1]
        built = find_built(context, tree, config) if config else None
        if (config is None or built is None) and options.elsewhere is not None:
            config, built = _built_elsewhere(context, inputs, options, options.elsewhere)
        if config is None or built is None:
            config, built = _build(context, inputs, options, early)
    return _describe(inputs.trees, config, built, inputs.shipped, options)


def _build(
    context: Context, inputs: SourceInputs, options: BuildOptions, early: EarlyLook
) -> tuple[Config, BuiltKernel]:
    """Build a kernel that the store does not have."""
    tree = inputs.trees[-1]

    def make_config(work_tree: WorkTree) -> Config:
        return configure(
            context,
            tree,
            work_tree,
            fragments=inputs.fragments,
            assignments=inputs.assignments,
            trusted=options.is_trusted,
        )

    how = _Making(tree, inputs.config, make_config, options.is_trusted, options.seconds)
    return _make(context, how, early)


def build_ordered(context: Context, order: BuildOrder) -> tuple[Config, BuiltKernel]:
    """Build a kernel that another host has ordered, unless the store of this one has it.

    :param context: the store, the deadline, and the receiver of progress.
    :param order: the kernel, with a repository of this host.
    :raises HarnessError: as :func:`kernel_from_source`.
    """

    def make_config(work_tree: WorkTree) -> Config:
        return configure_inputs(context, order.config, work_tree, trusted=order.is_trusted)

    config = find_made_config(context, order.config)
    built = find_built(context, order.tree, config) if config else None
    if config is not None and built is not None:
        return config, built
    with contextlib.ExitStack() as stack:
        how = _Making(order.tree, config, make_config, order.is_trusted, order.seconds)
        return _make(context, how, EarlyLook(context, stack))


def _built_elsewhere(
    context: Context, inputs: SourceInputs, options: BuildOptions, elsewhere: Elsewhere
) -> tuple[Config | None, BuiltKernel | None]:
    """Have a kernel built on another host; return what is in the store then."""
    tree = inputs.trees[-1]
    config = read_inputs(context, tree, inputs.fragments, assignments=inputs.assignments)
    elsewhere.build(context, BuildOrder(tree, config, options.is_trusted, options.seconds))
    made = find_made_config(context, config)
    return made, find_built(context, tree, made) if made else None


class _Making(NamedTuple):
    """A kernel to build on this host.

    :param config: the configuration; None to make it.
    """

    tree: PatchedTree
    config: Config | None
    make_config: Callable[[WorkTree], Config]
    is_trusted: bool
    seconds: float


def _make(context: Context, how: _Making, early: EarlyLook) -> tuple[Config, BuiltKernel]:
    """Build a kernel, after it was configured, if that was not done before."""
    from harness.kernel.build.build import build_kernel

    checkout: contextlib.AbstractContextManager[WorkTree] = _checked_out(context, how.tree, early)
    with contextlib.ExitStack() as stack:
        config = how.config
        if config is None:
            work_tree = stack.enter_context(checkout)
            checkout = contextlib.nullcontext(work_tree)
            context.report(PhaseStarted("configuring"))
            with during(Stage.CONFIGURE):
                config = how.make_config(work_tree)
        bounds = replace(DEFAULT, seconds=how.seconds)
        with during(Stage.BUILD):
            built = build_kernel(context, how.tree, checkout, config, trusted=how.is_trusted, bounds=bounds)
        return config, built


@contextlib.contextmanager
def _checked_out(context: Context, tree: PatchedTree, early: EarlyLook) -> Iterator[WorkTree]:
    """Hold a work tree for a build, without build products that were committed."""
    from harness.kernel.build.committed_products import remove_products

    context.report(PhaseStarted("checking out"))
    with checked_out(context, tree.repository, tree.commit, early=early) as work_tree:
        yield remove_products(work_tree, deadline=context.deadline)


def source_word(spec: KernelSpec) -> SourceWord | None:
    """Return the source that a KERNEL argument names; None for a prebuilt kernel."""
    match spec.kind:
        case SpecKind.SOURCE_PACKAGE:
            return SourceWord(spec.patches, version=spec.name, suite=spec.suite)
        case SpecKind.SERIES:
            return SourceWord(spec.patches, series=spec.name)
        case SpecKind.PATH:
            named = find_named(spec)
            return None if isinstance(named, Path) else SourceWord(named.patches, tree=named)
    return None


class SourceInputs(NamedTuple):
    """The inputs of a build, before anything is checked out.

    :param trees: the unpatched source, then the tree after each series.
    :param config: the configuration; None if it was never made.
    """

    trees: list[PatchedTree]
    shipped: ShippedSeries | None
    fragments: tuple[FragmentName, ...]
    assignments: tuple[str, ...]
    config: Config | None


def read_source(
    context: Context,
    word: SourceWord,
    options: BuildOptions,
    *,
    apt: Apt,
    on_repository: Callable[[Repository], None] | None = None,
) -> SourceInputs:
    """Fetch or find the source, apply the series, and find the configuration of an earlier build.

    :param on_repository: called with the repository of a user's tree before its files are read, when no series follows.

    :raises UsageError: as :func:`kernel_from_source`.
    :raises SeriesError: as :func:`kernel_from_source`.
    :raises HostError: as :func:`kernel_from_source`.
    """
    shipped = find_shipped(word.series, deadline=context.deadline) if word.series else None
    trees = patched_trees(context, word, shipped, apt=apt, on_repository=None if word.patches else on_repository)
    tree = trees[-1]
    own: tuple[FragmentName, ...] = (options.suite, *_fragments_of(shipped), *options.fragments, options.variant)
    fragments: tuple[FragmentName, ...] = (*USUAL_FRAGMENTS, *own)
    toolchain = find_toolchain(options.make, deadline=context.deadline)
    assignments = find_adjustments(tree.repository, tree.commit, toolchain, deadline=context.deadline).assignments
    config = find_config(context, tree, fragments=fragments, assignments=assignments)
    return SourceInputs(trees, shipped, fragments, tuple(assignments), config)


def patched_trees(
    context: Context,
    word: SourceWord,
    shipped: ShippedSeries | None,
    *,
    apt: Apt,
    on_repository: Callable[[Repository], None] | None = None,
) -> list[PatchedTree]:
    """Return the unpatched source, then the tree after each series.

    :param shipped: the shipped series, if ``word`` names one.
    :param on_repository: as :func:`read_source`.
    :raises UsageError: as :func:`kernel_from_source`.
    :raises SeriesError: as :func:`kernel_from_source`.
    :raises HostError: as :func:`kernel_from_source`.
    """
    context.report(PhaseStarted("source"))
    source = _find_source(context, word, shipped, apt=apt, on_repository=on_repository)
    with during(Stage.APPLY):
        return _apply(context, word, source, shipped)


def _find_source(
    context: Context,
    word: SourceWord,
    shipped: ShippedSeries | None,
    *,
    apt: Apt,
    on_repository: Callable[[Repository], None] | None,
) -> Source:
    if word.tree is not None:
        path = Path(word.tree.path)
        if not is_tree(path):
            raise not_a_tree(word.tree.path, path)
        return source_tree(context, path, revision=word.tree.revision, on_repository=on_repository)
    base = parse_spec(shipped.stack[0].base) if shipped else None
    version, suite = (base.name, base.suite) if base else (word.version, word.suite)
    return source_package(context, version, suite=suite, apt=apt)


def _apply(
    context: Context,
    word: SourceWord,
    source: Source,
    shipped: ShippedSeries | None,
) -> list[PatchedTree]:
    """Return the unpatched source, then the tree after each series."""
    trees = [unpatched(source)]
    series = [one.series for one in shipped.stack] if shipped else []
    if word.patches:
        series.append(read_patches(context, word, source))
    # A shipped series fits its base, and so do patches on top of it: only the commit of a user's tree may be wrong.
    is_revision_given = word.tree is None or bool(word.tree.revision)
    for one in series:
        from harness.kernel.patches.apply import patch_tree

        context.report(PhaseStarted(f"applying {one.title}"))
        below = replace(source, commit=trees[-1].commit, uncommitted=0, notes=()) if len(trees) > 1 else source
        trees.append(patch_tree(context, below, one, is_revision_given=is_revision_given))
    return trees


def _fragments_of(shipped: ShippedSeries | None) -> tuple[Path, ...]:
    """Return the config fragments of a shipped series and of those below it."""
    return tuple(fragment for one in shipped.stack for fragment in one.fragments) if shipped else ()


def read_patches(context: Context, word: SourceWord, source: Source) -> Series:
    """Read the series to apply to a source, limited to the requested patches.

    :raises UsageError: no such series, version or patch.
    :raises SeriesError: the series is incomplete or damaged.
    :raises HostError: b4 or git is missing, or the deadline has passed.
    """
    from harness.kernel.patches.series import read_series, series_of_range

    wanted = parse_patches(word.patches)
    path = Path(wanted.place)
    if not path.exists() and wanted.is_range:
        series = series_of_range(source.repository, wanted.place, head=source.commit, deadline=context.deadline)
    elif not path.exists():
        raise no_patches(word.patches, evidence=read_as(word.tree) if word.tree else "")
    else:
        series = read_series(path, choice=wanted.choice, store=context.store, deadline=context.deadline)
    return series if wanted.upto is None else _first(series, wanted.upto, word=word.patches)


def _first(series: Series, number: int, *, word: str) -> Series:
    """Return the first patches of a series; each keeps its number in the whole."""
    if not 1 <= number <= len(series.patches):
        count = f"{len(series.patches)} patch{'' if len(series.patches) == 1 else 'es'}"
        raise UsageError(f"no patch {number} in {word}: it has {count}", remedy="give a smaller number after ?upto=")
    return replace(series, patches=series.patches[:number])


def _describe(
    trees: Sequence[PatchedTree],
    config: Config,
    built: BuiltKernel,
    shipped: ShippedSeries | None,
    options: BuildOptions,
) -> SourceKernel:
    source, tree = trees[0].source, trees[-1]
    series = [one.series for one in trees if one.series is not None]
    notes = [*source.notes, *(note for one in trees[1:] for note in one.notes), *config.notes, *built.notes]
    record = BuildRecord(
        source=str(source.origin),
        base=trees[1].base if len(trees) > 1 else tree.base,
        commit=tree.commit,
        uncommitted=source.uncommitted,
        series=" + ".join(one.title for one in series),
        series_version=series[-1].version if series else 0,
        series_suffix=series[-1].suffix if series else "",
        patches=tuple(patch.subject for one in series for patch in one.patches),
        patch_digests=tuple(hashlib.sha256(patch.mail).hexdigest() for one in series for patch in one.patches),
        fragments=config.fragments,
        make=options.make,
        compiler=(built.folder / COMPILER).read_text().strip(),
        seconds=built.seconds,
        reused=built.reused,
        warnings=tuple(f"{one.render()} (patch {one.patch})" for one in built.warnings),
    )
    return SourceKernel(
        image=built.image,
        origin=" + ".join([str(source.origin), *(one.title for one in series)]),
        record=record,
        came_from=source.origin,
        log=built.log,
        notes=tuple(dict.fromkeys(notes)),
        profile=shipped.profile if shipped else "",
        declared=shipped.declaration if shipped else None,
        ungranted=config.ungranted,
    )
