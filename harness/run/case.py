# SPDX-License-Identifier: GPL-2.0-only
"""Run one case on one machine, and make the record of its result.

In a session file the harness types the commands, in a Python case its code does. Getting a machine, watching the kernel
log, judging and recording are common to both, and are here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness import pipeline
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, HarnessError, SeriesError
from harness.base.store import digest_of
from harness.guest.console import Unanswered
from harness.guest.cores.dump import keep_core
from harness.guest.diagnosis import find_symbol
from harness.guest.machine import Machine
from harness.guest.template import read_taint
from harness.kernel.config.kconfig import ConfigSource, KernelConfig, parse_config, unset_options
from harness.kernel.needs import excused, missing_needs
from harness.kernellog.reader import Splat
from harness.kernellog.taint import decode_taint
from harness.model.run_record import CaseRecord, is_known
from harness.model.verdict import Fate, Fault, Outcome, SplatReport, Verdict
from harness.pipeline import Prepared
from harness.results.cores import CoreOrigin
from harness.run import leaks
from harness.run.play import CaseSkippedError, Played, PreparationError, play
from harness.run.watchdogs import without_watchdogs_of_the_host
from harness.semantics.judge import StepOutcome, judge
from harness.semantics.profile import Profile
from harness.semantics.traits import Semantics
from harness.session.console_name import ConsoleName
from harness.session.preparation import preparation_command
from harness.session.render import diff, render_actual
from harness.session.transcript import Transcript
from harness.suite.definition import Suite

_LOG = logging.getLogger(__name__)
CASE_SECONDS = 600.0
"""Timeout of a whole case, whatever the timeouts of its steps are."""
_SYMBOL_SECONDS = 30.0
_SPLAT_TAINT = 1 << 7 | 1 << 9
"""The flags D and W."""
_WORTH_A_CORE = frozenset({Fate.COMMAND_HUNG, Fate.SHELL_SILENT, Fate.KERNEL_GONE})

ACTUAL_NAME = "actual.session"
EXPECTED_NAME = "expected.session"
DIFF_NAME = "diff"


@dataclass(frozen=True, slots=True)
class CaseEnvironment:
    """The environment of cases: a prepared kernel, its expectations, and the run's folder.

    :param prepared: the kernel.
    :param profile: the expectations.
    :param config: the kernel's configuration; None if it is unknown.
    :param folder: the folder of the run.
    :param lacking: names of the missing features for which cases are skipped.
    """

    prepared: Prepared
    profile: Profile
    config: KernelConfig | None
    folder: Path
    lacking: frozenset[str] = frozenset()

    @property
    def suite(self) -> Suite:
        """Return the suite of the cases."""
        return self.prepared.suite

    def missing(self, needs: Sequence[str]) -> str:
        """Return the reason to skip a case with these needs; empty if it can be run.

        :raises CaseError: a need is unknown.
        """
        parameters = self.prepared.request.machine_type.command_line.split()
        return missing_needs(
            needs, self.config, features=self.suite.features, lacking=self.lacking, parameters=parameters
        )

    def missing_options(self, options: Iterable[str]) -> str:
        """Return the reason to skip a case whose preparation needs these options; empty if it can be run."""
        return unset_options(options, self.config)


def make_environment(prepared: Prepared, semantics: Semantics, *, folder: Path) -> CaseEnvironment:
    """Make the environment of the cases of a prepared kernel.

    :param folder: the folder of the run.
    :raises UsageError: there is no such profile.
    """
    release = prepared.kernel.release if is_known(prepared.kernel.release) else None
    config = parse_config(prepared.config_text, ConfigSource(prepared.kernel.config_source))
    profile = semantics.profile(prepared.profile, release=release, stable=prepared.kernel.stable)
    if prepared.declared is not None:
        profile = semantics.changed(profile, prepared.declared)
    lacking = excused(prepared.lacking, prepared.suite.features, profile)
    return CaseEnvironment(prepared, profile, config if prepared.config_text else None, folder, lacking)


class RunningCase:
    """A case while it runs: its machine, and the outcomes so far."""

    def __init__(self, environment: CaseEnvironment, case_id: str, *, folder: str) -> None:
        self.environment = environment
        self.id = case_id
        self.folder = folder
        self.started = time.time()
        self.deadline = Deadline.after(CASE_SECONDS)
        self.outcomes: list[StepOutcome] = []
        self.fate = Fate.ALIVE
        self.is_booted = environment.prepared.template is None
        """Whether its machine is booted, not cloned."""
        self.log: list[str] = []
        """Prompts, commands and output of a Python case."""
        self.waited = 0.0
        """Seconds that QEMU waited for this host's processors and disks; known when the machine has ended."""
        self._clock = time.monotonic()
        self._ends = ExitStack()
        self._machine: Machine | None = None
        self._splats: list[Splat] = []
        self._taint = 0

    @property
    def path(self) -> Path:
        """Return the case's own folder, for its logs."""
        return self.environment.folder / self.folder

    @property
    def has_machine(self) -> bool:
        """Return whether the case has started a machine."""
        return self._machine is not None

    def machine(self, *, preparation: str = "", append: Sequence[str] = ()) -> Machine:
        """Return the case's machine; the first call starts it.

        :param preparation: the command that the case types first; the machine may be cloned with its result.
        :param append: kernel parameters to boot the machine with; it is cloned without any.
        :raises HarnessError: no machine can be started.
        """
        if self._machine is None:
            self.is_booted = bool(append) or self.environment.prepared.template is None
            lease = pipeline.machine(
                self.environment.prepared,
                preparation=preparation,
                append=append,
                folder=self.path,
                deadline=self.deadline,
            )
            self._machine = self._ends.enter_context(lease)
            self.deadline = self._machine.deadline(CASE_SECONDS)
        return self._machine

    def close(self) -> None:
        """Read the taint and the rest of the kernel log of the machine, and end it."""
        if self._machine is None:
            return
        if self.fate is Fate.ALIVE:
            self._taint = self._read_taint(self._machine)
        machine = self._machine
        if self.fate is Fate.ALIVE and self._has_leak_detector and not leaks.list_leaks(machine):
            _LOG.warning("%s: the kernel did not list its leaks in time", self.id)
        self.waited, address = machine.clock.waited, machine.diagnosis.address
        self._keep_core(machine, self.waited)
        self._ends.close()
        splats = leaks.without_count(machine.wires.splats)
        self._splats, self._taint = without_watchdogs_of_the_host(splats, self._taint, waited=self.waited)
        if left_out := len(splats) - len(self._splats):
            _LOG.warning("%s: %d reports of watchdogs left out: QEMU waited %.0f s", self.id, left_out, self.waited)
        if self.fate is Fate.KERNEL_GONE and address and self.outcomes:
            self.outcomes[-1] = self._with_symbol(self.outcomes[-1], address)

    @property
    def _has_leak_detector(self) -> bool:
        """Return whether the guest's init lists leaks; that of a disk image is another one."""
        config, request = self.environment.config, self.environment.prepared.request
        return config is not None and config.value(leaks.OPTION) == "y" and request.disk is None

    def abandon(self) -> None:
        """End the machine without reading anything from it."""
        self._ends.close()
        self._machine = None

    def take_expected(self, functions: Iterable[str]) -> tuple[Splat, ...]:
        """Take away the splats that name one of the functions, and return them; call it after :meth:`close`.

        If none is left, the taint of an oops or a warning is theirs.
        """
        expected = tuple(one for one in self._splats if any(name in one.text for name in functions))
        self._splats = [one for one in self._splats if one not in expected]
        if expected and not self._splats:
            self._taint &= ~_SPLAT_TAINT
        return expected

    def verdict(self, *, skipped: str = "") -> Verdict:
        """Judge the case; call it after :meth:`close`."""
        splats = [
            SplatReport(str(one.kind), one.title, one.fingerprint, one.text, one.function) for one in self._splats
        ]
        template = self.environment.prepared.template
        before = template.taint if template and not self.is_booted else 0
        taints = [taint for taint in decode_taint(self._taint & ~before) if taint.matters]
        if taints and not splats:
            flags = ", ".join(f"{taint.letter} ({taint.meaning})" for taint in taints)
            letters = "".join(taint.letter for taint in taints)
            splats.append(SplatReport("taint", f"the kernel became tainted: {flags}", f"taint-{letters}", ""))
        return judge(
            steps=self.outcomes, splats=splats, fate=self.fate, profile=self.environment.profile, skipped=skipped
        )

    def record(self, verdict: Verdict, *, title: str, transcript: str, fault: Fault = Fault.NONE) -> CaseRecord:
        """Make the record of the case."""
        if verdict.outcome is Outcome.ERROR and self.fate is Fate.STARVED:
            fault = Fault.HOST
        classname, name = junit_names(self.id)
        fresh = "boot" if self.is_booted else "clone"
        return CaseRecord(
            id=self.id,
            classname=classname,
            name=name,
            title=title,
            outcome=verdict.outcome,
            reason=verdict.reason,
            diff=verdict.diff,
            transcript=transcript,
            seconds=time.monotonic() - self._clock,
            started=self.started,
            machine=fresh if self.has_machine else "",
            folder=self.folder if self.path.exists() else "",
            splats=verdict.splats,
            sightings=verdict.sightings,
            fault=fault,
        )

    def _keep_core(self, machine: Machine, waited: float) -> None:
        """Save the memory of a machine whose kernel reported an error, or on which a command did not return."""
        machine.wires.end_splats()
        splats, _ = without_watchdogs_of_the_host(machine.wires.splats, 0, waited=waited)
        if splats:
            fingerprint = splats[0].fingerprint
        elif self.fate in _WORTH_A_CORE:
            fingerprint = digest_of(self.fate, self.id)
        else:
            return
        prepared = self.environment.prepared
        template = prepared.template.folder.name if prepared.template else ""
        keep_core(machine, fingerprint, self.environment.folder, CoreOrigin(prepared.kernel.release, template))

    def _with_symbol(self, step: StepOutcome, address: str) -> StepOutcome:
        """Name the function that the processor was in, by the symbols of another clone: their addresses are equal."""
        if self.environment.prepared.template is None:
            return step
        deadline = Deadline.after(_SYMBOL_SECONDS)
        try:
            with pipeline.machine(self.environment.prepared, folder=self.path / "symbols", deadline=deadline) as clone:
                symbol = find_symbol(clone.console(ConsoleName.ADMIN, deadline=deadline), address, deadline=deadline)
        except (HarnessError, Unanswered):
            return step
        return replace(step, reason=step.reason.replace(address, symbol)) if symbol else step

    def _read_taint(self, machine: Machine) -> int:
        # Any used console will do; an unused shell would have to be adopted first. A nested shell may have no /proc.
        for console in machine.adopted:
            try:
                return read_taint(console, self.deadline.sooner(5))
            except Unanswered as error:
                self.fate = machine.fate_of(ConsoleName(console.name), error)
                return 0
        return 0


