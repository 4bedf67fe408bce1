# SPDX-License-Identifier: GPL-2.0-only
"""Run ``scripts/checkpatch.pl --strict`` of the tree on each patch of a series.

The script is that of the base, so that a series cannot change its own check. It runs in the sandbox, as the tree is
untrusted. The sandbox has no repository, so the script reports every commit that a message names as unknown; those are
looked up afterwards, where the base has a history.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import find_program
from harness.base.scratch import scratch_folder
from harness.base.store import Store, digest_of
from harness.kernel.git.revisions import find_commit
from harness.kernel.git.worktree import checked_out
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.patches.series import Patch
from harness.kernel.sandbox.sandbox import Bounds, Sandbox, run_inside
from harness.model.series_record import Level, StyleFinding

SCRIPT = "scripts/checkpatch.pl"
NO_SCRIPT = f"the base has no {SCRIPT}"
REFUSED = f"perl does not run the base's {SCRIPT}"
_KIND = "checkpatch"
# Increased when the script is run in another way.
_VERSION = "3"
_WORDS = ("--strict", "--no-summary", "--terse", "--showfile", "--show-types")
_BOUNDS = Bounds(seconds=300.0, memory_mebibytes=1024, processes=64, disk_mebibytes=64)
# kernel/x.c:12: WARNING:LONG_LINE: line length of 110 exceeds 100 columns; of the mail itself the patch file is named.
_SAID = re.compile(
    r"(?P<file>[^:]*):(?:(?P<line>\d+):)? (?P<level>ERROR|WARNING|CHECK):(?P<kind>[A-Z0-9_]+): (?P<text>.*)"
)
_LEVELS = {"ERROR": Level.ERROR, "WARNING": Level.WARNING, "CHECK": Level.CHECK}
# Said at the end of the patch, as if they were about its last file.
_OF_MAIL = ("COMMIT_MESSAGE", "MISSING_SIGN_OFF", "NO_AUTHOR_SIGN_OFF", "FROM_SIGN_OFF_MISMATCH")
_UNKNOWN = "UNKNOWN_COMMIT_ID"
_NAMED = re.compile(r"[0-9a-f]{7,40}")
_TELLING = 5
# A message of perl about the script itself: an old script has what newer versions of perl warn of, or refuse.
_OF_PERL = re.compile(r".+ at \S*checkpatch\.pl line \d+(?:, <\w+> (?:line|chunk) \d+)?\.")


def check_style(
    context: Context, tree: PatchedTree, patches: Sequence[Patch], *, trusted: bool = False
) -> Mapping[int, tuple[StyleFinding, ...]] | str:
    """Return the findings of the script by patch number, or why there are none: no script, or not one for this perl.

    The store keeps the findings for a patch on a base.

    :param tree: the tree whose base has the script.
    :param patches: the patches to check.
    :param trusted: run the script without the sandbox.
    :raises UsageError: the store cannot be written.
    :raises HostError: perl or bubblewrap is missing, or the deadline has passed.
    """
    repository = tree.repository
    script = repository.git(
        "rev-parse", "--quiet", "--verify", f"{tree.base}:{SCRIPT}", check=False, deadline=context.deadline
    )
    if script.status != 0:
        return NO_SCRIPT
    keys = {patch.number: digest_of(_VERSION, tree.base, script.text, patch.mail) for patch in patches}
    said = {number: _recalled(context.store, key) for number, key in keys.items()}
    if any(one is None for one in said.values()):
        if find_program("perl") is None:
            raise HostError(f"perl is missing, which runs {SCRIPT}", remedy="apt install perl")
        with checked_out(context, repository, tree.base) as work_tree:
            for patch in patches:
                if said[patch.number] is None:
                    lines = _ask(patch, work_tree.path, trusted=trusted, deadline=context.deadline)
                    context.store.remember(_KIND, keys[patch.number], {"lines": list(lines)})
                    said[patch.number] = lines
    if refused := next((lines[0] for lines in said.values() if lines and lines[0].startswith(REFUSED)), ""):
        return refused
    found = {number: tuple(parse_complaints(lines or ())) for number, lines in said.items()}
    is_known = _lookup(tree, deadline=context.deadline)
    return {number: tuple(one for one in complaints if not is_known(one)) for number, complaints in found.items()}


def _lookup(tree: PatchedTree, *, deadline: Deadline) -> Callable[[StyleFinding], bool]:
    """Return a check for findings about a commit that exists, or that this repository has no history to look up in."""
    repository = tree.repository
    parent = ("rev-parse", "--quiet", "--verify", f"{tree.base}^")
    has_history = repository.git(*parent, check=False, deadline=deadline).status == 0
    is_shallow = (repository.git_dir / "shallow").exists()

    def is_known(complaint: StyleFinding) -> bool:
        if complaint.kind != _UNKNOWN:
            return False
        named = _NAMED.search(complaint.text)
        if not has_history or is_shallow or named is None:
            return True
        return bool(find_commit(repository, named[0], deadline=deadline))

    return is_known


def parse_complaints(lines: Sequence[str]) -> Iterator[StyleFinding]:
    """Parse the output of the script; any other line becomes a finding about the script itself."""
    for line in lines:
        found = _SAID.fullmatch(line)
        if found is None:
            yield StyleFinding(Level.WARNING, "", 0, f"{SCRIPT} printed: {line}")
            continue
        is_of_mail = found["file"] in ("", _MAIL) or found["kind"] in _OF_MAIL
        file, number = ("", 0) if is_of_mail else (found["file"], int(found["line"] or 0))
        yield StyleFinding(_LEVELS[found["level"]], file, number, found["text"].strip(), found["kind"])


_MAIL = "patch"
"""The name of the patch's file inside, where the script starts."""


def _recalled(store: Store, key: str) -> tuple[str, ...] | None:
    lines = (store.recall(_KIND, key) or {}).get("lines")
    return tuple(map(str, lines)) if isinstance(lines, list) else None


def _ask(patch: Patch, tree: Path, *, trusted: bool, deadline: Deadline) -> tuple[str, ...]:
    """Run the script on a patch and return its output lines."""
    with scratch_folder("checkpatch") as folder:
        output = folder / "output"
        output.mkdir(mode=0o755)
        sandbox = Sandbox(tree, output, trusted, _BOUNDS)
        (sandbox.output / _MAIL).write_bytes(patch.mail)
        words = ["perl", f"{sandbox.inside_tree}/{SCRIPT}", f"--root={sandbox.inside_tree}", *_WORDS, _MAIL]
        said = run_inside(sandbox, words, environment={"HOME": "/tmp"}, deadline=deadline)
    printed = [line for line in said.lines if line.strip()]
    lines = tuple(line for line in printed if not _OF_PERL.fullmatch(line))
    if printed and not lines and said.status not in (0, 1) and not said.stopped:
        return (f"{REFUSED}: {printed[-1]}",)
    if said.stopped:
        return (f"it was stopped: it {said.stopped}", *lines[-_TELLING:])
    if said.status not in (0, 1) and not lines:
        return (f"it exited with status {said.status}",)
    return lines
