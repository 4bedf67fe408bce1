"""A series out of the tree's own history: ``A..B`` of gitrevisions(7), the commits of B that A lacks."""

from __future__ import annotations

from harness.base.deadline import Deadline
from harness.base.errors import SeriesError, UsageError
from harness.kernel.git.repository import Repository
from harness.kernel.git.revisions import find_commit
from harness.kernel.patches.mailbox import read_mailbox
from harness.kernel.patches.safety import PATCHES_LIMIT
from harness.kernel.patches.series import Series, series_of_mails

_FORMAT = (
    *("format-patch", "--stdout", "--full-index", "--no-renames", "--no-signature", "--no-numbered", "--no-thread"),
    *("--no-attach", "--no-cover-letter", "--no-base", "--no-notes", "--no-color", "--no-ext-diff", "--no-textconv"),
    *("--src-prefix=a/", "--dst-prefix=b/"),
)


def series_of_range(repository: Repository, text: str, *, head: str, deadline: Deadline) -> Series:
    """The commits of a range as a series, whose ``base_commit`` is where they leave A's history.

    :param repository: ours; branches and tags are looked up in the one that it borrows from.
    :param text: ``A..B``; an empty side is ``head``. :param head: the commit of the source, by its full hash.
    :raises UsageError: one side names no commit, or there is no commit in between.
    :raises SeriesError: there are merges in between, or too many commits, or a commit that no series may hold.
    :raises HostError: git is missing, or did not end before the deadline.
    """
    sides = []
    for side in text.split("..", 1):
        commit = find_commit(repository, side, deadline=deadline) if side else head
        if not commit:
            raise UsageError(f"{side!r} (in {text}) names no commit of the tree", remedy="name a tag, branch or hash")
        sides.append(commit)
    between = f"{sides[0]}..{sides[1]}"
    count = int(repository.git("rev-list", "--count", between, deadline=deadline).text)
    if count == 0:
        raise UsageError(f"there is no commit in {text}", remedy="the newer side is the right one: OLD..NEW")
    merges = repository.git("rev-list", "--merges", "--oneline", "--max-count=3", between, deadline=deadline).text
    if merges or count > PATCHES_LIMIT:
        raise SeriesError(
            f"{text} is no series: " + ("it has merges" if merges else f"it has {count} commits"),
            evidence=merges,
            remedy="to test such a history, give the tree at its end, PATH@REVISION",
        )
    made = repository.git(*_FORMAT, between, deadline=deadline).stdout
    base = repository.git("merge-base", *sides, deadline=deadline, check=False).text.strip()
    return series_of_mails(read_mailbox(made), origin=text, base_commit=base, deadline=deadline)
