# SPDX-License-Identifier: GPL-2.0-only
"""Run sequences of operations on clones of a kernel: one clone, and one command, for each sequence."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import pipeline
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, UsageError
from harness.coverage import files
from harness.coverage.bitmap import NOTHING, Bitmap
from harness.explore.load import exploration_of
from harness.explore.model import ANSWER, SEPARATOR, Observation
from harness.guest.console import Unanswered
from harness.guest.machine import Machine
from harness.model.run_record import KernelRecord
from harness.pipeline import Prepared
from harness.run.play import CaseSkippedError, PreparationError, prepare_machine
from harness.session.console_name import ConsoleName
from harness.session.output import read_output
from harness.session.preparation import PreparationRequest, preparation_command
from harness.suite.definition import Suite

_SECONDS = 60.0
"""Time of a sequence on a quiet host; an operation has its own limit in the guest program."""
_USAGE = 64
_EVIDENCE_BYTES = 4000


def requests_of(suite: Suite) -> tuple[PreparationRequest, ...]:
    """Return the preparations of each machine that explores a suite.

    :raises CaseError: a header of ``[explore] prepare`` is unknown, or does not accept its arguments.
    """
    known = {one.header: one for one in suite.preparations}
    requests = []
    for header, text in exploration_of(suite).prepare:
        words = tuple(text.split())
        fault = known[header].fault(words) if header in known else f"the suite defines no header {header!r}"
        if fault:
            raise CaseError(f"{suite.file}: [explore] prepare: {fault}", remedy="correct it")
        requests.append(PreparationRequest(known[header], words, known[header].at))
    return tuple(requests)


def command_line(suite: Suite, operations: Sequence[str]) -> str:
    """Return the command that does a sequence in the guest."""
    return f"{exploration_of(suite).command} {shlex.quote(SEPARATOR.join(operations))}"


@dataclass(frozen=True, slots=True)
class GuestRunner:
    """Runs sequences on clones of one kernel.

    :param prepared: the kernel.
    :param folder: folder for the logs of the machines; those of a machine are removed with it.
    """

    prepared: Prepared
    folder: Path

    @property
    def kernel(self) -> KernelRecord:
        """Return the record of the kernel."""
        return self.prepared.kernel

    def run(self, operations: Sequence[str], *, deadline: Deadline) -> tuple[Observation, Bitmap]:
        """Do a sequence on a fresh machine; return the answers, and the kernel code that it ran, if that was noted.

        :raises UsageError: the kernel does not have what the suite prepares.
        :raises CaseError: the guest program does not take the sequence.
        :raises HostError: there is no machine.
        """
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            with self._machine(Path(name), deadline) as (machine, preparation):
                observation = _observe(machine, self.prepared.suite, operations, preparation)
            # The splat of a panic is complete only when the log has ended; it explains a machine that is gone.
            if machine.wires.splats:
                splat = machine.wires.splats[0]
                observation = Observation(observation.answers, splat.title, splat.text[-_EVIDENCE_BYTES:])
            return observation, files.load_case(Path(name)) or NOTHING

    @contextlib.contextmanager
    def repeated(self, *, deadline: Deadline) -> Iterator[Callable[[Sequence[str]], Observation]]:
        """Return a function that does sequences one after the other on one machine, for the length of a block.

        The guest program undoes what a sequence did, so this saves the time of a clone for each. But what the kernel
        keeps is not undone: what is found like this has to be seen on a fresh machine as well.
        """
        with tempfile.TemporaryDirectory(dir=self.folder) as name, self._machine(Path(name), deadline) as lease:
            machine, preparation = lease
            yield lambda operations: _observe(machine, self.prepared.suite, operations, preparation)

    @contextlib.contextmanager
    def _machine(self, folder: Path, deadline: Deadline) -> Iterator[tuple[Machine, str]]:
        preparation = preparation_command(requests_of(self.prepared.suite))
        with pipeline.machine(self.prepared, preparation=preparation, folder=folder, deadline=deadline) as machine:
            yield machine, preparation


def _observe(machine: Machine, suite: Suite, operations: Sequence[str], preparation: str) -> Observation:
    deadline = machine.deadline(_SECONDS)
    try:
        if not machine.adopted:
            prepare_machine(machine, preparation, deadline=deadline)
        answer = machine.console(ConsoleName.ADMIN, deadline=deadline).run(
            command_line(suite, operations), deadline=deadline
        )
    except (CaseSkippedError, PreparationError) as error:
        raise UsageError(f"this kernel cannot be explored with the suite {suite.name}", evidence=str(error)) from None
    except Unanswered as error:
        fate = machine.fate_of(ConsoleName.ADMIN, error)
        evidence = machine.diagnosis.text[-_EVIDENCE_BYTES:]
        return Observation(_answers(operations, error.output), f"no answer: {fate}", evidence)
    if answer.status == _USAGE:
        raise CaseError(
            f"{exploration_of(suite).command}: the guest program does not take an operation of the model",
            evidence=answer.output[-1000:],
            remedy="correct the model or the program",
        )
    answers = _answers(operations, answer.output)
    if len(answers) < len(operations):
        reason = f"the guest program ended with status {answer.status} before its answer"
        return Observation(answers, reason, answer.output[-_EVIDENCE_BYTES:])
    return Observation(answers)


def _answers(operations: Sequence[str], output: str) -> tuple[str, ...]:
    """Return the answers in the output of the guest program, up to the first line that is not the expected one."""
    answers = []
    for operation, line in zip(operations, read_output(output), strict=False):
        start = f"{operation}{ANSWER}"
        if not line.startswith(start):
            break
        answers.append(line.removeprefix(start))
    return tuple(answers)
