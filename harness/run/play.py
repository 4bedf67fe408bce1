# SPDX-License-Identifier: GPL-2.0-only
"""Play a transcript on a machine: type its commands, and compare the output with its expectation."""

from __future__ import annotations

from dataclasses import dataclass

from harness.base.deadline import Deadline
from harness.guest.console import Unanswered
from harness.guest.machine import Machine
from harness.model.verdict import Fate, TraitSighting
from harness.semantics.judge import StepOutcome
from harness.semantics.profile import Profile
from harness.session.console_name import ConsoleName
from harness.session.match import Bindings, is_played, match_step, substitute, unlearned
from harness.session.preparation import STATUS_MISSING, preparation_command
from harness.session.render import PlayedStep
from harness.session.step import Step, undeclared_command
from harness.session.transcript import Transcript

STEP_SECONDS = 30.0
"""Timeout of a command if the session file has none."""


class CaseSkippedError(Exception):
    """The kernel does not have what the case needs; ``args[0]`` is the reason to skip the case."""


class PreparationError(Exception):
    """The preparation of a case failed although the kernel has what it needs; ``args[0]`` is the reason."""

    def __str__(self) -> str:
        return f"cannot be prepared: {self.args[0]}"


@dataclass(frozen=True, slots=True)
class Played:
    """A transcript that was played.

    :param steps: the steps that were played, with their output.
    :param outcomes: the outcome of each of them.
    :param fate: the state of the machine at the end.
    """

    steps: tuple[PlayedStep, ...]
    outcomes: tuple[StepOutcome, ...]
    fate: Fate


def play(
    transcript: Transcript, machine: Machine, *, profile: Profile, deadline: Deadline, until_line: int | None = None
) -> Played:
    """Play a transcript to its end, or to the first step that cannot be played.

    A step that does not match does not end it: the later steps say more about the kernel. It ends at an unexpected
    shell, and at a command that needs a number that no output has shown.

    :param profile: the expectations.
    :param deadline: the end of the case.
    :param until_line: the line of the file to stop after; None for the whole file.
    :raises CaseSkippedError: the kernel does not have what the preparation needs.
    """
    player = _Player(transcript, machine, profile, deadline)
    try:
        prepare_machine(machine, preparation_command(transcript.preparations), deadline=deadline)
    except Unanswered as error:
        fate = machine.fate_of(ConsoleName.ADMIN, error)
        return Played((), (unanswered_step(f"{transcript.path}:1", "the preparation", machine),), fate)
    except PreparationError as error:
        outcome = StepOutcome(f"{transcript.path}:1", fits=False, reason=str(error))
        return Played((), (outcome,), Fate.ALIVE)
    for step in transcript.steps:
        if until_line is not None and step.line > until_line:
            break
        if not player.play_step(step):
            break
    return Played(tuple(player.steps), tuple(player.outcomes), player.fate)


def prepare_machine(machine: Machine, command: str, *, deadline: Deadline) -> None:
    """Run the preparation of a case before its first step, in one command line for speed.

    :param command: the preparation; empty for none. It is not run if the machine was cloned with its result.
    :raises CaseSkippedError: the kernel does not have what the preparation needs.
    :raises PreparationError: the command failed for another reason.
    :raises Unanswered: the command did not return.
    """
    admin = machine.console(ConsoleName.ADMIN, deadline=deadline.sooner(STEP_SECONDS))
    # The file is for shells that start without the environment (env -i, su -).
    line = "echo $HARNESS_NONCE >/run/harness.nonce"
    if command and command != machine.prepared:
        line += f"; {command}"
    machine.prepared = ""  # a case that requests it again has undone it
    answer = admin.run(line, deadline=deadline.sooner(STEP_SECONDS))
    if answer.status != 0:
        reason = " ".join(answer.output.split()) or f"{command} ended with status {answer.status}"
        raise CaseSkippedError(reason) if answer.status == STATUS_MISSING else PreparationError(reason)


class _Player:
    def __init__(self, transcript: Transcript, machine: Machine, profile: Profile, deadline: Deadline) -> None:
        self.steps: list[PlayedStep] = []
        self.outcomes: list[StepOutcome] = []
        self.fate = Fate.ALIVE
        self._transcript = transcript
        self._machine = machine
        self._expected = profile.values
        self._deadline = deadline
        self._seconds = transcript.timeout_seconds or STEP_SECONDS
        self._bindings = Bindings.none_of(transcript.varies)
        self._seen: dict[str, str] = {}
        self._unasked: set[str] = set()

    def play_step(self, step: Step) -> bool:
        """Play one step; return False if the later steps cannot be played."""
        if not is_played(step.guard, self._seen, expected_values=self._expected, unasked=self._unasked):
            self._unasked |= {choice.trait for choice in step.choices}
            return True
        where = f"{self._transcript.path}:{step.line}"
        if missing := unlearned(step.command, self._bindings):
            reason = f"the command cannot be typed: no output has shown the value of {', '.join(missing)}"
            self.outcomes.append(StepOutcome(where, fits=False, reason=reason))
            return False
        command = substitute(step.command, self._bindings)
        deadline = self._deadline.sooner(self._seconds)
        try:
            console = self._machine.console(step.console, deadline=deadline, prompt=self._base_prompt(step.console))
            if console.prompt.rstrip() != step.prompt.text.rstrip():
                reason = f"the prompt is {console.prompt!r}, not {step.prompt.text!r}"
                self.outcomes.append(StepOutcome(where, fits=False, reason=reason))
                return False
            answer = console.run(command, deadline=deadline)
        except Unanswered as error:
            self._unanswered(step, where, command, error)
            return False
        output = _without_farewell(step, answer.output)
        self.steps.append(PlayedStep(step, output, answer.status, answer.prompt, answer.seconds, answer.shell))
        match = match_step(step, output, self._bindings, expected_values=self._expected)
        self._bindings = match.bindings
        sightings: tuple[TraitSighting, ...] = match.trait_sightings(self._transcript.path)
        self._seen.update((sighting.trait, sighting.value) for sighting in sightings)
        note = "" if match.fits else undeclared_command(step)
        reason = f"{match.difference} ({note})" if note else match.difference
        self.outcomes.append(StepOutcome(where, match.fits, reason, match.diff, sightings))
        return True

    def _unanswered(self, step: Step, where: str, command: str, error: Unanswered) -> None:
        self.fate = self._machine.fate_of(step.console, error)
        self.steps.append(PlayedStep(step, error.output, error.status))
        self.outcomes.append(unanswered_step(where, command, self._machine))

    def _base_prompt(self, console: ConsoleName) -> str | None:
        prompts = self._transcript.prompts.get(console, ())
        return prompts[0].text if prompts else None


def unanswered_step(where: str, command: str, machine: Machine) -> StepOutcome:
    """Return the outcome of a command that did not return, with what the diagnosis of the machine found."""
    shown = command if len(command) <= 80 else command[:77] + "..."
    found = machine.diagnosis
    summary = found.summary or ("the guest rebooted or switched itself off" if machine.has_switched_off else "")
    reason = f"at: {shown}" + (f"; {summary}" if summary else "")
    return StepOutcome(where, fits=False, reason=reason, diff=found.text)


def _without_farewell(step: Step, output: str) -> str:
    """Remove the ``exit`` that bash prints when an interactive shell ends; posted sessions often omit that line."""
    if step.command.split("#")[0].split()[:1] == ["exit"] and not step.expected and output.strip() == "exit":
        return ""
    return output
