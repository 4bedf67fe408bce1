"""Play a transcript on a machine: type what it types, hold what comes back against what it expects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.base.deadline import Deadline
from harness.guest.console import Unanswered
from harness.guest.machine import Machine
from harness.model.verdict import Fate, TraitSighting
from harness.semantics.judge import StepOutcome
from harness.semantics.profile import Profile
from harness.session.console_name import ConsoleName
from harness.session.header import CgroupVersion, Hierarchy
from harness.session.match import Bindings, is_played, match_step, substitute, unlearned
from harness.session.render import PlayedStep
from harness.session.step import Step
from harness.session.transcript import Transcript

STEP_SECONDS = 30.0
"""How long a command may take where the session file says nothing."""


class NotAskedError(Exception):
    """The kernel lacks what the case needs; ``args[0]`` is the reason, naming it."""


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
    :raises NotAskedError: the kernel has no such hierarchy.
    """
    player = _Player(transcript, machine, profile, deadline)
    try:
        mount_hierarchies(machine, transcript.hierarchies, at=transcript.mount_point, deadline=deadline)
    except Unanswered as error:
        return Played((), (), machine.fate_of(ConsoleName.ADMIN, error))
    except HierarchyError as error:
        outcome = StepOutcome(f"{transcript.path}:1", fits=False, reason=f"the hierarchies cannot be mounted: {error}")
        return Played((), (outcome,), Fate.ALIVE)
    for step in transcript.steps:
        if until_line is not None and step.line > until_line:
            break
        if not player.play_step(step):
            break
    return Played(tuple(player.steps), tuple(player.outcomes), player.fate)


def mount_hierarchies(machine: Machine, hierarchies: Sequence[Hierarchy], *, at: str, deadline: Deadline) -> None:
    """Mount the hierarchies that a case wants; all in one process of the guest, for speed.

    :param at: the folder; see ``nsctl hierarchies`` for what is mounted where.
    :raises NotAskedError: the kernel has no such controller or hierarchy. :raises Unanswered: as a command.
    """
    admin = machine.console(ConsoleName.ADMIN, deadline=deadline.sooner(STEP_SECONDS))
    # The file is for shells that start without the environment (env -i, su -).
    command = "echo $HARNESS_NONCE >/run/harness.nonce"
    wanted = mount_command(hierarchies, at=at)
    if wanted and wanted != machine.mounted:
        command += f"; {wanted}"
    machine.mounted = ""  # who asks once more has taken them away
    answer = admin.run(command, deadline=deadline.sooner(STEP_SECONDS))
    if answer.status != 0:
        offered = admin.run("cat /proc/cgroups /proc/filesystems", deadline=deadline.sooner(STEP_SECONDS)).output
        missing = [name for hierarchy in hierarchies for name in _missing(hierarchy, offered)]
        said = " ".join(answer.output.split())
        if missing:
            raise NotAskedError(f"this kernel has no {', '.join(missing)} ({said})")
        raise HierarchyError(said)


def mount_command(hierarchies: Sequence[Hierarchy], *, at: str) -> str:
    """The command that mounts hierarchies in the guest; empty when there are none."""
    return f"nsctl hierarchies {at} {' '.join(map(_spec, hierarchies))}" if hierarchies else ""


class HierarchyError(Exception):
    """The kernel has the hierarchy that a case wants, and does not let it be mounted; ``args[0]`` says how."""


def _spec(hierarchy: Hierarchy) -> str:
    """The words of ``nsctl hierarchies`` for it."""
    if hierarchy.version is CgroupVersion.V2:
        return ":".join(filter(None, ("v2", ",".join(hierarchy.options))))
    words = (*hierarchy.controllers, *((f"name={hierarchy.name}",) if hierarchy.name else ()), *hierarchy.options)
    return f"v1:{','.join(words)}"


def _missing(hierarchy: Hierarchy, offered: str) -> list[str]:
    """What a hierarchy needs and /proc/cgroups and /proc/filesystems do not offer."""
    words = set(offered.split())
    wanted = hierarchy.controllers
    if hierarchy.version is CgroupVersion.V2 and "cgroup2" not in words:
        return ["file system type cgroup2"]
    return [f"controller {controller}" for controller in wanted if controller not in words]


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
