# SPDX-License-Identifier: GPL-2.0-only
"""Run a program of others on one machine, and make the records of its results.

The program runs on a console: a terminal, so that it writes each line at once. Its own case is judged by its end, by
the kernel log, and by whether its report is whole. Each test that it reports is a case as well, ``PROGRAM::TEST``.
"""

from __future__ import annotations

import re
import shlex
import signal
from dataclasses import dataclass, field, replace

from harness.base.errors import HarnessError
from harness.guest.console import Unanswered
from harness.guest.qemu import KERNEL_LOG
from harness.model.run_record import CaseRecord
from harness.model.verdict import Fate, Outcome, Verdict
from harness.run.case import ACTUAL_NAME, DIFF_NAME, CaseEnvironment, RunningCase, junit_names, opened, verdict_on
from harness.run.pace import slowness
from harness.run.play import CaseSkippedError, PreparationError, prepare_machine, unanswered_step
from harness.semantics.judge import StepOutcome
from harness.session.console_name import ConsoleName
from harness.suite.program_file import ProgramCase
from harness.tap.kunit import read_kunit
from harness.tap.lines import Result, clean
from harness.tap.ltp import LtpReport, read_ltp
from harness.tap.report import TapReport, TapTest, read_report

_XFAIL, _XPASS, _SKIP = 2, 3, 4
"""Exit statuses of kselftest.h, beside 0 and 1."""
_KILLED = 128 + signal.SIGKILL
_SHOWN_CHARACTERS = 256 * 1024
NO_REASON = "the test gives no reason"
"""The reason of a skip whose test prints none."""
_WHERE = "program"
_SKIPPED = re.compile(r"\W*(?:test )?skipped\W*|\W*skip(?:ped|ping)?:.*", re.IGNORECASE)
_NOT_FOUND = re.compile(r"\b([\w.+-]+): (?:command )?not found\s*$", re.MULTILINE)
_SHOWN_REASON = 400
_SIMPLE = re.compile(r"[\w./+-]*/[\w./+-]+(?: [\w./+:=,%@-]+)*")
"""A command without anything that needs a shell."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The result of a program.

    :param report: its report.
    :param output: all that it printed.
    :param status: its exit status; None if it did not end.
    :param ltp: its results, if they are those of LTP; None otherwise.
    """

    report: TapReport = field(default_factory=TapReport)
    output: str = ""
    status: int | None = None
    ltp: LtpReport | None = None


def run_program(program: ProgramCase, environment: CaseEnvironment, *, folder: str) -> tuple[CaseRecord, ...]:
    """Run a program on a machine of its own, and return the records: of its tests, and at the end of the program.

    :param folder: name of the folder for its logs, in the run folder.
    """
    with opened(environment, program.path, folder=folder) as case:
        return run_opened(program, case)


def run_opened(program: ProgramCase, case: RunningCase) -> tuple[CaseRecord, ...]:
    """Run a program as a case that is open, and return its records; see :func:`run_program`."""
    ran, skipped = Ran(), ""
    try:
        skipped = _first_line(program.unavailable) or _missing(program, case)
        if not skipped:
            ran = _play(program, case)
    except CaseSkippedError as error:
        skipped = str(error)
    except PreparationError as error:
        case.outcomes.append(StepOutcome(_WHERE, fits=False, reason=str(error)))
    except HarnessError as error:
        verdict, fault = verdict_on(error)
        own = case.record(verdict, title=program.title, transcript="", fault=fault)
        return (*(_test_record(test, case) for test in _read(program, _log_of_boot(program, case)).tests), own)
    has_ended = ran.status is not None
    skipped = skipped or (skip_reason(ran) if has_ended else "")
    if has_ended and not skipped and (problem := find_problem(ran, ends=program.ends)):
        case.outcomes.append(StepOutcome(_WHERE, fits=False, reason=problem, diff=_tail(ran.output)))
    case.close()
    if expected := case.take_expected(program.splats):
        title = f"{program.title} (expected: {expected[0].title})".lstrip()
        program = replace(program, title=title)
    verdict = case.verdict(skipped=skipped)
    if skipped and not verdict.diff:
        verdict = replace(verdict, diff=program.unavailable)
    records = (*(_test_record(test, case) for test in ran.report.tests), _own_record(program, case, ran, verdict))
    lacking = dict.fromkeys(_NOT_FOUND.findall(ran.output))
    missing = [f"the guest has no {name}" for name in lacking] + [case.environment.missing_options(program.options)]
    is_our_config = bool(case.environment.prepared.kernel.build.commit)
    return tuple(explained(one, "; ".join(filter(None, missing)), is_our_config=is_our_config) for one in records)


