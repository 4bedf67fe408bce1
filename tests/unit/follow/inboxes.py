# SPDX-License-Identifier: GPL-2.0-only
"""Mails of made-up series, and the sources that hold them: git inboxes, Maildirs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.user_git import user_git

_IDENTITY = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
for _role in ("AUTHOR", "COMMITTER"):
    _IDENTITY |= {f"GIT_{_role}_NAME": "Inbox", f"GIT_{_role}_EMAIL": "inbox@host.example"}
    _IDENTITY[f"GIT_{_role}_DATE"] = "1790000000 +0000"
LIST = "cgroups@vger.kernel.org"
START = 1_790_000_000
"""The time of the first mail, in seconds since the epoch."""


@dataclass(frozen=True)
class Post:
    """A mail.

    :param subject: its subject line.
    :param name: its Message-ID.
    :param answers: the Message-ID that it answers.
    :param file: the file that its patch changes; empty for no patch.
    """

    subject: str
    name: str
    answers: str = ""
    sender: str = "Ann Other <ann@host.example>"
    file: str = "kernel/cgroup/cgroup.c"
    text: str = "Why.\n"
    headers: str = ""

    def render(self) -> bytes:
        """Return the bytes of the mail."""
        answered = f"In-Reply-To: <{self.answers}>\n" if self.answers else ""
        head = (
            f"From: {self.sender}\nTo: {LIST}\nCc: Bob <bob@host.example>\nDate: Mon, 21 Sep 2026 10:00:00 +0000\n"
            f"Subject: {self.subject}\nMessage-ID: <{self.name}>\n{answered}List-Id: <cgroups.vger.kernel.org>\n"
            f"Content-Type: text/plain; charset=UTF-8\n{self.headers}\n"
        )
        return f"{head}{self.text}{self._diff() if self.file else ''}".encode()

    def _diff(self) -> str:
        head = f"---\ndiff --git a/{self.file} b/{self.file}\nindex 1234567..89abcde 100644\n"
        return f"{head}--- a/{self.file}\n+++ b/{self.file}\n@@ -1,3 +1,3 @@\n a\n-b\n+{self.name}\n c\n-- \n2.40.0\n"


def series(
    name: str, titles: Sequence[str], *, version: int = 1, answers: str = "", cover: str = "", **more: str
) -> list[Post]:
    """Return the mails of a series: ``NAME-v2-3@host`` is the third patch of version 2, ``-0`` the cover letter."""
    word = "PATCH" if version == 1 else f"PATCH v{version}"
    total = len(titles)
    posts = []
    if cover:
        posts.append(
            Post(f"[{word} 0/{total}] {cover}", f"{name}-v{version}-0@host", answers, file="", **without(more))
        )
    for number, title in enumerate(titles, 1):
        head = f"[{word} {number}/{total}]" if total > 1 or cover else f"[{word}]"
        above = posts[0].name if posts else answers
        posts.append(Post(f"{head} {title}", f"{name}-v{version}-{number}@host", above, **more))
    return posts


def without(more: dict[str, str]) -> dict[str, str]:
    """Return the fields of a cover letter, which has no file."""
    return {key: value for key, value in more.items() if key != "file"}


@dataclass
class GitInbox:
    """A public-inbox of version 2 on this host.

    :param folder: its folder.
    """

    folder: Path
    epoch: int = 0
    _parent: dict[int, str] = field(default_factory=dict)
    _seconds: int = START

    @property
    def repository(self) -> Path:
        """Return the repository of the newest epoch."""
        return self.folder / "git" / f"{self.epoch}.git"

    def add(self, mails: Iterable[bytes]) -> None:
        """Add mails, a commit each, by git-fast-import(1)."""
        if not self.repository.exists():
            self.repository.mkdir(parents=True)
            user_git(self.repository, "init", "--quiet", "--bare", "--initial-branch=master", env=self._env)
        stream: list[bytes] = []
        parent = self._parent.get(self.epoch, "")
        for mail in mails:
            self._seconds += 60
            who = f"Inbox <inbox@host.example> {self._seconds} +0000"
            stream.append(f"commit refs/heads/master\nauthor {who}\ncommitter {who}\ndata 4\nmail\n".encode())
            stream.append(f"from {parent}\n".encode() if parent else b"")
            stream.append(b"M 100644 inline m\ndata %d\n%b\n" % (len(mail), mail))
            parent = ""
        if not stream:
            return
        user_git(self.repository, "fast-import", "--quiet", "--force", env=self._env, stdin=b"".join(stream))
        self._parent[self.epoch] = self.head

    @property
    def head(self) -> str:
        """Return the newest commit."""
        return user_git(self.repository, "rev-parse", "master", env=self._env).decode().strip()

    def rewrite(self, mails: Iterable[bytes]) -> None:
        """Replace the whole history of the epoch, as ``public-inbox-edit`` and a purge do."""
        user_git(self.repository, "update-ref", "-d", "refs/heads/master", env=self._env)
        self._parent.pop(self.epoch, None)
        self._seconds += 7
        self.add(mails)
        user_git(self.repository, "reflog", "expire", "--expire=now", "--all", env=self._env)
        user_git(self.repository, "gc", "--quiet", "--prune=now", env=self._env)

    @property
    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], **_IDENTITY}


def make_maildir(folder: Path) -> Path:
    """Make an empty Maildir."""
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


def deliver(maildir: Path, mails: Iterable[bytes]) -> None:
    """Put mails into a Maildir."""
    for mail in mails:
        number = len(list((maildir / "new").iterdir())) + len(list((maildir / "cur").iterdir()))
        (maildir / "new" / f"{number:06}.host").write_bytes(mail)


def make_tree(folder: Path) -> str:
    """Make a git tree with one commit that a rule can name as its base; return its hash."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(folder)], check=True)
    (folder / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n")
    (folder / "Kconfig").write_text('mainmenu "Linux"\n')
    env = {"PATH": os.environ["PATH"], **_IDENTITY}
    user_git(folder, "add", "--all", env=env)
    user_git(folder, "commit", "--quiet", "-m", "the tree", env=env)
    return user_git(folder, "rev-parse", "HEAD", env=env).decode().strip()
