# SPDX-License-Identifier: GPL-2.0-only
"""A patch series: read from a mailbox, a folder or a file, checked, each patch as git-am(1) takes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import SeriesError, UsageError
from harness.base.store import Store, digest_of
from harness.kernel.git.command import git
from harness.kernel.git.repository import Repository
from harness.kernel.git.revisions import find_commit
from harness.kernel.mail.diff import diff_lines, read_changes
from harness.kernel.mail.grouping import Posting
from harness.kernel.mail.mailbox import Mail, read_mail, read_mailbox
from harness.kernel.mail.posting import choose_posting
from harness.kernel.mail.subject import Subject
from harness.kernel.patches.b4 import prepare_mails
from harness.kernel.patches.folder import is_maildir, read_file, read_folder, read_maildir
from harness.kernel.patches.safety import PATCHES_LIMIT, check_patch, check_size
from harness.model.series_choice import NEWEST, SeriesChoice

_BASE = re.compile(rb"^base-commit: ?([0-9a-f]{7,40})\b", re.MULTILINE)
_PREREQUISITE = re.compile(rb"^prerequisite-patch-id: ?([0-9a-f]{40})\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch.

    :param number: from 1.
    :param total: how many the series has.
    :param subject: its title, without brackets.
    :param author: ``Name <address>``.
    :param patch_id: of git-patch-id(1) --stable; empty for changes of modes alone.
    :param files: the files it touches, by their paths in the tree.
    :param mail: what git-am(1) takes.
    :param message_id: of the mail that it was posted in, without angle brackets; empty when that is not known.
    :param recipients: the addresses that it was posted to, in lower case; empty when they are not known.
    :param sender: of its mail, ``Name <address>``; empty when it is not known.
    :param mail_as_sent: the same with the bytes of its diff as they were sent, where decoding changed them.
    """

    number: int
    total: int
    subject: str
    author: str
    patch_id: str
    files: tuple[str, ...]
    mail: bytes
    message_id: str = ""
    mail_as_sent: bytes = b""
    recipients: tuple[str, ...] = ()
    sender: str = ""

    @property
    def called(self) -> str:
        """Return the patch in one phrase, for errors and reports."""
        return f"patch {self.number}/{self.total} ({self.subject})"


@dataclass(frozen=True, slots=True)
class Series:
    """Patches in their order, none missing, none that reaches where it may not.

    :param title: of the cover letter, else of the first patch.
    :param version: as posted, from 1; ``suffix`` is what follows the number: ``.1`` of v2.1.
    :param base_commit: the commit that its author made it on, as the series says it; empty when it does not.
    :param origin: where it was read from, as the user called it.
    :param notes: what was decided while reading, for people.
    :param prerequisites: patch-ids of patches that it says it needs and that are not part of it.
    :param message_id: of the cover letter, else of the first patch; empty when that is not known.
    """

    title: str
    version: int
    patches: tuple[Patch, ...]
    base_commit: str = ""
    origin: str = ""
    notes: tuple[str, ...] = ()
    prerequisites: tuple[str, ...] = ()
    message_id: str = ""
    suffix: str = ""

    @property
    def digest(self) -> str:
        """Return a digest of what is applied: equal patches give an equal digest, wherever they were read from."""
        return digest_of(*(patch.mail for patch in self.patches))


def read_series(
    path: Path | str, *, choice: SeriesChoice = NEWEST, store: Store | None = None, deadline: Deadline
) -> Series:
    """Read a series.

    :param path: a mailbox (also ``.gz``), a maildir, a folder of patches with a quilt ``series`` file or without, or a
        file with one patch: a mail or a bare diff.
    :param choice: the posting to take; the newest whole one if nothing is chosen.
    :param store: where to keep what b4 made of a mailbox, for the next time; None to keep nothing.
    :raises UsageError: there is no such file, or no patch in it, or not that version.
    :raises SeriesError: a patch is missing, twice there, damaged, or reaches where none may.
    :raises HostError: b4 or git is missing, or did not end before the deadline.
    """
    path, name = Path(path), str(path)
    if not path.exists():
        raise UsageError(f"no series {name}", remedy="give a mailbox, a folder of patches or a patch")
    if path.is_dir() and not is_maildir(path):
        return _of_folder(path, choice, deadline=deadline)
    mails = read_maildir(path) if path.is_dir() else read_file(path)
    posting = choose_posting(mails, choice=choice, name=name)
    return _make(_prepared(posting.mails, store, deadline=deadline), posting, origin=name, deadline=deadline)


def series_of_mails(mails: Sequence[Mail], *, origin: str, base_commit: str, deadline: Deadline) -> Series:
    """Make a series of the mails of git-format-patch(1), in their order.

    :raises SeriesError: one is refused, or carries no diff.
    """
    posting = Posting(1, len(mails), dict(enumerate(mails, 1)))
    made = _make(mails, posting, origin=origin, deadline=deadline)
    return replace(made, base_commit=base_commit)


def _of_folder(path: Path, choice: SeriesChoice, *, deadline: Deadline) -> Series:
    posting = read_folder(path, choice=choice)
    return _make(posting.mails, posting, origin=str(path), deadline=deadline)


