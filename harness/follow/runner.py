# SPDX-License-Identifier: GPL-2.0-only
"""Run tests as child processes: several at once, each within a time limit, all ended with the service."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from harness.base.deadline import Deadline
from harness.base.process import Child, Expired, start
from harness.follow.job import LOG_NAME, Command, Job

_LOG = logging.getLogger(__name__)
END_SECONDS = 30.0
"""How long a test may take to end by itself, before it is killed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A test that ended.

    :param number: the number that it was started with.
    :param status: its exit status; for a signal, minus its number.
    :param is_late: whether its time limit ended it.
    """

    number: int
    status: int
    is_late: bool = False


@dataclass(slots=True)
class _Running:
    child: Child
    pidfd: int
    deadline: Deadline
    ends: contextlib.ExitStack


@dataclass(slots=True)
class Runner:
    """The tests that run.

    :param command: returns the whole command of a test.
    """

    command: Command
    _running: dict[int, _Running] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self.numbers:
            self.end(number)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Return the numbers of the tests that run."""
        return tuple(self._running)

    def start(self, number: int, job: Job, *, seconds: float) -> None:
        """Start a test.

        :param number: a number that no running test has.
        :param seconds: its time limit.
        :raises HostError: the program cannot be started.
        """
        with contextlib.ExitStack() as ends:
            log = ends.enter_context((job.folder / LOG_NAME).open("wb"))
            words = self.command(job.arguments)
            child = ends.enter_context(start(words, stdout=log.fileno(), stderr=log.fileno(), within=job.surroundings))
            pidfd = os.pidfd_open(child.pid)
            ends.callback(os.close, pidfd)
            self._running[number] = _Running(child, pidfd, Deadline.after(seconds), ends.pop_all())
        _LOG.info("test %d began as process %d", number, child.pid)

    def ended(self) -> Iterator[Ended]:
        """Yield the tests that ended since the last call; those beyond their time limit are ended."""
        for number, one in list(self._running.items()):
            status = one.child.poll()
            if status is None and one.deadline.is_past:
                self.end(number)
                yield Ended(number, -signal.SIGTERM, is_late=True)
            elif status is not None:
                del self._running[number]
                one.ends.close()
                _LOG.info("test %d ended with status %d", number, status)
                yield Ended(number, status)

    def end(self, number: int) -> None:
        """End a test: it tidies up by itself, or is killed."""
        one = self._running.pop(number)
        with one.ends:
            one.child.send_signal(signal.SIGTERM)
            with contextlib.suppress(Expired):
                one.child.wait(END_SECONDS)
        _LOG.info("test %d was ended", number)

    def wait(self, seconds: float) -> None:
        """Wait until a test ends, at most that long."""
        poll = select.poll()
        for one in self._running.values():
            poll.register(one.pidfd, select.POLLIN)
            seconds = min(seconds, one.deadline.seconds_left)
        poll.poll(max(0.0, seconds) * 1000)
