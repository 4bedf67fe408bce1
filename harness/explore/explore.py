# SPDX-License-Identifier: GPL-2.0-only
"""Search a kernel for answers that the model of a suite does not allow, or for those that differ from another kernel.

Each sequence of operations runs on a fresh clone. The sequences that reached new code about the subject are changed
and continued. A divergence is tried again, shrunk, written as a session file and kept in the store.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from harness.base.atomic_write import write_whole
from harness.base.context import Context
from harness.base.events import Note, Progress
from harness.base.store import digest_of
from harness.coverage.bitmap import NOTHING, Bitmap
from harness.explore.generate import Generator
from harness.explore.kept import Finding, find_corpus, find_findings, keep_corpus, keep_finding
from harness.explore.load import explained, exploration_of
from harness.explore.model import Divergence
from harness.explore.session_file import session_text
from harness.explore.steer import Reached
from harness.explore.trial import Sides, Tried, shrunk
from harness.model.run_record import KernelRecord
from harness.suite.load import suite_argument

_REPORT_SECONDS = 15.0

Operations = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExploreRequest:
    """What to explore, and for how long.

    :param sides: the kernel, and what it is compared with.
    :param profile: name of the profile that the model follows.
    :param seed: the seed of all choices.
    :param seconds: time to search; what was found is shrunk in addition.
    :param folder: receives the session files.
    :param most: stop after that many findings.
    :param workers: machines side by side.
    :param subject: the code about the subject.
    :param keeps: whether kept findings are replayed, and new ones kept.
    """

    sides: Sides
    profile: str
    seed: int
    seconds: float
    folder: Path
    most: int
    workers: int = 1
    subject: Bitmap = NOTHING
    keeps: bool = True

    @property
    def kernel(self) -> KernelRecord:
        """Return the record of the kernel."""
        return self.sides.runner.kernel

    @property
    def suite(self) -> str:
        """Return the argument that names the suite."""
        return suite_argument(self.sides.suite)

    @property
    def key(self) -> str:
        """Return the key of the corpus: the kernel and the suite."""
        return digest_of(self.kernel.image_digest, self.suite)


@dataclass(slots=True)
class Exploration:
    """The results of an exploration.

    :param divergences: the shrunk divergences, each with the path of its session file.
    :param sequences: number of sequences that were run.
    :param steps: number of operations that were answered.
    :param ambiguous: number of them for which the model allowed more than one answer.
    :param seconds: time of the search, without shrinking.
    :param machine_seconds: time of the machines, summed up.
    :param unstable: divergences that a second run of the same sequence did not show.
    :param replayed: number of kept findings that were replayed.
    :param reached: bytes of code about the subject that were reached.
    :param whole: bytes of code about the subject.
    """

    divergences: list[tuple[Divergence, Path]] = field(default_factory=list)
    sequences: int = 0
    steps: int = 0
    ambiguous: int = 0
    seconds: float = 0.0
    machine_seconds: float = 0.0
    unstable: list[Divergence] = field(default_factory=list)
    replayed: int = 0
    reached: int = 0
    whole: int = 0


class Explorer:
    """Explores one kernel, or two.

    :param context: where findings are kept, and what receives the progress.
    :param request: what to explore.
    """

    def __init__(self, context: Context, request: ExploreRequest) -> None:
        self.result = Exploration()
        self._context = context
        self._request = request
        self._reached = Reached(request.subject)
        corpus = find_corpus(context.store, request.key)
        sides = request.sides
        self._generator = Generator(sides.model, sides.traits, Random(request.seed), corpus)
        self._lines: set[str] = set()
        self._shown = time.monotonic()

    def explore(self) -> Exploration:
        """Replay what is kept, then search until the time is up or enough was found.

        :raises HarnessError: there is no machine, or the model is broken.
        """
        request, result = self._request, self.result
        findings = find_findings(self._context.store, request.suite) if request.keeps else []
        kept = [one.operations for one in findings]
        result.replayed = len(kept)
        began = time.monotonic()
        shrinking = 0.0
        with ThreadPoolExecutor(request.workers, thread_name_prefix="explore") as pool:
            running: dict[Future[Tried], Operations] = {}
            while True:
                spent = time.monotonic() - began - shrinking
                is_over = spent >= request.seconds or len(result.divergences) >= request.most
                while (kept or not is_over) and len(running) < request.workers:
                    operations = kept.pop(0) if kept else self._next()
                    running[pool.submit(self._try, operations)] = operations
                if not running:
                    break
                for one in wait(running, return_when=FIRST_COMPLETED).done:
                    at = time.monotonic()
                    self._learn(running.pop(one), one.result())
                    shrinking += time.monotonic() - at
        result.seconds = time.monotonic() - began - shrinking
        result.reached, result.whole = self._reached.count, self._reached.whole
        keep_corpus(self._context.store, request.key, self._generator.corpus)
        return result

    def _next(self) -> Operations:
        with explained([], self._request.sides.suite.folder):
            return self._generator.sequence()

    def _try(self, operations: Operations) -> Tried:
        return self._request.sides.try_once(operations, deadline=self._context.deadline)

    def _learn(self, operations: Operations, tried: Tried) -> None:
        """Count a sequence; of a divergence, find the shortest sequence and write it down."""
        result = self.result
        answered = len(tried.observation.answers)
        result.sequences += 1
        result.steps += answered
        result.machine_seconds += tried.seconds
        result.ambiguous += sum(len(one) > 1 for one in tried.expected[:answered])
        if self._reached.add(tried.ran):
            self._generator.keep(operations)
        if tried.divergence is not None:
            self._found(tried.divergence)
        if time.monotonic() - self._shown >= _REPORT_SECONDS:
            self._shown = time.monotonic()
            text = f"{result.sequences} sequences, {result.steps} operations, {len(result.divergences)} found"
            self._context.report(Progress(text))

    def _found(self, divergence: Divergence) -> None:
        short = shrunk(self._request.sides, divergence, deadline=self._context.deadline)
        if short is None or short.divergence is None:
            self.result.unstable.append(divergence)
            self._context.report(Note(f"not seen again: {divergence.line}"))
            return
        found = short.divergence
        if found.line in self._lines:
            return
        self._lines.add(found.line)
        self.result.divergences.append((found, self._write(found, short.expected)))
        if self._request.keeps:
            self._keep(found)
        self._context.report(Note(f"found: {found.line}"))

    def _keep(self, found: Divergence) -> None:
        kernel = self._request.kernel
        finding = Finding(self._request.suite, found.operations, kernel.spec, kernel.release, found.line)
        keep_finding(self._context.store, finding)

    def _write(self, found: Divergence, expected: Sequence[tuple[str, ...]]) -> Path:
        """Write a session file, and return its path."""
        request = self._request
        one = f"{request.kernel.spec} ({request.kernel.release})"
        sides, diff = (f"The model by the profile {request.profile} expects", f"{one} answers"), ""
        if request.sides.other is not None:
            second = request.sides.other.kernel
            sides = f"{one} answers", f"{second.spec} ({second.release}) answers"
            diff = f" --diff {second.spec}"
        exploration = exploration_of(request.sides.suite)
        text = session_text(
            found,
            expected,
            command=exploration.command,
            headers=exploration.prepare,
            sides=sides,
            source=f"harness explore {request.kernel.spec}{diff} --seed {request.seed}",
        )
        path = request.folder / f"finding-{len(self.result.divergences) + 1}.session"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode(), mode=0o644)
        return path
