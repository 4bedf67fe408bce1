# SPDX-License-Identifier: GPL-2.0-only
"""Run commands on the consoles of a machine from a Python case, and record them with their output."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from harness.base.errors import CaseError
from harness.guest.console import CommandResult, Unanswered
from harness.model.verdict import TraitSighting
from harness.run.case import RunningCase
from harness.run.play import STEP_SECONDS, CaseSkippedError, prepare_machine, unanswered_step
from harness.semantics.judge import StepOutcome
from harness.semantics.traits import Semantics
from harness.session.console_name import ConsoleName
from harness.session.header import near
from harness.session.preparation import PreparationRequest


@dataclass(frozen=True, slots=True)
class Shell:
    """One console of the case's machine.

    :param case: the running case.
    :param name: name of the console.
    """

    case: RunningCase
    name: ConsoleName

    def run(self, command: str, *, seconds: float = STEP_SECONDS) -> str:
        """Run a command and return its output, without the last line's end.

        :param seconds: timeout of the command.
        :raises Unanswered: the command did not return; the case fails with that.
        """
        return self.ask(command, seconds=seconds).output.rstrip("\n")

    def ask(self, command: str, *, seconds: float = STEP_SECONDS) -> CommandResult:
        """Run a command and return the whole result: output, exit status, prompt, shell and time; see :meth:`run`."""
        machine = self.case.machine()
        deadline = self.case.deadline.sooner(seconds)
        with _judged(self.case, self.name, command):
            if not machine.adopted:
                # As for session files: shells that are started later read the nonce.
                prepare_machine(machine, "", deadline=deadline)
            console = machine.console(self.name, deadline=deadline)
            prompt = console.prompt
            answer = console.run(command, deadline=deadline)
        self.case.log.append(f"{prompt}{command}\n{answer.output}".rstrip("\n"))
        return answer


@dataclass(frozen=True, slots=True)
class Prepare:
    """Function that runs the preparation of a header of the suite, for a Python case."""

    case: RunningCase

    def __call__(self, header: str, *words: str, at: str = "") -> str:
        """Run the preparation that ``HEADER: WORDS`` runs before the first step of a session file.

        :param header: a header of the suite, ``[prepare.HEADER]`` in its ``suite.toml``.
        :param words: the arguments of the header.
        :param at: the header ``at``; empty for the suite's default path.
        :return: the path; empty if the command has none.
        :raises CaseSkippedError: the kernel does not have what the preparation needs; the case is skipped.
        :raises CaseError: there is no such header, or an argument is invalid.
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
    """Function that runs the preparation of one header of the suite, for a Python case."""

    prepare: Prepare
    name: str

    def __call__(self, *words: str, at: str = "") -> str:
        """Run the preparation with these arguments; see :meth:`Prepare.__call__`."""
        return self.prepare(self.name, *words, at=at)


@dataclass(frozen=True, slots=True)
class Sight:
    """Function that records that a Python case saw a value of a trait."""

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
    """Record a command that does not return, so that the case is judged by it."""
    try:
        yield
    except Unanswered as error:
        case.fate = case.machine().fate_of(console, error)
        case.log.append(f"{doing}\n{error.output}")
        case.outcomes.append(unanswered_step(case.id, doing, case.machine()))
        raise
