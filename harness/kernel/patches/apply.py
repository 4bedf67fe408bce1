# SPDX-License-Identifier: GPL-2.0-only
"""A series applied to a source, in a work tree of ours: one commit a patch, the same hashes every time."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, SeriesError
from harness.base.json_records import dump_value, read_facts
from harness.base.process import Completed
from harness.base.store import digest_of
from harness.kernel.git.apply_check import find_tag, links_above, read_entries, read_files, try_patch
from harness.kernel.git.repository import Repository
from harness.kernel.git.revisions import describe, find_commit
from harness.kernel.git.worktree import WorkTree, check_out_sparsely
from harness.kernel.patches.conflict import explain, parse_complaints
from harness.kernel.patches.encoding import as_in_tree, recoded_files
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.patches.safety import check_file, check_link, check_patch
from harness.kernel.patches.series import Patch, Series
from harness.kernel.source.tree import Source

_APPLIED = "patched-tree"
_FACTS = "patched-tree.json"
# Grows when the same series would give other commits.
_VERSION = "1"
_FROM = re.compile(rb"^(>*From )", re.MULTILINE)
_AM = (
    *("am", "--3way", "--keep-cr", "--no-scissors", "--no-message-id", "--no-gpg-sign", "--no-rerere-autoupdate"),
    *("--committer-date-is-author-date", "--patch-format=mboxrd", "--whitespace=nowarn"),
)
_APPLYING = re.compile(r"^Applying: ", re.MULTILINE)
_HOST_FAULTS = re.compile(
    "No space left|Input/output error|Permission denied|Read-only file system|quota exceeded|cannot fork"
    "|[Oo]ut of memory"
)
_MERGED = "Falling back to patching base and 3-way merge"
_NOTHING_LEFT = "No changes -- Patch already applied."


@dataclass(frozen=True, slots=True)
class _AppliedSeries:
    """The content of ``patched-tree.json`` in the store.

    :param commits: the commits of the patches, in order.
    :param merged: a note for each patch that was applied by a three-way merge.
    """

    commits: tuple[str, ...]
    merged: tuple[str, ...]


def patch_tree(context: Context, source: Source, series: Series, *, is_revision_given: bool = False) -> PatchedTree:
    """Apply a series to a source; what was applied before is remembered, and no work tree is touched then.

    :param is_revision_given: whether the user named the source's revision: then the series is applied there, whatever
        base it was made on; else its base goes before, where the tree has it.
    :raises SeriesError: it does not apply, or reaches where no series may in this tree.
    :raises UsageError: the store cannot be written.
    :raises HostError: git is missing, the disk is full, or the deadline came.
    """
    base, notes = _choose_base(source, series, is_revision_given=is_revision_given, deadline=context.deadline)
    series = _in_bytes_of(source.repository, base, series, deadline=context.deadline)
    tree = PatchedTree(source, series, base, notes=(*source.notes, *series.notes, *notes))
    key = digest_of(_VERSION, source.repository.key, base, series.digest)

    def fill(folder: Path) -> None:
        commits, merged = _apply(tree, series, folder, deadline=context.deadline)
        (folder / _FACTS).write_text(dump_value(_AppliedSeries(commits, merged)))

    for _ in range(2):
        folder = context.store.make(_APPLIED, key, fill, deadline=context.deadline)
        applied = read_facts(_AppliedSeries, (folder / _FACTS).read_bytes())
        if applied and source.repository.has_commit(applied.commits[-1], deadline=context.deadline):
            return replace(tree, commits=applied.commits, notes=(*tree.notes, *applied.merged))
        context.store.forget(_APPLIED, key)  # damaged, or the repository was removed and made again
    raise HostError(
        f"the applied series in {context.store.place(_APPLIED, key)} changed while it was read",
        remedy="stop other processes that write to the store, then retry",
    )


def _choose_base(
    source: Source, series: Series, *, is_revision_given: bool, deadline: Deadline
) -> tuple[str, tuple[str, ...]]:
    """Choose the commit to apply to; return it with notes about the choice."""
    repository = source.repository
    notes = []
    if series.prerequisites:
        notes.append(f"the series declares {len(series.prerequisites)} prerequisite patches that are not part of it")
    if not series.base_commit:
        if not is_revision_given:
            notes.append(f"the series has no base-commit; applied to {source.origin}")
        return source.commit, tuple(notes)
    made_on = find_commit(repository, series.base_commit, deadline=deadline)
    if not made_on:
        name = series.base_commit[:12]
        notes.append(f"the base-commit {name} of the series is not in the tree; applied to {source.origin}")
        return source.commit, tuple(notes)
    # The files of a dirty tree are a commit of ours on top of the user's.
    own = source.commit
    beneath = find_commit(repository, f"{own}^", deadline=deadline) if source.uncommitted else own
    if made_on in (own, beneath):
        return own, tuple(notes)
    name = describe(repository, made_on, deadline=deadline)
    if is_revision_given:
        notes.append(f"the base-commit of the series is {name}; applied to {source.origin}, as requested")
        return own, tuple(notes)
    notes.append(f"applied to {name}, the base-commit of the series, not to {source.origin}")
    if source.uncommitted:
        notes.append(f"the {source.uncommitted} uncommitted changes of the tree are not included")
    return made_on, tuple(notes)


def _in_bytes_of(repository: Repository, commit: str, series: Series, *, deadline: Deadline) -> Series:
    """Return the series in the encoding of the tree's files, where reading its mails recoded a diff."""
    recoded = recoded_files(series)
    if not recoded:
        return series
    entries = read_entries(repository, commit, recoded, deadline=deadline)
    return as_in_tree(series, read_files(repository, entries, deadline=deadline))


