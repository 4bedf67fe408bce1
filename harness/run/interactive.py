# SPDX-License-Identifier: GPL-2.0-only
"""Open an interactive shell on a fresh machine, after a case was played up to a line."""

from __future__ import annotations

import sys
from dataclasses import replace

from harness import pipeline
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HarnessError, UsageError
from harness.base.events import PhaseStarted, StageEvent
from harness.base.process import patient_deadline
from harness.base.scratch import scratch_folder
from harness.base.store import Store
from harness.cores.reader import KernelFacts, facts_of_template, require_drgn
from harness.guest.machine import Machine
from harness.kernel.from_source import source_word
from harness.kernel.line_tables import read_inputs
from harness.kernel.source.apt import Apt
from harness.kernel.type_objects import make_type_objects
from harness.model.kernel_spec import parse_spec
from harness.model.verdict import Fate
from harness.pipeline import Options
from harness.run.case import make_environment
from harness.run.console_relay import relay_consoles
from harness.run.debugger import open_drgn, patched_functions, run_gdb, serve
from harness.run.play import CaseSkippedError, Played, play
from harness.semantics.profile import Profile
from harness.session.console_name import ConsoleName
from harness.session.step import Step
from harness.session.transcript import Transcript, parse
from harness.suite.definition import Suite
from harness.suite.load import case_id, find_case, suite_semantics

_PLAY_SECONDS = 600.0
_CLONE_SECONDS = 60.0


def open_shell(
    options: Options, case: str, *, store: Store, with_gdb: bool = False, with_drgn: bool = False
) -> ExitStatus:
    """Prepare a kernel, play a case up to a line, and relay the consoles to the terminal.

    :param case: ``CASE``, ``CASE:LINE``, or empty for a machine without a case.
    :param with_gdb: whether gdb is attached before the command at that line runs.
    :param with_drgn: whether drgn is opened on the memory of the machine after it.
    :raises UsageError: there is no such case, or standard input is not a terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "harness shell needs a terminal",
            remedy="run it in a terminal; a script uses session files and 'harness run'",
        )
    transcript, line = read_case(case, options.suite) if case else (None, None)
    if with_drgn:
        require_drgn()
    semantics = suite_semantics(options.suite)
    with scratch_folder("shell") as folder:
        prepared = pipeline.prepare(
            Context(store, patient_deadline(pipeline.PREPARE_SECONDS + options.build.seconds), _show_phase),
            options,
            logs=folder,
        )
        environment = make_environment(prepared, semantics, folder=folder)
        lease = pipeline.machine(
            prepared, folder=folder / "machine", deadline=Deadline.after(_CLONE_SECONDS + options.boot_seconds)
        )
        with lease as machine:
            first, upto = ConsoleName.ADMIN, line
            if with_gdb and line is not None:
                upto = line - 1
            if transcript is not None:
                first = _play(transcript, upto, machine, environment.profile)
            if with_gdb:
                step = (
                    next((one for one in transcript.steps if line and one.line >= line), None) if transcript else None
                )
                first = _debug(machine, step, first, _functions(options, store))
            if with_drgn:
                context = Context(store, patient_deadline(_PLAY_SECONDS), _show_phase)
                open_drgn(context, machine, _facts_of(context, prepared, options))
            _say(f"harness: the logs of this machine, until it ends: {machine.folder}")
            _say(f"\nharness: {relay_consoles(machine, first)}")
    return ExitStatus.AS_EXPECTED


def _facts_of(context: Context, prepared: pipeline.Prepared, options: Options) -> KernelFacts:
    """Return what the memory of a machine is read with.

    :raises HarnessError: the kernel carries no types, and its source is gone.
    """
    assert prepared.template is not None, "drgn is opened on clones"
    release = prepared.kernel.release
    facts = facts_of_template(context, prepared.template, release=release)
    spec = parse_spec(options.kernel)
    if "__start_BTF" in facts.symbols or source_word(spec) is None:
        return facts
    inputs = read_inputs(context, spec, options.build, image_digest=prepared.kernel.image_digest, apt=Apt())
    return replace(facts, debug_files=make_type_objects(context, inputs, trusted=options.build.is_trusted))


def _functions(options: Options, store: Store) -> tuple[str, ...]:
    """Return where gdb stops: at the functions of the series; without a series, or if that is not known, nowhere."""
    context = Context(store, Deadline.after(_PLAY_SECONDS), _show_phase)
    try:
        return patched_functions(context, parse_spec(options.kernel), options.building)
    except HarnessError as error:
        _say(f"harness: no breakpoints: {error.what}")
        return ()


def _debug(machine: Machine, step: Step | None, console: ConsoleName, functions: tuple[str, ...]) -> ConsoleName:
    """Run gdb before a step, whose command the machine reads when gdb continues it; return the first console."""
    debugger = serve(machine, functions)
    if step is not None:
        console = step.console
        _say(f"harness: typed, and run when gdb continues: {step.command}")
        machine.wires.send(console.value, f"{step.command}\n".encode(), deadline=Deadline.after(_CLONE_SECONDS))
    if missing := run_gdb(debugger):
        _say(f"harness: {missing}")
    return console


def read_case(word: str, suite: Suite) -> tuple[Transcript, int | None]:
    """Read the session file that ``CASE`` or ``CASE:LINE`` names.

    :return: the session file, and the line; None for the whole file.
    :raises UsageError: there is no such case, or it is not a session file.
    :raises CaseError: the file is broken.
    """
    name, colon, number = word.rpartition(":")
    if not colon or not number.isdecimal():
        name, number = word, ""
    path = find_case(name, suite)
    if path.suffix != ".session":
        raise UsageError(f"{name} is not a session file", remedy="name a *.session file of the suite")
    text = path.read_text(encoding="utf-8")
    transcript = parse(text, path=case_id(path, suite), preparations=suite.preparations)
    return transcript, int(number) if number else None


def _play(transcript: Transcript, line: int | None, machine: Machine, profile: Profile) -> ConsoleName:
    """Play the case, show it, and return the console of its last step."""
    try:
        played = play(transcript, machine, profile=profile, deadline=Deadline.after(_PLAY_SECONDS), until_line=line)
    except CaseSkippedError as error:
        _say(f"harness: {transcript.path} was not played: {error}")
        return ConsoleName.ADMIN
    _show(played)
    return played.steps[-1].step.console if played.steps else ConsoleName.ADMIN


def _show(played: Played) -> None:
    for step in played.steps:
        _say(f"{step.step.prompt.text}{step.step.command}")
        if step.output:
            _say(step.output.rstrip("\n"))
    for outcome in played.outcomes:
        if not outcome.fits:
            _say(f"harness: {outcome.where}: {outcome.reason}")
    if played.fate is not Fate.ALIVE:
        _say(f"harness: {played.fate}")


def _show_phase(event: StageEvent) -> None:
    if isinstance(event, PhaseStarted):
        _say(f"...  {event.text}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