def run_session(
    transcript: Transcript, environment: CaseEnvironment, *, folder: str, until_line: int | None = None
) -> CaseRecord:
    """Play a session file on a machine of its own, and return the record of the result.

    :param folder: name of the folder for its logs, in the run folder.
    :param until_line: the line of the file to stop after; None for the whole file.
    """
    with opened(environment, transcript.path, folder=folder) as case:
        return _run_session(transcript, case, until_line)


def _run_session(transcript: Transcript, case: RunningCase, until_line: int | None) -> CaseRecord:
    played, skipped = Played((), (), Fate.ALIVE), ""
    try:
        options = [option for request in transcript.preparations for option in request.options]
        skipped = case.environment.missing(transcript.needs) or case.environment.missing_options(dict.fromkeys(options))
        if not skipped:
            played = play(
                transcript,
                case.machine(preparation=preparation_command(transcript.preparations)),
                profile=case.environment.profile,
                deadline=case.deadline,
                until_line=until_line,
            )
    except CaseSkippedError as error:
        skipped = str(error)
    except HarnessError as error:
        verdict, fault = verdict_on(error)
        return case.record(verdict, title=transcript.title, transcript="", fault=fault)
    case.outcomes += played.outcomes
    case.fate = played.fate
    case.close()
    verdict = case.verdict(skipped=skipped)
    if verdict.outcome is Outcome.MISMATCH and (hint := _missing_preparation(transcript, case.environment.suite)):
        verdict = replace(verdict, reason=f"{verdict.reason} ({hint})")
    actual = render_actual(transcript, played.steps)
    if case.path.is_dir():
        (case.path / EXPECTED_NAME).write_text("\n".join(transcript.lines))
        (case.path / ACTUAL_NAME).write_text(actual)
        patch = diff("\n".join(transcript.lines), actual, path=transcript.path)
        (case.path / DIFF_NAME).write_text(f"{patch}\n" if patch else "")
    return case.record(verdict, title=transcript.title, transcript=actual)


