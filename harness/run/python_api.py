"""The consoles of a machine, as a Python case uses them: commands go in, answers come out, all of it is recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from harness.base.errors import CaseError
from harness.guest.console import CommandResult, Unanswered
from harness.model.verdict import TraitSighting
from harness.run.case import RunningCase, missing_hierarchies
from harness.run.play import STEP_SECONDS, NotAskedError, mount_command, mount_hierarchies
from harness.semantics.judge import StepOutcome
from harness.semantics.traits import Semantics
from harness.session.console_name import ConsoleName
from harness.session.header import read_header


@dataclass(frozen=True, slots=True)
class Shell:
    """One console of the case's machine.

    :param case: the case that it belongs to. :param name: which one.
    """

    case: RunningCase
    name: ConsoleName

    def run(self, command: str, *, seconds: float = STEP_SECONDS) -> str:
        """Type a command and return what it printed, without the last line's end.

        :param seconds: how long it may take.
        :raises Unanswered: it did not return; the case is judged by that.
        """
        return self.ask(command, seconds=seconds).output.rstrip("\n")

    def ask(self, command: str, *, seconds: float = STEP_SECONDS) -> CommandResult:
        """As :meth:`run`, but return the whole answer: exit status, prompt, shell, time."""
        deadline = self.case.deadline.sooner(seconds)
        machine = self.case.machine()
        with _judged(self.case, self.name, command):
            if not machine.adopted:
                # As for session files: shells that come later find the nonce.
                mount_hierarchies(machine, (), at="", deadline=deadline)
            console = machine.console(self.name, deadline=deadline)
            prompt = console.prompt
            answer = console.run(command, deadline=deadline)
        self.case.log.append(f"{prompt}{command}\n{answer.output}".rstrip("\n"))
        return answer


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Mounts cgroup hierarchies for a Python case."""

    case: RunningCase

    def __call__(self, *specs: str, at: str = "/sys/fs/cgroup") -> str:
        """Mount hierarchies, written as in the header of a session file: ``v2``, ``v1:freezer``, ...

        :return: the folder they are mounted on, ``at``.
        :raises NotAskedError: the kernel has no such hierarchy: the case is skipped.
        """
        wanted = read_header((f"hierarchies: {' '.join(specs)}", ""), path=self.case.id).hierarchies
        if reason := missing_hierarchies(wanted, self.case.bench.config):
            raise NotAskedError(reason)
        with _judged(self.case, ConsoleName.ADMIN, "mounting the hierarchies"):
            machine = self.case.machine(mount=mount_command(wanted, at=at))
            mount_hierarchies(machine, wanted, at=at, deadline=self.case.deadline)
        return at


@dataclass(frozen=True, slots=True)
class Sight:
    """Says that a Python case saw a value of a trait."""

    case: RunningCase
    semantics: Semantics

    def __call__(self, trait: str, value: str) -> None:
        """Record that this kernel shows ``value`` for ``trait``; the profile judges it.

        :raises CaseError: there is no such trait or value.
        """
        if complaint := self.semantics.complaint(trait, value):
            raise CaseError(f"{self.case.id}: {complaint}", remedy="see cases/semantics.toml")
        sighting = TraitSighting(trait, value, self.case.id)
        self.case.outcomes.append(StepOutcome(self.case.id, fits=True, sightings=(sighting,)))


@contextlib.contextmanager
def _judged(case: RunningCase, console: ConsoleName, doing: str) -> Iterator[None]:
    """Let a case be judged by a command that does not return."""
    try:
        yield
    except Unanswered as error:
        case.fate = case.machine().fate_of(console, error)
        case.log.append(f"{doing}\n{error.output}")
        case.outcomes.append(StepOutcome(case.id, fits=False, reason=f"at: {doing}"))
        raise