def _apply(
    tree: PatchedTree, series: Series, folder: Path, *, deadline: Deadline
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Apply all patches to the base, in a folder that is left empty; returns the commits, and what is to be said."""
    patches, repository, files = series.patches, tree.repository, _files(series)
    links = links_above(repository, tree.base, files, deadline=deadline)
    for patch in patches:
        links += check_patch(patch.mail, links, called=patch.called)
    work_tree = check_out_sparsely(repository, tree.base, files, folder=folder, deadline=deadline)
    quoted = (b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + _FROM.sub(rb">\1", patch.mail) for patch in patches)
    said = work_tree.git(*_AM, stdin=b"\n".join(quoted), check=False, deadline=deadline)
    listed = work_tree.git("rev-list", "--reverse", f"{tree.base}..HEAD", deadline=deadline)
    commits = tuple(listed.text.split())
    if said.status == 0 and len(commits) == len(patches):
        _check_result(repository, tree.base, commits[-1], deadline=deadline)
        shutil.rmtree(work_tree.path)
        shutil.rmtree(work_tree.git_dir)
        return commits, _merges(said, patches)
    failed = _find_failed(work_tree, said, patches)
    if failed is None:
        raise _unread(series, said)
    raise _conflict(tree, series, failed, commits[-1] if commits else tree.base, said, deadline=deadline)


def _unread(series: Series, said: Completed) -> HarnessError:
    """Return the error for a series that git am(1) rejected before the first patch; a host error if git reports one."""
    if said.status < 0 or said.status > 128 or _HOST_FAULTS.search(_all(said)):
        return HostError(
            "git am failed", evidence=said.complaint, remedy="check disk space and permissions of the store, then retry"
        )
    return SeriesError(
        f"git am cannot read {series.origin or series.title}",
        evidence=said.complaint,
        remedy="get the patches as they were sent: b4 mbox MESSAGE-ID",
    )


def _merges(said: Completed, patches: tuple[Patch, ...]) -> tuple[str, ...]:
    """Return a note for each patch that git could only apply by a three-way merge."""
    told = zip(patches, _APPLYING.split(_all(said))[1:], strict=False)
    return tuple(f"{patch.called} was applied by a three-way merge" for patch, text in told if _MERGED in text)


def _find_failed(work_tree: WorkTree, said: Completed, patches: tuple[Patch, ...]) -> Patch | None:
    """Return the patch at which git am stopped, or which it skipped because nothing was left of it."""
    for patch, text in zip(patches, _APPLYING.split(_all(said))[1:], strict=False):
        if _NOTHING_LEFT in text:
            return patch
    try:
        number = int((work_tree.git_dir / "rebase-apply/next").read_text())
    except (OSError, ValueError):
        return None
    return patches[number - 1] if 1 <= number <= len(patches) else None


def _conflict(
    tree: PatchedTree, series: Series, patch: Patch, at: str, said: Completed, *, deadline: Deadline
) -> HarnessError:
    """Return the error for a patch that does not apply to the commit ``at``, which has the patches before it."""
    repository, target = tree.repository, describe(tree.repository, tree.base, deadline=deadline)
    if tree.base == tree.source.commit:
        target = str(tree.source.origin)
    checked = try_patch(repository, at, patch.mail, patch.files, deadline=deadline)
    backwards = try_patch(repository, at, patch.mail, patch.files, reverse=True, deadline=deadline)
    if backwards.status == 0 or _NOTHING_LEFT in _all(said):
        return SeriesError(
            f"{patch.called} does not apply to {target}: it is already applied",
            remedy="remove it from the series, or give a revision without it: PATH@REVISION+SERIES",
        )
    entries = read_entries(repository, at, patch.files, deadline=deadline)
    complaints = parse_complaints(checked.stderr.decode(errors="replace"))
    files = read_files(repository, entries, deadline=deadline)
    evidence = explain(patch.mail, complaints, files) if complaints else said.complaint
    text = b"\n".join(one.mail for one in series.patches)
    tag = find_tag(repository, tree.base, text, _files(series), deadline=deadline)
    return SeriesError(
        f"{patch.called} does not apply to {target}",
        evidence=evidence,
        remedy=f"the whole series applies to {tag}: PATH@{tag}+SERIES"
        if tag
        else "rebase the series on this tree, or give the tree that it is based on",
    )


def _check_result(repository: Repository, base: str, tip: str, *, deadline: Deadline) -> None:
    """Look at what came out, whatever the patches' texts seemed to say.

    :raises SeriesError: the tree has a file that no series may make.
    """
    words = ("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", base, tip)
    fields = repository.git(*words, deadline=deadline).stdout.split(b"\0")[:-1]
    for head, raw in zip(fields[::2], fields[1::2], strict=True):
        _, mode, _, blob, _ = head.split()
        name = raw.decode(errors="surrogateescape")
        check_file(name, (), called="the series")
        if mode == b"160000":
            raise SeriesError(f"the series adds a submodule commit at {name}", remedy="add the files themselves")
        if mode == b"120000":
            target = repository.git("cat-file", "blob", blob.decode(), deadline=deadline).text
            check_link(name, target, called="the series")


def _files(series: Series) -> tuple[str, ...]:
    return tuple(dict.fromkeys(file for patch in series.patches for file in patch.files))


def _all(said: Completed) -> str:
    return (said.stdout + b"\n" + said.stderr).decode(errors="replace")
