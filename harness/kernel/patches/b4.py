# SPDX-License-Identifier: GPL-2.0-only
"""The wrapper of b4, which makes patches of mails as the kernel's maintainers do. Offline, without user settings."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import Surroundings, find_program, run
from harness.base.scratch import scratch_folder
from harness.base.store import Store, digest_of
from harness.kernel.mail.mailbox import Mail
from harness.kernel.mail.subject import Subject

# Signatures are checked with keys from the network.
_SETTINGS = "[b4]\n\tattestation-policy = off\n"
_PREPARED = "b4-mails"
# Grows when b4 is asked in another way.
_VERSION = "1"
# What b4 puts before each mail (save_git_am_mbox).
_BETWEEN = re.compile(rb"^From git@z Thu Jan  1 00:00:00 1970\n", re.MULTILINE)
_FROM = re.compile(rb"^(>*From )", re.MULTILINE)
_FROM_QUOTED = re.compile(rb"^>(From .*)$", re.MULTILINE)
# Trailers out of replies (-T turns them off) would make another commit of the same patch with every further reply.
_WORDS = ("--offline-mode", "am", "--no-add-trailers", "--no-cache")
_WORDS_OUT = ("--allow-unicode-control-chars", "--no-partial-reroll", "-m", "-", "-o", "-")


def find_b4() -> Path | None:
    """Find b4 beside this Python, else on PATH; None if there is none."""
    beside = Path(sys.executable).with_name("b4")
    return beside if os.access(beside, os.X_OK) else find_program("b4")


def prepare_mails(mails: Sequence[Mail], *, store: Store | None, deadline: Deadline) -> tuple[bytes, ...] | None:
    """Prepare mails for git-am(1) with b4; None when b4 does not read one whole series in them.

    :param mails: the patches of one series, complete and in order; their subjects are numbered again.
    :param store: where to keep what b4 said, as starting it takes half a second; None to ask it each time.
    :raises HostError: b4 is missing, or did not end before the deadline.
    :raises UsageError: the store cannot be written.
    """
    total = len(mails)
    mailbox = b"".join(_quoted(mail, number, total) for number, mail in enumerate(mails, 1))
    key = digest_of(_VERSION, mailbox)
    fact = (store.recall(_PREPARED, key) or {}) if store else {}
    kept = fact.get("said")
    if not isinstance(kept, str):
        kept = _ask(mailbox, deadline=deadline).decode("latin-1")
        if store:
            store.remember(_PREPARED, key, {"said": kept})
    prepared = _BETWEEN.split(kept.encode("latin-1"))[1:]
    if len(prepared) != total:
        return None
    return tuple(_as_written(one, mail) for one, mail in zip(prepared, mails, strict=True))


def _ask(mailbox: bytes, *, deadline: Deadline) -> bytes:
    """Run b4 on a mailbox; return its output, empty when it fails."""
    program = find_b4()
    if program is None:
        raise HostError("b4 is missing, which reads mailboxes", remedy="run ./bootstrap, or: pip install 'b4>=0.13'")
    with scratch_folder("b4") as folder:
        home = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"), str(folder))
        settings = folder / "gitconfig"
        settings.write_text(_SETTINGS)
        git = {"GIT_CONFIG_GLOBAL": str(settings), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CEILING_DIRECTORIES": str(folder)}
        env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **home, **git}
        said = run(
            [program, *_WORDS, *_WORDS_OUT],
            stdin=mailbox,
            within=Surroundings(cwd=folder, env=env),
            check=False,
            deadline=deadline,
        )
    return said.stdout if said.status == 0 else b""


def _as_written(prepared: bytes, mail: Mail) -> bytes:
    """Undo b4's changes: quoted lines that begin with ``From``, and empty lines at the end."""
    lines = set(mail.text.split(b"\n"))
    plain = _FROM_QUOTED.sub(lambda found: found.group(1) if found.group(1) in lines else found.group(), prepared)
    return plain.rstrip(b"\n") + b"\n"


def _quoted(mail: Mail, number: int, total: int) -> bytes:
    """Return a mail for b4's mailbox (mboxrd), with an unambiguous subject and Message-ID."""
    subject = Subject(mail.subject.title, number, total)
    plain = replace(mail, subject=subject, message_id=mail.message_id or f"patch-{number}@localhost").render()
    return b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + _FROM.sub(rb">\1", plain) + b"\n"
