# SPDX-License-Identifier: GPL-2.0-only
"""Applies a series that does not apply, says so when git am has stopped in its midst, and waits to be killed.

Words: the folder of the store, the folder of the tree; the patches are in ``folder`` beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.process import Completed
from harness.base.store import Store
from harness.kernel.git.worktree import WorkTree
from harness.kernel.patches import apply as tree_module
from harness.kernel.patches.apply import patch_tree
from harness.kernel.patches.series import Patch, read_series
from harness.kernel.source.tree import source_tree


def wait(work_tree: WorkTree, said: Completed, patches: tuple[Patch, ...]) -> Patch | None:
    """Stands in for what looks at the failure."""
    sys.stdout.write("in the midst\n")
    sys.stdout.flush()
    sys.stdin.readline()
    return None


def main(store: Store, tree: Path) -> None:
    """Run it."""
    deadline = Deadline.after(60)
    series = read_series(tree.parent / "folder", deadline=deadline)
    source = source_tree(Context(store, deadline), tree, revision="v6.3")
    tree_module._find_failed = wait
    patch_tree(Context(store, deadline), source, series, is_revision_given=True)


main(Store(Path(sys.argv[1])), Path(sys.argv[2]))
