"""The consoles of a machine, as a Python case uses them: commands go in, answers come out, all of it is recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from harness.base.errors import CaseError
from harness.guest.console import CommandResult, Unanswered
from harness.model.verdict import TraitSighting
from harness.run.case import RunningCase
from harness.run.play import STEP_SECONDS, CaseSkippedError, prepare_machine
from harness.semantics.judge import StepOutcome
from harness.semantics.traits import Semantics
from harness.session.console_name import ConsoleName
from harness.session.header import near
from harness.session.preparation import PreparationRequest


@dataclass(frozen=True, slots=True)
class Shell:
    """One console of the case's machine.

    :param case: the case that it belongs to.
    :param name: which one.
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
                prepare_machine(machine, "", deadline=deadline)
            console = machine.console(self.name, deadline=deadline)
            prompt = console.prompt
            answer = console.run(command, deadline=deadline)
        self.case.log.append(f"{prompt}{command}\n{answer.output}".rstrip("\n"))
        return answer


@dataclass(frozen=True, slots=True)
class Prepare:
    """Does for a Python case what a header of the suite does for a session file."""

    case: RunningCase

    def __call__(self, header: str, *words: str, at: str = "") -> str:
        """Do what ``HEADER: WORDS`` does before the first step of a session file.

        :param header: one that the suite defines, in ``[prepare.HEADER]`` of its ``suite.toml``.
        :param words: the words of the header.
        :param at: the header ``at``; empty for the path that the suite says.
        :return: that path; empty where the command has none.
        :raises CaseSkippedError: the kernel does not have it: the case is skipped.
        :raises CaseError: there is no such header, or it takes no such word.
        """
        request = self._request(header, words, at)
        if reason := self.case.environment.missing_options(request.options):
            raise CaseSkippedError(reason)
        with _judged(self.case, ConsoleName.ADMIN, f"preparing {header}"):
            machine = self.case.machine(preparation=request.command)
            prepare_machine(machine, request.command, deadline=self.case.deadline)
        return request.at

    def header(self, header: str) -> PrepareHeader:
        """Return the function for one header, for a fixture of the suite."""
        return PrepareHeader(self, header)

    def _request(self, header: str, words: tuple[str, ...], at: str) -> PreparationRequest:
        known = {one.header: one for one in self.case.environment.suite.preparations}
        if header not in known:
            raise CaseError(f"{self.case.id}: the suite defines no header {header!r}", remedy=near(header, known))
        preparation = known[header]
        if fault := preparation.fault(words):
            raise CaseError(f"{self.case.id}: {fault}", remedy=preparation.hint)
        return PreparationRequest(preparation, words, (at.rstrip("/") or preparation.at) if preparation.at else "")


@dataclass(frozen=True, slots=True)
class PrepareHeader:
    """Does for a Python case what one header of the suite does for a session file."""

    prepare: Prepare
    name: str

    def __call__(self, *words: str, at: str = "") -> str:
        """Do it with these words; see :meth:`Prepare.__call__`."""
        return self.prepare(self.name, *words, at=at)


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
            raise CaseError(f"{self.case.id}: {complaint}", remedy="name a trait of the suite's semantics.toml")
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