def _missing_preparation(transcript: Transcript, suite: Suite) -> str:
    """Return a hint for a case that uses the path of a preparation that it does not request; empty for any other."""
    requested = {request.preparation.header for request in transcript.preparations}
    for one in suite.preparations:
        if one.at and one.header not in requested and any(one.at in step.command for step in transcript.steps):
            return f"{one.at} is used, but no header `{one.header}` prepares it"
    return ""


def conclude(case: RunningCase, error: BaseException | None, *, title: str, trace: str) -> CaseRecord:
    """Judge and record a Python case that has run.

    :param error: the exception that it raised; None if it reached its end.
    :param title: its title.
    :param trace: pytest's text of the exception.
    """
    skipped, verdict, fault = "", None, Fault.NONE
    if isinstance(error, AssertionError):
        what = str(error).strip().split("\n")[0] or "an assertion without a message"
        case.outcomes.append(StepOutcome(case.id, fits=False, reason=what, diff=trace))
    elif isinstance(error, PreparationError):
        case.outcomes.append(StepOutcome(case.id, fits=False, reason=str(error)))
    elif isinstance(error, CaseSkippedError) or type(error).__name__ == "Skipped":
        skipped = str(error)
    elif isinstance(error, HarnessError):
        verdict, fault = verdict_on(error)
    elif isinstance(error, OSError):
        verdict, fault = Verdict(Outcome.ERROR, f"{type(error).__name__}: {error}", trace), Fault.HOST
    elif isinstance(error, Unanswered):
        if case.fate is Fate.ALIVE:
            # The exception did not pass the fixtures that find out what still answers.
            case.fate = error.fate
    elif error is not None:
        verdict, fault = Verdict(Outcome.ERROR, f"{type(error).__name__}: {error}", trace), Fault.CASE
    case.close()
    verdict = verdict or case.verdict(skipped=skipped)
    transcript = "".join(f"    {line}\n" for entry in case.log for line in entry.split("\n"))
    if case.path.is_dir():
        (case.path / ACTUAL_NAME).write_text(transcript)
        (case.path / DIFF_NAME).write_text(verdict.diff)
    return case.record(verdict, title=title, transcript=transcript, fault=fault)


