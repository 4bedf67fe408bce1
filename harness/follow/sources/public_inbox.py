# SPDX-License-Identifier: GPL-2.0-only
"""Read the mails of a public-inbox: git repositories in which each commit adds one mail.

Version 2 has a repository an epoch, ``git/0.git``, ``git/1.git``, ..., and the mail in a file ``m``; version 1 has one
repository, and each mail in a file of its own (public-inbox-v2-format(5), public-inbox-v1-format(5)). In both, a mail
is a blob that a commit adds; a file ``d`` takes a mail back.

An inbox at an address is mirrored in the folder of the state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.json_records import read_facts
from harness.follow.sources.batch import BATCH_MAILS, Batch
from harness.kernel.git.command import git
from harness.kernel.git.user_repository import is_git_dir

_ADDED = re.compile(r":\d+ 100\d+ [0-9a-f]+ ([0-9a-f]{40,64}) [AM]\t(.*)")
_EPOCH = re.compile(r"(\d{1,4})\.git")
_DELETED = "d"
_FETCH_SECONDS = 1800.0
_MOST_EPOCHS = 100
_DAY = 86400.0
_REWRITTEN_DAYS = 30
"""How many days more than at the first time are read where the whole history was replaced."""


@dataclass(frozen=True, slots=True)
class PublicInbox:
    """A public-inbox.

    :param place: a folder with epochs, a repository, or the address of an inbox.
    :param mirror: the folder for the mirror of an inbox at an address.
    :param mail_bytes: the bound of a mail; of a larger one, only one byte more is read.
    :param since: seconds since the epoch: older mails are left out at the first time.
    :param deadline: the deadline of all programs.
    """

    place: str
    mirror: Path
    mail_bytes: int
    since: float
    deadline: Deadline

    def read(self, cursor: str) -> Iterator[Batch]:
        """Yield the mails after a cursor: the newest known commit of each epoch."""
        known = read_facts(dict[str, str], cursor) or {}
        for epoch, folder in self._epochs(known):
            head = git(folder, "rev-parse", "--verify", "--quiet", "HEAD", check=False, deadline=self.deadline).text
            if not (head := head.strip()) or known.get(epoch) == head:
                continue
            commits, note = self._commits(folder, known.get(epoch, ""), head, is_first=not cursor)
            for at in range(0, len(commits), BATCH_MAILS):
                part = commits[at : at + BATCH_MAILS]
                mails = self._mails(folder, [blob for _, blobs in part for blob in blobs])
                known = {**known, epoch: part[-1][0]}
                yield Batch(json.dumps(known), mails, note=note if at == 0 else "")
            known = {**known, epoch: head}
            yield Batch(json.dumps(known))

    def _commits(
        self, folder: Path, known: str, head: str, *, is_first: bool
    ) -> tuple[list[tuple[str, list[str]]], str]:
        """Return the commits after a known one, oldest first, each with its blobs, and a note."""
        note, after = "", self._since(0) if is_first else []
        if known:
            fork = git(folder, "merge-base", known, head, check=False, deadline=self.deadline).text.strip()
            if fork != known:
                note = "its history was rewritten; mails that are known are passed over"
                after = [f"^{fork}"] if fork else self._since(_REWRITTEN_DAYS)
            else:
                after = [f"^{known}"]
        form = ("--reverse", "--raw", "--no-abbrev", "--root", "--no-renames", "--format=commit %H")
        listed = git(folder, "-c", "log.showRoot=true", "log", *form, *after, head, "--", deadline=self.deadline)
        commits: list[tuple[str, list[str]]] = []
        for line in listed.text.splitlines():
            if line.startswith("commit "):
                commits.append((line.removeprefix("commit "), []))
            elif commits and (found := _ADDED.fullmatch(line)) and found[2] != _DELETED:
                commits[-1][1].append(found[1])
        return commits, note

    def _since(self, days: int) -> list[str]:
        """Return the argument of git-log(1) that leaves out what is older than the bound by some days."""
        bound = self.since - days * _DAY
        return [f"--since={datetime.fromtimestamp(bound, UTC).isoformat()}"] if bound > 0 else []

    def _mails(self, folder: Path, blobs: Sequence[str]) -> tuple[bytes, ...]:
        """Read blobs; in place of one above the bound come as many blanks, so that it is known to be too large."""
        sizes = self._cat(folder, "--batch-check=%(objectname) %(objectsize)", blobs).decode()
        listed = [
            (name, int(size))
            for name, _, size in (line.partition(" ") for line in sizes.splitlines())
            if size.isdigit()
        ]
        wanted = [name for name, size in listed if size <= self.mail_bytes]
        content = self._cat(folder, "--batch=%(objectname) %(objectsize)", wanted)
        found: dict[str, bytes] = {}
        at = 0
        while (end := content.find(b"\n", at)) >= 0:
            name, _, size = content[at:end].decode().partition(" ")
            at = end + 1
            if size.isdigit():
                found[name] = content[at : at + int(size)]
                at += int(size) + 1
        return tuple(found.get(name, b" " * (self.mail_bytes + 1)) for name, _ in listed)

    def _cat(self, folder: Path, form: str, names: Sequence[str]) -> bytes:
        lines = "".join(f"{name}\n" for name in names).encode()
        return git(folder, "cat-file", form, stdin=lines, deadline=self.deadline).stdout

    def _epochs(self, known: dict[str, str]) -> Iterator[tuple[str, Path]]:
        """Yield the number and folder of each repository that may have new mails, oldest first."""
        if "://" in self.place:
            yield from self._mirrored(known)
            return
        folder = Path(self.place)
        if is_git_dir(folder) or (folder / ".git").is_dir():
            yield "0", folder if is_git_dir(folder) else folder / ".git"
            return
        within = folder / "git" if (folder / "git").is_dir() else folder
        names = [path.name for path in within.iterdir()] if within.is_dir() else []
        epochs = sorted(int(found[1]) for name in names if (found := _EPOCH.fullmatch(name)))
        if not epochs:
            raise UsageError(
                f"{self.place} is not a public-inbox",
                evidence="it is neither a git repository nor a folder with git/0.git",
                remedy="clone one: git clone --mirror https://lore.kernel.org/NAME/0 NAME/git/0.git",
            )
        newest = max(map(int, known), default=0)
        # On the first time, an inbox of many epochs is not read from its beginning.
        for epoch in epochs if known else epochs[-2:]:
            if epoch >= newest - 1:
                yield str(epoch), within / f"{epoch}.git"

    def _mirrored(self, known: dict[str, str]) -> Iterator[tuple[str, Path]]:
        """Fetch the newest known epoch and those after it; at the first time the newest two."""
        first = max(map(int, known), default=-1)
        epochs = list(range(max(first, 0), self._newest_epoch(max(first, 0)) + 1))
        for epoch in epochs if known else epochs[-2:]:
            folder, address = self.mirror / f"{epoch}.git", f"{self.place}/{epoch}"
            if not (folder / "HEAD").exists():
                git(None, "init", "--quiet", "--bare", str(folder), deadline=self.deadline)
            words = ("fetch", "--quiet", "--no-tags", "--", address, "+HEAD:refs/heads/master")
            done = git(folder, *words, check=False, deadline=self.deadline.sooner(_FETCH_SECONDS))
            if done.status != 0:
                raise self._unreachable(address, done.complaint)
            git(folder, "symbolic-ref", "HEAD", "refs/heads/master", deadline=self.deadline)
            yield str(epoch), folder

    def _newest_epoch(self, first: int) -> int:
        """Return the number of the newest epoch, which has the highest number.

        :raises HostError: the first one cannot be read.
        """
        for epoch in range(first, _MOST_EPOCHS):
            address = f"{self.place}/{epoch}"
            done = git(None, "ls-remote", "--", address, "HEAD", check=False, deadline=self.deadline)
            if done.status != 0:
                if epoch == first:
                    raise self._unreachable(address, done.complaint)
                return epoch - 1
        return _MOST_EPOCHS - 1

    def _unreachable(self, address: str, evidence: str) -> HostError:
        remedy = f"check the address: git ls-remote {address}"
        return HostError(f"{address} cannot be read", evidence=evidence, remedy=remedy)
