# SPDX-License-Identifier: GPL-2.0-only
"""Start the workers of a run before its kernel is ready: what they need takes a second, and a boot leaves time."""

from __future__ import annotations

import contextlib
import importlib
import os
import shlex
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from harness.base import process
from harness.base.events import PhaseStarted
from harness.base.scratch import scratch_folder
from harness.report.display.events import RunEvent, RunReport
from harness.run.workers import warm_worker

_IMPORTED_AHEAD = ("harness.run.recorder", "xdist.dsession", "xdist.scheduler")
"""What this process needs when the first case starts, and takes 0.3 s to import."""
_LONGEST_PATH = 100
"""Of a socket: sun_path has 108 bytes, unix(7)."""


@dataclass(slots=True)
class WarmWorkers:
    """Workers that wait; each serves once.

    :param paths: the sockets that they wait at.
    :param inputs: their standard inputs; closed, they begin to import.
    """

    paths: list[Path] = field(default_factory=list)
    inputs: list[IO[bytes]] = field(default_factory=list)

    def begin(self) -> None:
        """Let them, and this process, import what the cases need; they read the cases, too. The second call is void."""
        if self.inputs:
            threading.Thread(target=_import_ahead, name="imports", daemon=True).start()
        while self.inputs:
            self.inputs.pop().close()

    def begun_by(self, report: RunReport) -> RunReport:
        """Return a receiver that passes events on; they begin with a stage that leaves a processor idle."""

        def receive(event: RunEvent) -> None:
            report(event)
            if isinstance(event, PhaseStarted) and event.leaves_time:
                self.begin()

        return receive

    def specifications(self, specifications: list[str]) -> list[str]:
        """Return the specifications of xdist's gateways, those of warm workers in place of as many others.

        :param specifications: ``popen`` for each worker.
        """
        self.begin()
        taken, self.paths = self.paths[: len(specifications)], self.paths[len(specifications) :]
        return [*map(_specification, taken), *specifications[len(taken) :]]


def _import_ahead() -> None:
    # An import that fails here fails again where it is needed, and is reported there.
    with contextlib.suppress(ImportError):
        for name in _IMPORTED_AHEAD:
            importlib.import_module(name)


def _specification(path: Path) -> str:
    words = [sys.executable, "-S", "-E", str(Path(warm_worker.__file__)), str(path)]
    return f"popen//python={shlex.join(words)}"


@contextlib.contextmanager
def warm_workers(count: int, suite: Path) -> Iterator[WarmWorkers]:
    """Start workers that wait; they end with the block, also after they have served.

    :param count: how many; with one, the cases run in this process.
    :param suite: the folder of the suite, whose session files they read ahead.
    """
    # Settings for pytest in the user's environment are meant for other projects.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch_folder("workers"))
        ready = WarmWorkers()
        if count > 1 and len(str(folder)) < _LONGEST_PATH and "//" not in f"{sys.executable}{warm_worker.__file__}":
            for number in range(count):
                path = folder / str(number)
                line = f"from {warm_worker.__name__} import serve; serve({str(path)!r}, {str(suite)!r})"
                words = [sys.executable, "-u", "-c", line]
                within = process.Surroundings(env=environment)
                child = stack.enter_context(process.start(words, stdin=process.PIPE, within=within))
                assert child.stdin is not None
                ready.inputs.append(child.stdin)
                ready.paths.append(path)
        yield ready