def verdict_on(error: HarnessError) -> tuple[Verdict, Fault]:
    """Judge a case that could not be played: a kernel that does not boot is a result, everything else an error."""
    if isinstance(error, SeriesError):
        return Verdict(Outcome.KERNEL, error.what, str(error)), Fault.NONE
    fault = Fault.CASE if isinstance(error, CaseError) else Fault.HOST
    return Verdict(Outcome.ERROR, error.what, str(error)), fault


@contextmanager
def opened(environment: CaseEnvironment, case_id: str, *, folder: str) -> Iterator[RunningCase]:
    """Open a case for the duration of a ``with`` block; its machine ends with the block, whatever happens."""
    case = RunningCase(environment, case_id, folder=folder)
    try:
        yield case
    except BaseException:
        # Interrupted, for example: do not wait for a busy shell.
        case.abandon()
        raise
    finally:
        case.close()


def junit_names(case_id: str) -> tuple[str, str]:
    """Return classname and name of a case: the id split at its last ``::`` or ``/``, the first part with dots."""
    cut = case_id.rfind("::") if "::" in case_id else case_id.rfind("/")
    if cut < 0:
        return "cases", case_id
    head, name = case_id[:cut], case_id[cut:].lstrip(":/")
    return head.replace("/", ".").removesuffix(".py"), name
