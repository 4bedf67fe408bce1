# SPDX-License-Identifier: GPL-2.0-only
"""Handle termination from outside: signals, and a reader of standard output that ends."""

from __future__ import annotations

import contextlib
import select
import signal
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM and SIGHUP: ``kill``, ``timeout``, a canceled CI job, a closed terminal.

    Finished results are then written to disk, and the terminal is restored.
    """
    before = {}
    with contextlib.suppress(ValueError):  # not the main thread
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_reader_gone() -> bool:
    """Return whether standard output is a pipe without a reader."""
    poll = select.poll()
    poll.register(sys.__stdout__ or sys.stdout, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
