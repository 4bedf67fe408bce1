# SPDX-License-Identifier: GPL-2.0-only
"""Classify a failed build: caused by a patch, by the tree, or by this host."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, SeriesError
from harness.kernel.build.blame import Commits, blame_lines, suspect
from harness.kernel.build.diagnostics import Diagnostic, Severity, lines_to_show, parse_diagnostics
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.sandbox.sandbox import InsideResult, Sandbox, series_fault
from harness.kernel.toolchain.missing import find_missing_tool

_KILLED = re.compile(r".*fatal error: Killed signal terminated program \w+")
_SPARE_BYTES = 256 << 20
_SHARED = re.compile(r".*\.h|.*/include/.*|(?:.*/)?(?:Kconfig|Makefile|Kbuild)[^/]*")
_OF_LINKER = re.compile(r"undefined reference|multiple definition")


def series_commits(tree: PatchedTree) -> Commits | None:
    """Return the commits of the tree's series; None for a tree without a series."""
    return Commits(tree.repository, tree.base, tree.commits) if tree.commits else None


def read_complaints(
    tree: PatchedTree,
    sandbox: Sandbox,
    lines: Sequence[str],
    *,
    earlier: Sequence[Diagnostic] = (),
    deadline: Deadline,
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of a build, each with the patch that wrote the line.

    :param lines: the output of make.
    :param earlier: warnings of objects that the build started from and did not make again.
    :raises HostError: git failed.
    """
    found = parse_diagnostics(lines, tree=sandbox.inside_tree, output=sandbox.inside_output)
    known = {(one.file, one.line, one.text) for one in found}
    found += tuple(one for one in earlier if (one.file, one.line, one.text) not in known)
    commits = series_commits(tree)
    return blame_lines(commits, found, deadline=deadline) if commits and found else found


def is_surely_the_tree(complaints: Sequence[Diagnostic], changed: Collection[str]) -> bool:
    """Return whether an error is certainly the fault of the tree, and not of the objects that the build started from.

    That is an error in a line that a patch wrote, and a compiler's error with a line of the tree if that file differs
    from the tree of the objects, or if something differs that any file may include. The linker names lines of the tree
    for damaged objects as well.

    :param changed: files that differ from the tree of the objects, relative to the tree.
    """
    errors = [one for one in complaints if one.severity is Severity.ERROR]
    may_affect_all = any(_SHARED.fullmatch(file) for file in changed)
    return any(
        one.patch or (one.line and (one.file in changed or may_affect_all) and not _OF_LINKER.match(one.text))
        for one in errors
    )


def build_failure(
    tree: PatchedTree,
    result: InsideResult,
    complaints: Sequence[Diagnostic],
    *,
    changed: Collection[str] = (),
    log: Path,
    deadline: Deadline,
) -> HarnessError:
    """Return the error to raise for a failed build.

    :param complaints: the diagnostics that :func:`read_complaints` returned.
    :param changed: files that differ from the tree of the objects that the build started from.
    :param log: the file with the output of make.
    :raises HostError: git failed.
    """
    if result.stopped:
        error = series_fault(result, f"building {tree.source.origin}")
        return SeriesError(error.what, evidence=error.evidence, remedy=error.remedy, log=log)
    if host := find_host_failure(result.lines, log):
        return host
    errors = [one for one in complaints if one.severity is Severity.ERROR]
    # An error in a line that a patch wrote is the most useful one.
    errors.sort(key=lambda one: not one.patch)
    evidence = "\n".join(lines_to_show(result.lines, errors))
    if not errors:
        return SeriesError(
            f"{_whole(tree)} does not build: make exited with status {result.status}",
            evidence=evidence,
            remedy="read the end of the log",
            log=log,
        )
    # An error in a changed file is more likely the cause than one in a file that includes it.
    first = min(errors, key=lambda one: (not one.patch, one.file not in changed))
    return SeriesError(
        f"{_culprit(tree, first, deadline=deadline)}: {first.render()}",
        evidence=evidence,
        remedy=_remedy(tree, first, changed),
        log=log,
    )


def _remedy(tree: PatchedTree, error: Diagnostic, changed: Collection[str]) -> str:
    """Return what to do about an error of the compiler."""
    if tree.commits:
        return "fix the patch; to check that the tree builds without the series, run without it"
    if error.file in changed:
        return f"fix {error.file}, then repeat the command"
    return "check whether this tree supports this compiler version; an old tree may need an older compiler"


def _culprit(tree: PatchedTree, error: Diagnostic, *, deadline: Deadline) -> str:
    """Name the patch or tree that does not build, as the beginning of a sentence."""
    commits = series_commits(tree)
    found = suspect(commits, error, deadline=deadline) if commits else None
    if found is None or tree.series is None:
        return f"{_whole(tree)} does not build"
    patch = tree.series.patches[found.patch - 1]
    if not found.why:
        return f"{patch.called} does not build"
    return f"{_whole(tree)} does not build, most likely because of {patch.called}, {found.why}"


def _whole(tree: PatchedTree) -> str:
    if tree.series is None:
        return str(tree.source.origin)
    return f"{tree.source.origin} with the series '{tree.series.title}'"


def find_host_failure(lines: Sequence[str], log: Path) -> HostError | None:
    """Return the error when this host caused the failure: checked on the host, as the lines are untrusted."""
    if missing := find_missing_tool(lines):
        return missing
    if killed := next(filter(_KILLED.fullmatch, lines), None):
        return HostError(
            "the compiler was killed, most likely because this host ran out of memory",
            evidence=killed,
            remedy="stop other processes on this host and retry",
            log=log,
        )
    full = next((line for line in lines if "No space left on device" in line), None)
    if full and shutil.disk_usage(log.parent).free < _SPARE_BYTES:
        return HostError(
            "the disk is full", evidence=full, remedy="free disk space; 'harness clean' shows what the store holds"
        )
    return None
