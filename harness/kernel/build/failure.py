"""Why a build failed, and who must act: the patch that is to blame, the tree, or this host."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, SeriesError
from harness.kernel.build.blame import Commits, blame_lines, suspect
from harness.kernel.build.diagnostics import Diagnostic, Severity, parse_diagnostics, telling_lines
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.sandbox.sandbox import InsideResult, Sandbox, series_fault
from harness.kernel.toolchain.missing import find_host_lack

_KILLED = re.compile(r".*fatal error: Killed signal terminated program \w+")
_SPARE_BYTES = 256 << 20


def series_commits(tree: PatchedTree) -> Commits | None:
    """The commits of the tree's series; None when it has none."""
    return Commits(tree.repository, tree.base, tree.commits) if tree.commits else None


def read_complaints(
    tree: PatchedTree,
    sandbox: Sandbox,
    lines: Sequence[str],
    *,
    earlier: Sequence[Diagnostic] = (),
    deadline: Deadline,
) -> tuple[Diagnostic, ...]:
    """What a build complained of, each complaint with the patch that wrote the line.

    :param earlier: warnings of what it started from and did not make anew.
    :raises HostError: git failed.
    """
    found = parse_diagnostics(lines, tree=sandbox.inside_tree, output=sandbox.inside_output)
    said = {(one.file, one.line, one.text) for one in found}
    found += tuple(one for one in earlier if (one.file, one.line, one.text) not in said)
    commits = series_commits(tree)
    return blame_lines(commits, found, deadline=deadline) if commits and found else found


def is_surely_the_series(complaints: Sequence[Diagnostic]) -> bool:
    """Whether an error is about a line that a patch wrote: then it is not the fault of objects that were reused."""
    return any(one.patch for one in complaints if one.severity is Severity.ERROR)


def build_failure(
    tree: PatchedTree,
    result: InsideResult,
    complaints: Sequence[Diagnostic],
    *,
    log: Path,
    deadline: Deadline,
) -> HarnessError:
    """The error to raise for a build that failed.

    :param complaints: as :func:`read_complaints` gave them. :param log: where everything that make said is kept.
    :raises HostError: git failed.
    """
    if result.stopped:
        error = series_fault(result, f"building {tree.source.origin}")
        return SeriesError(error.what, evidence=error.evidence, remedy=error.remedy, log=log)
    if host := _host_failure(result.lines, log):
        return host
    errors = [one for one in complaints if one.severity is Severity.ERROR]
    # One that a patch's own line caused tells more than the first one.
    errors.sort(key=lambda one: not one.patch)
    evidence = "\n".join(telling_lines(result.lines, errors))
    if not errors:
        return SeriesError(
            f"{_whole(tree)} does not build: make ended with status {result.status}",
            evidence=evidence,
            remedy="read the end of the log",
            log=log,
        )
    first = errors[0]
    return SeriesError(
        f"{_culprit(tree, first, deadline=deadline)}: {first.render()}",
        evidence=evidence,
        remedy="mend the patch; whether the tree builds without the series tells a run without it"
        if tree.commits
        else "see whether this tree builds with this compiler elsewhere; an older one may be needed",
        log=log,
    )


def _culprit(tree: PatchedTree, error: Diagnostic, *, deadline: Deadline) -> str:
    """Who does not build, as the beginning of a sentence."""
    commits = series_commits(tree)
    found = suspect(commits, error, deadline=deadline) if commits else None
    if found is None or tree.series is None:
        return f"{_whole(tree)} does not build"
    patch = tree.series.patches[found.patch - 1]
    if not found.why:
        return f"{patch.called} does not build"
    return f"{_whole(tree)} does not build, most likely for {patch.called}, {found.why}"


def _whole(tree: PatchedTree) -> str:
    if tree.series is None:
        return str(tree.source.origin)
    return f"{tree.source.origin} with the series '{tree.series.title}'"


def _host_failure(lines: Sequence[str], log: Path) -> HostError | None:
    """The error when it is this machine that lacks something; what the lines say is looked at, not believed."""
    if lacking := find_host_lack(lines):
        return lacking
    if killed := next(filter(_KILLED.fullmatch, lines), None):
        return HostError(
            "the compiler was killed, most likely because this host ran out of memory",
            evidence=killed,
            remedy="end what else runs here, then run again",
            log=log,
        )
    full = next((line for line in lines if "No space left on device" in line), None)
    if full and shutil.disk_usage(log.parent).free < _SPARE_BYTES:
        return HostError(
            "the disk is full", evidence=full, remedy="free some space; 'harness clean' shows what the store holds"
        )
    return None
