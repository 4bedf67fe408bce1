# SPDX-License-Identifier: GPL-2.0-only
"""Run a function in a thread while this one goes on; its result, or its error, is given when it is awaited."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Meanwhile(Generic[T]):
    """A function that runs in a thread of its own.

    A process that exits does not wait for it; programs that it started end with the process, see ``quick_start``.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        """Start the thread."""
        self._function = function
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="meanwhile", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:  # raised again where the result is awaited
            self._error = error

    def wait(self) -> None:
        """Wait for the end of the function, whatever it is."""
        self._thread.join()

    def result(self) -> T:
        """Wait for the end of the function and return its result, or raise its error."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._results[0]


@contextlib.contextmanager
def meanwhile(function: Callable[[], T]) -> Iterator[Meanwhile[T]]:
    """Run a function during the block; it has ended when the block ends."""
    one = Meanwhile(function)
    try:
        yield one
    finally:
        one.wait()
