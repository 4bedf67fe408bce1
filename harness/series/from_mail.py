# SPDX-License-Identifier: GPL-2.0-only
"""Find the series of a single mail: in its thread, or in the history of the tree."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.atomic_write import write_whole
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, UsageError
from harness.base.store import Store, digest_of
from harness.kernel.mail.mailbox import Mail, read_mail
from harness.kernel.mail.mbox import is_mail, join_mailbox
from harness.kernel.patches.series import series_of_mails
from harness.kernel.source.tree import Source, source_tree

TRACKING_VARIABLE = "B4_TRACKING_FILE"
"""The variable with which ``b4 review`` names a file about the series under review: base and thread."""
MAIL_BYTES = 16 << 20

_THREADS = "b4-threads"
_HASH = re.compile(r"[0-9a-f]{40,64}")
_LOOKED_THROUGH = 500
_HEAD = "HEAD"


@dataclass(frozen=True, slots=True)
class Posted:
    """A mail of a series, and the source of the whole series.

    :param number: the number of the patch; 0 for the cover letter.
    :param title: the title of the patch.
    :param series: the argument SERIES of ``harness series``.
    :param base: the argument of ``--base``.
    :param is_alone: whether only this patch of a longer series was found.
    """

    number: int
    title: str
    series: str
    base: str
    is_alone: bool = False


def read_posted(
    data: bytes, context: Context, *, base: str, thread: Path | None, folder: Path, environment: Mapping[str, str]
) -> Posted:
    """Find the series of a mail.

    The sources are, in this order: a named mailbox, the thread that b4 reviews, and the history of the tree, where ``b4
    prep`` keeps the series. If none has it, the patch is tested alone.

    :param data: the mail.
    :param base: the argument of ``--base``; empty for the base that b4 knows, or the patch's parent.
    :param thread: the named mailbox; None for none.
    :param folder: the tree in which b4 was started.
    :param environment: the environment variables.
    :raises UsageError: the input is not a mail with a patch, or there is no base.
    :raises HostError: git is missing, or the deadline came.
    """
    mail = _read(data)
    tracking = _read_tracking(environment)
    number = mail.subject.number if mail.subject.number is not None else 1
    if thread is not None:
        return Posted(number, mail.subject.title, str(thread), base or _based(folder, tracking.base))
    if tracking.thread and (text := _blob(context, folder, tracking.thread)):
        return Posted(number, mail.subject.title, _kept(context.store, text), base or _based(folder, tracking.base))
    if not mail.has_diff:
        raise UsageError(
            "the mail on standard input is a cover letter, and its thread was not found",
            evidence=mail.subject.render(),
            remedy="name the thread's mailbox: --thread FILE",
        )
    if found := _in_history(context, folder, mail, base):
        return found
    # Without its number, a patch of a series is a series of one.
    alone = replace(mail, subject=replace(mail.subject, number=None, total=None))
    text = join_mailbox([alone.render()])
    is_alone = (mail.subject.total or 1) > 1
    return Posted(1, mail.subject.title, _kept(context.store, text), base or f"{folder}@{_HEAD}", is_alone)


def _read(data: bytes) -> Mail:
    text = re.sub(rb"\AFrom [^\n]*\n", b"", data.lstrip(b"\n"))
    if not is_mail(text):
        begins = data[:80].decode(errors="replace")
        remedy = "let b4 run it: git config b4.review-perpatch-check-cmd 'harness b4-check'"
        raise UsageError("standard input is not a mail", evidence=f"it begins: {begins!r}", remedy=remedy)
    return read_mail(data)[0]


@dataclass(frozen=True, slots=True)
class _Tracking:
    """The data of b4: the base commit of the series, and the blob with its thread; each may be empty."""

    base: str = ""
    thread: str = ""


def _read_tracking(environment: Mapping[str, str]) -> _Tracking:
    """Read the data of b4; empty if there is none or its format is unknown."""
    try:
        table = json.loads(Path(environment[TRACKING_VARIABLE]).read_text(encoding="utf-8"))["series"]
        found = (str(table.get(name) or "") for name in ("base-commit", "thread-blob"))
    except (KeyError, OSError, ValueError, TypeError, AttributeError):
        return _Tracking()
    return _Tracking(*(one if _HASH.fullmatch(one) else "" for one in found))


def _based(folder: Path, commit: str) -> str:
    return f"{folder}@{commit or _HEAD}"


def _kept(store: Store, mailbox: bytes) -> str:
    """Store a mailbox and return its path; equal mails give equal paths, so that their kernels have one name."""
    key = digest_of(mailbox)

    def fill(folder: Path) -> None:
        write_whole(folder / "series.mbox", mailbox)

    return os.fspath(store.make(_THREADS, key, fill) / "series.mbox")


def _blob(context: Context, folder: Path, name: str) -> bytes:
    """Read the thread that b4 keeps in the repository; empty if it is not there."""
    source = _source(context, folder, _HEAD)
    done = source.repository.git("cat-file", "blob", name, check=False, deadline=context.deadline) if source else None
    return done.stdout if done and done.status == 0 else b""


def _source(context: Context, folder: Path, revision: str) -> Source | None:
    try:
        return source_tree(context, folder, revision=revision)
    except HarnessError:
        if context.deadline.is_past:
            raise
        return None


def _in_history(context: Context, folder: Path, mail: Mail, base: str) -> Posted | None:
    """Find the series among the commits of the tree: the patch by its patch-id, the others by their numbers."""
    source = _source(context, folder, _HEAD)
    if source is None:
        return None
    (patch,) = series_of_mails([mail], origin="standard input", base_commit="", deadline=context.deadline).patches
    history = recent_commits(source, deadline=context.deadline)
    ids = source.repository.git("patch-id", "--stable", stdin=history, deadline=context.deadline).text
    commits: dict[str, str] = dict(line.split() for line in reversed(ids.splitlines()))
    commit = commits.get(patch.patch_id) if patch.patch_id else None
    if commit is None:
        return None
    number, total = mail.subject.number or 1, mail.subject.total or 1
    first = source.repository.git(
        "rev-parse", "--verify", "--quiet", f"{commit}~{number}", check=False, deadline=context.deadline
    )
    if first.status != 0:
        return None
    after = source.repository.git(
        "rev-list", "--reverse", "--ancestry-path", f"{commit}..{source.commit}", deadline=context.deadline
    )
    last = [commit, *after.text.split()][: total - number + 1][-1]
    start = first.text.strip()
    return Posted(number, mail.subject.title, f"{start}..{last}", base or f"{folder}@{start}")


def recent_commits(source: Source, *, deadline: Deadline) -> bytes:
    """Return the diffs of the newest commits of a source, merges left out, in the format that git-patch-id(1) reads.

    Commits without a parent are left out: git shows the oldest commits of a shallow tree as commits that add the whole
    kernel, which takes a minute and a gigabyte.

    :raises HostError: git failed.
    """
    what = ("--full-index", "--no-renames", "--no-merges", "--min-parents=1", "--no-ext-diff", "--no-textconv")
    form = (f"--max-count={_LOOKED_THROUGH}", "--format=From %H Mon Sep 17 00:00:00 2001")
    return source.repository.git("log", "-p", *what, *form, source.commit, deadline=deadline).stdout
