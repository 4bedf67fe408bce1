# SPDX-License-Identifier: GPL-2.0-only
"""Read single keys from the terminal, and restore its modes."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import tty
from collections.abc import Iterator
from enum import Enum


class Key(Enum):
    """A key of ``harness watch``."""

    RERUN = "\n"
    FAILED = "f"
    ALL = "a"
    DIFF = "d"
    SHELL = "s"
    QUIT = "q"


_KEYS = {key.value: key for key in Key}
KEYS_LINE = "enter rerun  f failed only  a all  d diff  s shell  q quit"


class Keyboard:
    """The terminal on standard input, in cbreak mode: keys come one by one, and Ctrl-C interrupts as usual."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        self._modes = termios.tcgetattr(self._descriptor)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._descriptor

    def take(self) -> list[Key]:
        """Return the keys that were pressed; other ones are ignored, and the end of input means to quit."""
        data = os.read(self._descriptor, 256).decode(errors="replace").replace("\r", "\n")
        return [_KEYS[one] for one in data.lower() if one in _KEYS] if data else [Key.QUIT]

    def listen(self) -> None:
        """Enter cbreak mode."""
        tty.setcbreak(self._descriptor)

    def restore(self) -> None:
        """Restore the modes that the terminal had, and drop keys that were not read."""
        with contextlib.suppress(termios.error, OSError):  # the terminal is gone
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, self._modes)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Give the terminal to another program for the length of the block."""
        self.restore()
        try:
            yield
        finally:
            self.listen()


@contextlib.contextmanager
def single_keys() -> Iterator[Keyboard]:
    """Read single keys for the length of a ``with`` block."""
    keyboard = Keyboard()
    keyboard.listen()
    try:
        yield keyboard
    finally:
        keyboard.restore()
