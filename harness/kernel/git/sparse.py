"""A work tree of ours that holds the files of a patch and no others: for ``git am``, which looks at nothing else.

Checking a whole kernel out takes half a minute, and this half a second: whether a series applies is known at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.base.deadline import Deadline
from harness.kernel.git.repository import Repository
from harness.kernel.git.worktree import WorkTree


def check_out_sparsely(
    repository: Repository, commit: str, files: Sequence[str], *, folder: Path, deadline: Deadline
) -> WorkTree:
    """A work tree in an empty folder, whose index is the whole commit and whose files are those named.

    The others are marked as left out (``--skip-worktree`` of git-update-index(1)), so git takes none for deleted.

    :param files: by their paths in the tree; those that the commit does not have are passed over.
    :raises HostError: there is no such commit, git is missing or failed, or the deadline came.
    """
    tree = WorkTree(folder / "tree", folder / "git", commit)
    tree.path.mkdir()
    tree.git_dir.mkdir()
    (tree.git_dir / "commondir").write_text(f"{repository.git_dir.absolute()}\n")
    (tree.git_dir / "HEAD").write_text(f"{commit}\n")
    tree.git("read-tree", commit, deadline=deadline)
    wanted = {file.encode(errors="surrogateescape") for file in files}
    names = [name for name in tree.git("ls-files", "-z", deadline=deadline).stdout.split(b"\0") if name]
    left_out = b"".join(name + b"\0" for name in names if name not in wanted)
    tree.git("update-index", "-z", "--skip-worktree", "--stdin", stdin=left_out, deadline=deadline)
    present = b"".join(name + b"\0" for name in names if name in wanted)
    tree.git("checkout-index", "-z", "--stdin", "--index", stdin=present, deadline=deadline)
    return tree