def _make(mails: Sequence[Mail], posting: Posting, *, origin: str, deadline: Deadline) -> Series:
    """Make a series of mails; title, version and notes come from the posting."""
    total = len(mails)
    check_size([mail.text for mail in mails], name=origin)
    ready = [_numbered(mail.resolve(), number, total) for number, mail in enumerate(mails, 1)]
    texts = [mail.render() for mail in ready]
    links: list[str] = []
    for number, (mail, text) in enumerate(zip(ready, texts, strict=True), 1):
        called = f"patch {number}/{total} ({mail.subject.title}) of {origin}"
        if not mail.has_diff:
            raise SeriesError(f"{called} has no diff", remedy="remove it from the series")
        links += check_patch(text, links, called=called)
    ids = _patch_ids(texts, deadline=deadline)
    # What b4 made of a mail has no name any more.
    posted = list(posting.mails)
    patches = tuple(
        Patch(
            number,
            total,
            mail.subject.title,
            mail.sender,
            ids.get(number, ""),
            _files(text),
            text,
            own.message_id,
            mail.render_as_sent(),
            own.recipients,
            own.sender,
        )
        for number, (mail, text, own) in enumerate(zip(ready, texts, posted, strict=True), 1)
    )
    told = [posting.cover, *posting.mails] if posting.cover else list(posting.mails)
    base = next((found.group(1).decode() for mail in told if (found := _BASE.search(mail.text))), "")
    needed = [found.decode() for mail in told for found in _PREREQUISITE.findall(mail.text)]
    title = (posting.cover or ready[0]).subject.title
    return Series(
        title,
        posting.version,
        patches,
        base,
        origin,
        posting.notes,
        tuple(dict.fromkeys(needed)),
        posting.cover.message_id if posting.cover else posted[0].message_id,
        posting.suffix,
    )


def _numbered(mail: Mail, number: int, total: int) -> Mail:
    """Reduce the mail's subject to number and title, so that copies compare equal."""
    return replace(mail, subject=Subject(mail.subject.title or "(no subject)", number, total), message_id="")


def _prepared(mails: Sequence[Mail], store: Store | None, *, deadline: Deadline) -> tuple[Mail, ...]:
    """Prepare mails with b4; a mail whose diff b4 would change is kept unchanged.

    b4 drops carriage returns and bytes that are not UTF-8, which files of old kernels hold.
    """
    plain = [mail.resolve() for mail in mails]
    prepared = prepare_mails(plain, store=store, deadline=deadline) or ()
    found = [read_mail(one)[0] for one in prepared] or plain
    return tuple(
        replace(one, sent_diff=own.sent_diff) if diff_lines(one.text) == diff_lines(own.text) else own
        for one, own in zip(found, plain, strict=True)
    )


def _files(text: bytes) -> tuple[str, ...]:
    return tuple(dict.fromkeys(file for change in read_changes(text) for file in change.files))


def _patch_ids(mails: Sequence[bytes], *, deadline: Deadline) -> dict[int, str]:
    """Return the patch-id of each mail by its number, which a made-up commit hash in the first line carries."""
    stream = b"".join(b"From %040x Mon Sep 17 00:00:00 2001\n%b\n" % pair for pair in enumerate(mails, 1))
    said = git(None, "patch-id", "--stable", stdin=stream, deadline=deadline)
    pairs = (line.split() for line in said.text.splitlines())
    return {int(number, 16): patch_id for patch_id, number in pairs}


_FORMAT = (
    *("format-patch", "--stdout", "--full-index", "--no-renames", "--no-signature", "--no-numbered", "--no-thread"),
    *("--no-attach", "--no-cover-letter", "--no-base", "--no-notes", "--no-color", "--no-ext-diff", "--no-textconv"),
    *("--src-prefix=a/", "--dst-prefix=b/"),
)


def series_of_range(repository: Repository, text: str, *, head: str, deadline: Deadline) -> Series:
    """Make a series of the commits of a range; its ``base_commit`` is where they leave A's history.

    :param repository: ours; branches and tags are looked up in the one that it borrows from.
    :param text: ``A..B``; an empty side is ``head``.
    :param head: the commit of the source, by its full hash.
    :raises UsageError: one side names no commit, or there is no commit in between.
    :raises SeriesError: there are merges in between, or too many commits, or a commit that no series may hold.
    :raises HostError: git is missing, or did not end before the deadline.
    """
    sides = []
    for side in text.split("..", 1):
        commit = find_commit(repository, side, deadline=deadline) if side else head
        if not commit:
            raise UsageError(f"{side!r} (in {text}) is not a commit of the tree", remedy="give a tag, branch or hash")
        sides.append(commit)
    between = f"{sides[0]}..{sides[1]}"
    count = int(repository.git("rev-list", "--count", between, deadline=deadline).text)
    if count == 0:
        raise UsageError(f"no commits in {text}", remedy="give the newer commit on the right: OLD..NEW")
    merges = repository.git("rev-list", "--merges", "--oneline", "--max-count=3", between, deadline=deadline).text
    if merges or count > PATCHES_LIMIT:
        raise SeriesError(
            f"{text} is not a series: " + ("it has merges" if merges else f"it has {count} commits"),
            evidence=merges,
            remedy="to test such a history, give the tree at its end, PATH@REVISION",
        )
    made = repository.git(*_FORMAT, between, deadline=deadline).stdout
    base = repository.git("merge-base", *sides, deadline=deadline, check=False).text.strip()
    return series_of_mails(read_mailbox(made), origin=text, base_commit=base, deadline=deadline)
