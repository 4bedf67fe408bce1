# SPDX-License-Identifier: GPL-2.0-only
"""The agent of a host: starts its workers, and ends them with everything below when the submitting host is gone.

    python -m harness.hosts.agent

It reads its settings as the first line of standard input, then lines that only say that the submitting host lives. It
ends when the input ends, as ssh(1) closes it with the connection, or when the input has been silent for too long.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from harness.base import process
from harness.base.json_records import dump_value, from_table, parse_json
from harness.base.scratch import scratch_folder
from harness.base.signals import signals_as_interrupts
from harness.hosts.wire import ABORT, AgentSettings
from harness.hosts.worker import AUTHORITY, CERTIFICATE, DESCRIPTION, KEY

_LOOK_SECONDS = 0.2
_MOST_STARTS = 5
"""How often a worker is started: one that dies each time is left alone."""


class _Workers:
    """The worker processes of this host."""

    def __init__(self, folder: Path, count: int, ends: ExitStack) -> None:
        self._folder = folder
        self._ends = ends
        self._starts = [0] * count
        self._children = [self._start(number) for number in range(count)]

    def _start(self, number: int) -> process.Child:
        self._starts[number] += 1
        words = process.python("harness.hosts.worker", str(self._folder), str(number))
        with (self._folder / f"worker-{number}.log").open("ab") as log:
            return self._ends.enter_context(
                process.start(words, stdin=process.PIPE, stdout=log.fileno(), stderr=log.fileno())
            )

    def restart_ended(self) -> bool:
        """Start a worker again that has ended, a limited number of times; return whether a worker runs."""
        for number, child in enumerate(self._children):
            if child.poll() is not None and self._starts[number] < _MOST_STARTS:
                self._children[number] = self._start(number)
        return any(child.poll() is None for child in self._children)

    def last_words(self) -> bytes:
        """Return the end of the output of the workers, which says why none runs."""
        logs = [(self._folder / f"worker-{number}.log").read_bytes() for number in range(len(self._children))]
        return max(logs, key=len)[-1000:]

    def tell(self, line: bytes) -> None:
        """Pass a line on to each worker."""
        for child in self._children:
            assert child.stdin is not None
            with contextlib.suppress(OSError):
                child.stdin.write(line + b"\n")
                child.stdin.flush()


def _write_settings(folder: Path, settings: AgentSettings) -> None:
    """Write the settings and the key to files that only this user can read."""
    os.umask(0o077)
    for name, text in ((AUTHORITY, settings.authority), (CERTIFICATE, settings.certificate), (KEY, settings.key)):
        (folder / name).write_text(text)
    (folder / DESCRIPTION).write_text(dump_value(replace(settings, key="", certificate="", authority="")))


def _lines(silence_seconds: float, workers: _Workers) -> None:
    """Read lines until the input ends or is silent for too long."""
    heard, rest = time.monotonic(), b""
    while time.monotonic() - heard < silence_seconds:
        if select.select([0], [], [], _LOOK_SECONDS)[0]:
            if not (data := os.read(0, 65536)):
                return
            heard = time.monotonic()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.startswith(ABORT.encode()):
                    workers.tell(line)
        if not workers.restart_ended():
            os.write(2, b"no worker starts:\n" + workers.last_words())
            return


def _first_line() -> str:
    """Read a line byte by byte: what follows it is read from the descriptor."""
    line = b""
    while not line.endswith(b"\n") and (one := os.read(0, 1)):
        line += one
    return line.decode()


def main() -> None:
    """Serve until the submitting host is gone."""
    # Not killed with the process that started it: this one removes the folder and ends the workers.
    process.outlive_parent()
    with contextlib.suppress(PermissionError):
        # Ctrl-C at the submitting host's terminal is not for the workers.
        os.setsid()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    text = _first_line()
    if not text:
        return
    settings = from_table(AgentSettings, parse_json(text, "the settings"), name="settings", source="the settings")
    with (
        contextlib.suppress(KeyboardInterrupt),
        signals_as_interrupts(),
        scratch_folder("host") as folder,
        ExitStack() as ends,
    ):
        _write_settings(folder, settings)
        _lines(settings.silence_seconds, _Workers(folder, len(settings.contacts), ends))


if __name__ == "__main__":
    main()
