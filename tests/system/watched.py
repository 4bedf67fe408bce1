# SPDX-License-Identifier: GPL-2.0-only
"""``harness watch``, started as a program at a pseudo-terminal or with a pipe, and what it prints."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pexpect
import psutil

from harness.base.store import STORE_VARIABLE
from tests.program import environment, harness, signals_by_default

PATIENCE = 180
"""Seconds for a build, a boot and a few cases on a busy host."""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Watched:
    """A running ``harness watch``.

    :param child: the program, with its terminal.
    """

    def __init__(self, child: pexpect.spawn[str]) -> None:
        self.child = child
        self.seen = ""

    def wait_for(self, text: str) -> str:
        """Wait until a text is printed, and return all that was printed since the last call, without escapes."""
        self.child.expect_exact(text)
        self.seen = _ESCAPES.sub("", f"{self.child.before}{text}")
        return self.seen

    def end(self) -> int:
        """Wait for the end of the program, and return its exit status."""
        self.child.expect(pexpect.EOF)
        self.seen = _ESCAPES.sub("", self.child.before or "")
        self.child.wait()
        return -(self.child.signalstatus or 0) if self.child.exitstatus is None else self.child.exitstatus

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        assert self.child.pid is not None
        return self.child.pid


@contextlib.contextmanager
def watched(
    *arguments: str | Path, cwd: Path, term: str = "xterm-256color", store: Path | None = None
) -> Iterator[Watched]:
    """Start ``harness watch`` at a terminal of 80 columns, and end it with the block.

    :param term: the kind of terminal; ``dumb`` for plain lines.
    :param store: the store; None for that of the user.
    """
    program, *rest = harness("watch", *arguments)
    with signals_by_default():
        child: pexpect.spawn[str] = pexpect.spawn(
            program,
            rest,
            cwd=str(cwd),
            env={**environment(TERM=term), "COLUMNS": "80", **({STORE_VARIABLE: str(store)} if store else {})},
            dimensions=(25, 80),
            timeout=PATIENCE,
            encoding="utf-8",
            codec_errors="replace",
        )
    try:
        yield Watched(child)
    finally:
        child.close(force=True)


@contextlib.contextmanager
def held(pid: int) -> Iterator[dict[int, str]]:
    """Open descriptors of all processes below a process, by the words that they were started with."""
    found = {}
    for one in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            found[os.pidfd_open(one.pid)] = " ".join(one.cmdline())
    try:
        yield found
    finally:
        for descriptor in found:
            os.close(descriptor)