def _missing(program: ProgramCase, case: RunningCase) -> str:
    """Return what the kernel does not have of a program's needs; for an option that was requested, Kconfig's reason."""
    if not (missing := case.environment.missing(program.needs)):
        return ""
    reasons = [why for option, why in case.environment.prepared.ungranted if option in program.needs]
    return "; ".join(reasons) or missing


def _read(program: ProgramCase, output: str) -> TapReport:
    if program.is_of_ltp:
        return TapReport()
    return read_kunit(output, program.kunit) if program.kunit else read_report(output)


def _log_of_boot(program: ProgramCase, case: RunningCase) -> str:
    """Return the kernel log of a boot that failed, if the tests run at boot; empty for any other program."""
    log = case.path / f"{KERNEL_LOG}.log"
    return log.read_text(errors="replace") if program.append and log.is_file() else ""


def explained(record: CaseRecord, missing: str, *, is_our_config: bool) -> CaseRecord:
    """Return a record whose skip is explained: by its own reason, and by what the machine does not have.

    A skip without any reason is a failure if the harness chose the configuration: nobody would notice it for months.

    :param record: the record of a program, or of one of its tests.
    :param missing: the options that are off, and the programs that were not found; empty if there are none.
    :param is_our_config: whether the harness built the kernel.
    """
    if record.outcome is not Outcome.SKIPPED:
        return record
    if missing:
        return replace(record, reason=f"{record.reason} ({missing})")
    if is_our_config and record.reason == NO_REASON:
        return replace(record, outcome=Outcome.MISMATCH, reason="skipped without a reason, and no option is missing")
    return record


def _play(program: ProgramCase, case: RunningCase) -> Ran:
    """Run the program on the first console until it ends, or until its time is over.

    :raises HarnessError: no machine can be started.
    """
    machine = case.machine(preparation=program.prepare, append=program.append)
    seconds = program.seconds
    try:
        prepare_machine(machine, program.prepare, deadline=case.deadline)
        console = machine.console(ConsoleName.ADMIN, deadline=case.deadline)
        if program.ends and program.scales:
            seconds *= slowness(case.environment.prepared.template, console, case.deadline)
        deadline = machine.deadline(seconds if program.ends else 2 * seconds)
        answer = console.run(command_line(program, seconds / program.seconds), deadline=deadline)
    except Unanswered as error:
        case.fate = machine.fate_of(ConsoleName.ADMIN, error)
        step = unanswered_step(_WHERE, program.command, machine)
        late = f"no end within {seconds:.0f} s, "
        case.outcomes.append(replace(step, reason=late + step.reason) if case.fate is Fate.COMMAND_HUNG else step)
        return Ran(_read(program, error.output), error.output)
    ltp = read_ltp(answer.output, answer.status) if program.is_of_ltp else None
    return Ran(_read(program, answer.output), answer.output, answer.status, ltp)


def command_line(program: ProgramCase, factor: float = 1.0) -> str:
    """Return the line that runs a program on a console.

    The shells must not write that a signal killed it: the program may have died within a line of its report. A program
    that need not end is ended by the guest: the console then answers, and the machine is asked for its taint.

    :param program: the program.
    :param factor: how much more time it gets than on a real machine.
    """
    command = f"exec {program.command}" if _SIMPLE.fullmatch(program.command) else program.command
    if not program.ends:
        command = f"exec timeout -s KILL {program.seconds:.0f} bash -c {shlex.quote(command)}"
    if program.factor_variable:
        command = f"export {program.factor_variable}={factor:.2f}; {command}"
    where = f"cd {shlex.quote(program.directory)} && " if program.directory else ""
    return f"{{ ( {where}{command} ) 2>&3 3>&- </dev/null; }} 3>&2 2>/dev/null"


