# SPDX-License-Identifier: GPL-2.0-only
"""A tiny kernel tree in git, its patches as real git makes them, and threads of mails as list archives keep them."""

from __future__ import annotations

import base64
import quopri
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.base.deadline import Deadline
from tests.user_git import user_git

SOON = Deadline.after(3600)
_AUTHOR = {"NAME": "Jörg Ünal", "EMAIL": "joerg@host.example"}
_POSTMARK = re.compile(rb"^From [0-9a-f]{40} Mon Sep 17 00:00:00 2001\n", re.MULTILINE)


class Tree:
    """A git repository in a folder, with an identity and a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds = 1_700_000_000
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str, stdin: bytes = b"", check: bool = True) -> bytes:
        """What git says on standard output."""
        variables = {f"GIT_{role}_{name}": value for role in ("AUTHOR", "COMMITTER") for name, value in _AUTHOR.items()}
        dates = {f"GIT_{role}_DATE": f"{self.seconds} +0100" for role in ("AUTHOR", "COMMITTER")}
        fixed = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
        return user_git(self.folder, *words, env={**fixed, **variables, **dates}, stdin=stdin, check=check)

    def commit(self, subject: str, files: Mapping[str, bytes | None], body: str = "") -> str:
        """Write files (None removes one) and commit; returns the hash."""
        for name, content in files.items():
            path = self.folder / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        self.seconds += 60
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", subject, *(["-m", body] if body else []))
        return self.git("rev-parse", "HEAD").decode().strip()

    def mails(self, commits: str, *options: str) -> list[bytes]:
        """What git-format-patch(1) makes of a range: one mail each, the ``From `` line taken off."""
        made = self.git("format-patch", "--stdout", *options, commits)
        return [mail.rstrip(b"\n") + b"\n" for mail in _POSTMARK.split(made)[1:]]


def lines(count: int = 20, **changed: str) -> bytes:
    """A file of numbered lines; ``line5="five"`` says what stands on the fifth."""
    return b"".join(changed.get(f"line{at}", f"{at}").encode() + b"\n" for at in range(1, count + 1))


def make_tree(folder: Path) -> Tree:
    """A tree with a commit tagged ``base`` and three more, one a patch."""
    tree = Tree(folder)
    tree.commit("base", {"kernel/fork.c": lines(), "kernel/cgroup/cgroup.c": lines(40), "Makefile": b"all:\n\ttrue\n"})
    tree.git("tag", "base")
    tree.commit("fork: say fünf", {"kernel/fork.c": lines(line5="fünf")}, "From 1 to 20.\n\nSigned-off-by: J <j@h>")
    tree.commit("cgroup: say ten", {"kernel/cgroup/cgroup.c": lines(40, line10="ten")})
    tree.commit("fork: say fifteen", {"kernel/fork.c": lines(line5="fünf", line15="fifteen")})
    return tree


def with_headers(mail: bytes, **headers: str) -> bytes:
    """A mail with headers put in place of its own; ``in_reply_to`` is ``In-Reply-To``."""
    head, _, body = mail.partition(b"\n\n")
    for key, value in headers.items():
        name = key.replace("_", "-").encode()
        head = re.sub(rb"(?im)^%b:.*\n?(?:[ \t].*\n?)*" % name, b"", head + b"\n").rstrip(b"\n")
        if value:
            head += b"\n%b: %b" % (name.title(), value.encode())
    return head + b"\n\n" + body


def numbered(mails: Sequence[bytes], version: int = 1) -> list[bytes]:
    """The mails with a Message-ID each: ``v2-3@host`` is the third of version 2, ``v2-0@host`` its cover letter."""
    first = 0 if re.search(rb"^Subject: \[[^]]* 0+/", mails[0], re.MULTILINE) else 1
    return [with_headers(mail, message_id=f"<v{version}-{at}@host>") for at, mail in enumerate(mails, first)]


def reply(to: str, subject: str, text: str = "> looks good\n\nAcked-by: A <a@host>\n") -> bytes:
    """An answer to the mail with that Message-ID."""
    head = f"From: A <a@host>\nDate: Sat, 2 Jan 2016 10:00:00 +0000\nSubject: {subject}\n"
    return (head + f"Message-ID: <re-{abs(hash((to, subject, text)))}@host>\nIn-Reply-To: <{to}>\n\n{text}").encode()


def mailbox(mails: Sequence[bytes], postmark: str = "mboxrd@z Thu Jan  1 00:00:00 1970") -> bytes:
    """A mailbox (mboxrd) of mails."""
    quoted = (re.sub(rb"^(>*From )", rb">\1", mail, flags=re.MULTILINE) for mail in mails)
    return b"".join(b"From %b\n%b\n" % (postmark.encode(), mail) for mail in quoted)


def recoded(mail: bytes, encoding: str) -> bytes:
    """A mail with its text in another transfer encoding."""
    body = mail.partition(b"\n\n")[2]
    coded = base64.encodebytes(body) if encoding == "base64" else quopri.encodestring(body)
    typed = with_headers(mail, content_transfer_encoding=encoding, content_type="text/plain; charset=UTF-8")
    return typed.partition(b"\n\n")[0] + b"\n\n" + coded
