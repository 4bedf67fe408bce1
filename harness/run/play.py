"""Play a transcript on a machine: type what it types, hold what comes back against what it expects."""

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
from harness.session.step import Step
from harness.session.transcript import Transcript

STEP_SECONDS = 30.0
"""How long a command may take where the session file says nothing."""


class CaseSkippedError(Exception):
    """The kernel lacks what the case needs; ``args[0]`` is the reason, naming it."""


class PreparationError(Exception):
    """The kernel has what a case asks for before its first step, and does not give it; ``args[0]`` says how."""

    def __str__(self) -> str:
        return f"cannot be prepared: {self.args[0]}"


@dataclass(frozen=True, slots=True)
class Played:
    """A transcript as it went.

    :param steps: what was typed and what came back, as far as it went.
    :param outcomes: for each of them what it came to.
    :param fate: what became of the machine.
    """

    steps: tuple[PlayedStep, ...]
    outcomes: tuple[StepOutcome, ...]
    fate: Fate


def play(
    transcript: Transcript, machine: Machine, *, profile: Profile, deadline: Deadline, until_line: int | None = None
) -> Played:
    """Play a transcript, to its end or as far as it makes sense.

    A step that does not fit does not end it: what follows says more about the kernel. A shell that is not the one the
    transcript speaks of does, and a command that needs a number which no output has shown.

    :param until_line: play the steps up to that line of the file only.
    :raises CaseSkippedError: the kernel does not have what is to be prepared.
    """
    player = _Player(transcript, machine, profile, deadline)
    try:
        prepare_machine(machine, preparation_command(transcript.preparations), deadline=deadline)
    except Unanswered as error:
        return Played((), (), machine.fate_of(ConsoleName.ADMIN, error))
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
    """Do what a case asks for before its first step; all in one line at the console, for speed.

    :param command: the preparation; empty for none. Not done where the machine was cloned with it.
    :raises CaseSkippedError: the kernel does not have what was asked for.
    :raises PreparationError: the command failed otherwise.
    :raises Unanswered: as a command.
    """
    admin = machine.console(ConsoleName.ADMIN, deadline=deadline.sooner(STEP_SECONDS))
    # The file is for shells that start without the environment (env -i, su -).
    line = "echo $HARNESS_NONCE >/run/harness.nonce"
    if command and command != machine.prepared:
        line += f"; {command}"
    machine.prepared = ""  # a case that asks once more has undone it
    answer = admin.run(line, deadline=deadline.sooner(STEP_SECONDS))
    if answer.status != 0:
        said = " ".join(answer.output.split()) or f"{command} ended with status {answer.status}"
        raise CaseSkippedError(said) if answer.status == STATUS_MISSING else PreparationError(said)


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
        """Play one step; false when the rest makes no sense any more."""
        if not is_played(step.guard, self._seen, expected_values=self._expected, unasked=self._unasked):
            self._unasked |= {choice.trait for choice in step.choices}
            return True
        where = f"{self._transcript.path}:{step.line}"
        if missing := unlearned(step.command, self._bindings):
            reason = f"cannot be typed: no output has shown what {', '.join(missing)} stands for"
            self.outcomes.append(StepOutcome(where, fits=False, reason=reason))
            return False
        command = substitute(step.command, self._bindings)
        deadline = self._deadline.sooner(self._seconds)
        try:
            console = self._machine.console(step.console, deadline=deadline, prompt=self._base_prompt(step.console))
            if console.prompt.rstrip() != step.prompt.text.rstrip():
                reason = f"the prompt is {console.prompt!r} and not {step.prompt.text!r}"
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
        self.outcomes.append(StepOutcome(where, match.fits, match.difference, match.diff, sightings))
        return True

    def _unanswered(self, step: Step, where: str, command: str, error: Unanswered) -> None:
        self.fate = self._machine.fate_of(step.console, error)
        self.steps.append(PlayedStep(step, error.output, error.status))
        shown = command if len(command) <= 80 else command[:77] + "..."
        self.outcomes.append(StepOutcome(where, fits=False, reason=f"at: {shown}"))

    def _base_prompt(self, console: ConsoleName) -> str | None:
        prompts = self._transcript.prompts.get(console, ())
        return prompts[0].text if prompts else None


def _without_farewell(step: Step, output: str) -> str:
    """bash says ``exit`` when an interactive shell is left; who posts a session often leaves that line out."""
    if step.command.split("#")[0].split()[:1] == ["exit"] and not step.expected and output.strip() == "exit":
        return ""
    return output