def skip_reason(ran: Ran) -> str:
    """Return why a whole program was skipped; empty if it was not.

    :param ran: a program that ended.
    """
    if ran.ltp is not None:
        return ran.ltp.skipped
    if ran.report.is_tap:
        if ran.report.skipped:
            return ran.report.skipped
        is_all = bool(ran.report.tests) and all(test.result is Result.SKIP for test in ran.report.tests)
        if ran.status == _SKIP or (is_all and not ran.report.faults):
            reasons = dict.fromkeys(test.reason or test.name for test in ran.report.tests if test.result is Result.SKIP)
            return "; ".join(reasons) or last_line(ran.output) or NO_REASON
        return ""
    last = last_line(ran.output)
    if ran.status == _SKIP:
        return last or NO_REASON
    # A script of the tests of Linux 6.1 ends with status 0, and only says that it was skipped.
    if ran.status == 0 and _SKIPPED.fullmatch(last):
        lines = [line for text in ran.output.splitlines() if (line := clean(text).strip())]
        return ": ".join(lines[-2:])[:_SHOWN_REASON]
    return ""


def find_problem(ran: Ran, *, ends: bool = True) -> str:
    """Return what is wrong with a program as a whole; empty if it ended as its tests say.

    :param ran: a program that ended, and was not skipped.
    :param ends: whether it must end by itself.
    """
    assert ran.status is not None
    report = ran.report
    if ran.ltp is not None:
        return ran.ltp.problem if ran.ltp.is_ended else _unknown_end(ran, ran.status)
    if report.is_tap and report.faults:
        more = f" (and {len(report.faults) - 1} more)" if len(report.faults) > 1 else ""
        return f"the report is not whole: {report.faults[0]}{more}; {_ending(ran.status)}"
    if ran.status in (0, _XFAIL, _XPASS) or (ran.status == _KILLED and not ends):
        return ""
    if report.is_tap and any(test.result is Result.FAIL for test in report.tests):
        # Each of them is a case of its own.
        return "" if ran.status < 128 else _ending(ran.status)
    return _unknown_end(ran, ran.status)


def _unknown_end(ran: Ran, status: int) -> str:
    last = last_line(ran.output)
    return f"{_ending(status)}{f': {last}' if last else ''}"


def last_line(output: str) -> str:
    """Return the last line of some output that is not blank, bounded."""
    lines = (line for text in reversed(output.splitlines()) if (line := clean(text).strip()))
    return next(lines, "")[:400]


def _ending(status: int) -> str:
    if status > 128 and status - 128 in set(signal.Signals):
        return f"was killed by {signal.Signals(status - 128).name}"
    return f"ended with status {status}"


def _test_record(test: TapTest, case: RunningCase) -> CaseRecord:
    outcome, title, reason = Outcome.MATCH, "", ""
    match test.result:
        case Result.FAIL:
            outcome, reason = Outcome.MISMATCH, test.reason or "not ok"
        case Result.SKIP:
            outcome, reason = Outcome.SKIPPED, test.reason or last_line(test.text).lstrip("# ") or NO_REASON
        case Result.XFAIL:
            title = f"expected failure: {test.reason}".rstrip(": ")
    name = f"{case.id}::{test.name}"
    return CaseRecord(
        name,
        *junit_names(name),
        outcome,
        title=title,
        reason=reason,
        diff=f"{test.text}\n" if outcome is Outcome.MISMATCH and test.text else "",
        started=case.started,
        machine="boot" if case.is_booted else "clone",
        folder=case.folder if outcome is Outcome.MISMATCH and case.path.exists() else "",
        is_free_text=True,
    )


def _own_record(program: ProgramCase, case: RunningCase, ran: Ran, verdict: Verdict) -> CaseRecord:
    title = program.title or (ran.ltp.counts if ran.ltp is not None else "")
    if verdict.outcome is Outcome.MATCH and ran.status in (_XFAIL, _XPASS) and not ran.report.is_tap:
        title = "expected failure" if ran.status == _XFAIL else "unexpected pass"
    transcript = f"    # {program.command}\n" if case.has_machine else ""
    transcript += "".join(f"    {line}\n" for line in _bounded(ran.output).splitlines())
    if case.path.is_dir():
        (case.path / ACTUAL_NAME).write_text(transcript)
        (case.path / DIFF_NAME).write_text(verdict.diff)
    return replace(case.record(verdict, title=title, transcript=transcript), is_free_text=True)


def _bounded(text: str) -> str:
    """Return the beginning and the end of a long text."""
    half = _SHOWN_CHARACTERS // 2
    return (
        text
        if len(text) <= 2 * half
        else f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"
    )


def _tail(output: str) -> str:
    """Return the last lines of some output."""
    return "\n".join(clean(line) for line in output.splitlines()[-20:])


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
