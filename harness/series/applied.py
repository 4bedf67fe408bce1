# SPDX-License-Identifier: GPL-2.0-only
"""Apply a series to its base: the base at one commit, the patches, and the number of patches that apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import SeriesError, UsageError
from harness.base.events import PhaseStarted
from harness.kernel.build.options import SourceWord
from harness.kernel.from_source import patched_trees, read_patches
from harness.kernel.git.revisions import describe
from harness.kernel.patches.patched_tree import PatchedTree, unpatched
from harness.kernel.patches.series import Series
from harness.kernel.patches.shipped import ShippedSeries, find_shipped
from harness.kernel.source.apt import Apt
from harness.kernel.source.locate import find_named
from harness.kernel.source.tree import Source
from harness.model.kernel_spec import PathReading, SpecKind, parse_patches, parse_spec
from harness.model.origin import Origin, OriginKind

_HOST_APT = Apt()


@dataclass(frozen=True, slots=True)
class AppliedSeries:
    """A series on its base.

    :param base_word: the base as a KERNEL argument; a tree is pinned to its commit, so that it does not move while
        kernels are built.
    :param base: the tree of the base.
    :param series_word: the series as the user named it.
    :param series: the patches.
    :param applied: the number of consecutive patches that apply.
    :param conflict: why the next patch does not apply; None if all do.
    :param notes: decisions that the user should know.
    :param commits: the commit of each patch that applies.
    :param may_move: whether the base is a tree with uncommitted files, which may change meanwhile.
    """

    base_word: str
    base: PatchedTree
    series_word: str
    series: Series
    applied: int
    conflict: SeriesError | None = None
    notes: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    may_move: bool = False

    @property
    def below(self) -> str:
        """Return the title of the shipped series below this one; empty if there is none."""
        return self.base.series.title if self.base.series is not None else ""

    @property
    def described(self) -> str:
        """Describe the base for people: the source, and the shipped series below this one."""
        below = f" + {self.below}" if self.below else ""
        return f"{self.base.source.origin}{below}"

    def called(self, number: int) -> str:
        """Return ``patch 3/8``, or ``the base`` for number 0."""
        return f"patch {number}/{len(self.series.patches)}" if number else "the base"

    def kernel(self, number: int) -> str:
        """Return the KERNEL argument of the base with a number of patches."""
        if number == 0:
            return self.base_word
        word = parse_patches(self.series_word)
        is_whole = number == len(self.series.patches)
        return f"{self.base_word}+{(word if is_whole else replace(word, upto=number)).render()}"


def find_ground(context: Context, base: str, series: str, *, apt: Apt = _HOST_APT) -> AppliedSeries:
    """Find the base, read the series and find out how many patches apply.

    :param base: the argument of ``--base``.
    :param series: a mailbox, a folder of patches or a range, as after the ``+`` of a KERNEL argument.
    :param apt: the host's apt.
    :raises UsageError: no such base, revision or series.
    :raises SeriesError: the series is incomplete or damaged, or a patch changes a forbidden path.
    :raises HostError: git or b4 is missing, a download failed, or the deadline came.
    """
    word, shipped = _read_base(base, series, deadline=context.deadline)
    below = patched_trees(context, word, shipped, apt=apt)
    # Read before it is applied, so that an unreadable series is reported as such, and one that does not apply is known.
    context.report(PhaseStarted("reading the series"))
    whole = read_patches(context, replace(word, patches=series), below[0].source)
    count = len(whole.patches)

    def apply(number: int) -> PatchedTree:
        upto = parse_patches(series) if number == count else replace(parse_patches(series), upto=number)
        patched = replace(word, patches=upto.render())
        return patched_trees(context, patched, shipped, apt=apt)[-1]

    tree, applied, conflict = _apply_most(apply, count)
    if tree is None:
        at, notes = below[-1], whole.notes
    else:
        at = below[-1] if tree.base == below[-1].commit else _moved(tree, deadline=context.deadline)
        notes = tuple(note for note in tree.notes if note not in below[-1].notes)
    all_notes = (*below[-1].notes, *notes)
    commits = tree.commits if tree else ()
    pinned = _pinned(base, word, at)
    may_move = word.tree is not None and pinned == base
    return AppliedSeries(pinned, at, series, whole, applied, conflict, all_notes, commits, may_move)


def _moved(tree: PatchedTree, *, deadline: Deadline) -> PatchedTree:
    """Return the commit on which the series was made, if the tree is at another one."""
    revision = describe(tree.repository, tree.base, deadline=deadline)
    origin = Origin(OriginKind.TREE, tree.source.origin.path, revision)
    return unpatched(Source(tree.repository, tree.base, origin))


def _read_base(base: str, series: str, *, deadline: Deadline) -> tuple[SourceWord, ShippedSeries | None]:
    """Read ``--base``: the source to build, and the shipped series that it names."""
    spec = parse_spec(base)
    remedy = "give a kernel tree at a revision, TREE@REVISION, or deb-src:VERSION"
    if spec.patches:
        raise UsageError(f"--base {base} has its own series", remedy="give the series as SERIES, in one mailbox")
    if spec.kind is SpecKind.SOURCE_PACKAGE:
        return SourceWord("", version=spec.name, suite=spec.suite), None
    if spec.kind is SpecKind.SERIES:
        return SourceWord("", series=spec.name), find_shipped(spec.name, deadline=deadline)
    if spec.kind is not SpecKind.PATH:
        raise UsageError(f"--base {base} is not a source that a series can be applied to", remedy=remedy)
    named = find_named(spec)
    if not isinstance(named, PathReading):
        raise UsageError(f"--base {base} is a kernel image", remedy=remedy)
    if named.patches:
        raise UsageError(f"--base {base} has its own series", remedy="give the series as SERIES, in one mailbox")
    wanted = parse_patches(series)
    start = wanted.place.partition("..")[0]
    if wanted.is_range and not named.revision and start:
        named = replace(named, revision=start)  # the start of the range, not the current commit of the tree
    return SourceWord("", tree=named), None


def _pinned(base: str, word: SourceWord, at: PatchedTree) -> str:
    """Return the argument with the tree pinned to its commit; uncommitted changes have no commit to pin."""
    if word.tree is None or at.source.uncommitted or at.source.origin.kind is OriginKind.FILES:
        return base
    return f"{word.tree.path}@{at.commit[:16]}"


def _apply_most(apply: Callable[[int], PatchedTree], count: int) -> tuple[PatchedTree | None, int, SeriesError | None]:
    """Return the tree with as many patches as apply, their number, and why the next one does not apply.

    If the first patches up to one apply, so do those up to each earlier one: bisection finds the number.
    """
    try:
        return apply(count), count, None
    except SeriesError as error:
        conflict = error
    low, high, tree = 0, count, None
    while high - low > 1:
        middle = (low + high) // 2
        try:
            tree, low = apply(middle), middle
        except SeriesError as error:
            high, conflict = middle, error
    return tree, low, conflict
