# SPDX-License-Identifier: GPL-2.0-only
"""Call a function when nothing else has happened for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Heartbeat:
    """A thread that calls a function after each period of silence.

    :param beat: the function; it is called in the thread.
    :param seconds: the length of the silence before a call.
    """

    def __init__(self, beat: Callable[[], None], *, seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._change = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._watch, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def touch(self) -> None:
        """Note a sign of life: the silence begins again."""
        with self._change:
            self._change.notify()

    def stop(self) -> None:
        """End the thread and wait for its end."""
        with self._change:
            self._is_stopped = True
            self._change.notify()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            with self._change:
                is_silent = not self._is_stopped and not self._change.wait(self._seconds)
                if self._is_stopped:
                    return
            if is_silent:
                self._beat()
