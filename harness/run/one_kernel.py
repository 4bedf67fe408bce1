# SPDX-License-Identifier: GPL-2.0-only
"""Run the cases of a suite on one prepared kernel with pytest, show the progress, and make the record of the run.

pytest runs the cases, here or in xdist's workers. A :class:`RunRecorder` in this process receives the result of each
case, keeps the record on disk up to date (a run that is killed leaves all cases that had ended), and reports events to
the display.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HarnessError, NotInKernelError, SeriesError, UsageError
from harness.base.events import Note
from harness.base.store import Store, digest_of
from harness.kernel.needs import missing_feature_notes
from harness.model.command_option import CommandOption
from harness.model.host_facts import host_facts
from harness.model.inventory import InventoryEntry
from harness.model.run_record import NO_KERNEL_ID, CaseRecord, Problem, ProblemKind, RunRecord, no_kernel
from harness.model.verdict import Fault, Outcome
from harness.pipeline import Prepared
from harness.report.display.events import Lines, RunFinished, RunReport
from harness.report.formats.junit import render_junit
from harness.report.lines import Line, Tone
from harness.report.tables.comparison import comparison_lines
from harness.results.baseline import Baseline, judge_by
from harness.results.compare import Comparison
from harness.results.find_run import FoundRun
from harness.results.folder import BUILD_LOG_NAME, CONFIG_NAME, JUNIT_NAME, RunFolder
from harness.results.history import flake_rates
from harness.results.kernel_line import kernel_line
from harness.results.known_failures import KnownFailures
from harness.run.case import CaseEnvironment, junit_names, make_environment
from harness.run.order import dump_past, read_past, with_first
from harness.run.rounds import ONCE
from harness.run.selection import Selection, files_of
from harness.run.workers.ahead import WarmWorkers
from harness.semantics.traits import Semantics
from harness.suite.definition import Suite
from harness.suite.load import default_suite, suite_argument
from harness.suite.needed_options import needed_options

if TYPE_CHECKING:
    from harness.kernel.build.elsewhere import Elsewhere as BuildsElsewhere
    from harness.run.coverage.touching import Touching
    from harness.run.recorder import Elsewhere, PytestRun, RunRecorder

_TOUCHING_SECONDS = 600.0
_KEEPING_SECONDS = 60.0
_DOUBTS = 5
_PYTEST_LOG = "pytest.log"
_PAST_KIND = "case-results"
"""The kind of the facts in the store that decide the order of the cases."""


Lister = Callable[[Prepared, Path, RunReport], tuple[InventoryEntry, ...]]
"""Takes the inventory of a kernel; its logs go to the folder."""


@dataclass(frozen=True, slots=True)
class Judging:
    """Inputs for judging a run besides the cases and the profile.

    :param known: the known failures.
    :param baseline: an earlier run; None to judge each case by itself.
    :param repeats_failures: whether cases that fail are repeated until it is clear whether they always do, and say
        nothing about the kernel without a baseline.
    """

    known: KnownFailures
    baseline: Baseline | None = None
    repeats_failures: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """The hosts that a command is spread over.

    :param elsewhere: runs the cases of a round on other hosts; None to run them on this host.
    :param builds: builds kernels on other hosts; None to build them on this host.
    :param slots: the number of machines that run at the same time on other hosts.
    """

    elsewhere: Elsewhere | None = None
    builds: BuildsElsewhere | None = None
    slots: int = 0


HERE = Spread()
"""All runs on this host."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of a run, for each of its kernels.

    :param selection: the cases to run.
    :param semantics: traits and profiles of the suite.
    :param judging: known failures and baseline.
    :param results: the folder of the run folders.
    :param store: the store.
    :param command: the command line of the user.
    :param suite: the suite of the cases.
    :param options: the options of the command, for reports that repeat it.
    :param keeps_interrupted: whether a run that is interrupted leaves its run folder.
    :param touching: the change whose cases are run first; None without one.
    :param warm: workers that were started ahead.
    :param elsewhere: runs the cases of a round on other hosts; None to run them on this host.
    :param builds: builds kernels on other hosts; None to build them on this host.
    :param resumed: a run that was ended early, whose results are taken over; None without one.
    :param lister: takes the inventory of each kernel after its cases; None for none.
    """

    selection: Selection
    semantics: Semantics
    judging: Judging
    results: Path
    store: Store
    command: str
    suite: Suite = field(default_factory=default_suite)
    options: tuple[CommandOption, ...] = ()
    keeps_interrupted: bool = True
    touching: Touching | None = None
    warm: WarmWorkers = field(default_factory=WarmWorkers)
    elsewhere: Elsewhere | None = None
    builds: BuildsElsewhere | None = None
    resumed: FoundRun | None = None
    lister: Lister | None = None


def run_cases(
    prepared: Prepared, settings: RunSettings, *, folder: RunFolder, report: RunReport
) -> tuple[RunRecord, ExitStatus]:
    """Run the cases on a prepared kernel.

    :param folder: the run folder, which receives the record and the logs.
    :return: the record, which is also written to the run folder, and the exit status.
    :raises UsageError: the selection names no case.
    :raises CaseError: no case can be read.
    :raises HostError: the results cannot be written.
    """
    choice, suite = _choose(settings, prepared, report), suite_argument(prepared.suite)
    selection = choice.selection
    environment = make_environment(prepared, settings.semantics, folder=folder.path)
    record = first_record(environment, command=settings.command, workers=selection.workers)
    earlier = settings.judging.baseline.of(prepared.kernel, suite) if settings.judging.baseline is not None else None
    own_notes = [*_notes_before(settings, prepared, has_earlier=earlier is not None), *choice.notes]
    for note in own_notes:
        report(Note(note))
    record = replace(record, notes=(*record.notes, *own_notes), options=settings.options)
    _keep_build(prepared, folder)
    folder.write(record)
    # Imported here, with pytest: commands that end before the first case, and those that only read a run, need neither.
    from harness.run.recorder import RunRecorder

    listener = RunRecorder(environment, settings.semantics, folder, report, record, settings.judging.known, selection)
    listener.repeats_failures = settings.judging.repeats_failures
    if earlier is not None:
        listener.excuse = lambda run: _judge_by(earlier, run, prepared)[0]
    ended = _run_in_order(listener, settings, digest_of(suite), first=choice.first)
    if ended.is_aborted:
        log = folder.write_file(_PYTEST_LOG, ended.stderr)
        listener.broken.append(_aborted(ended.stderr, log))
    # With workers, a run that has failed enough ends in the same way as after Ctrl-C.
    interrupted = ended.is_interrupted and not listener.has_failed_enough
    done = listener.finish(complete=not interrupted)
    # What user space finds does not depend on how a kernel is checked.
    if settings.lister is not None and not interrupted and not prepared.kernel.variant:
        done = with_inventory(done, prepared, settings.lister, folder=folder, report=report)
    comparison = None
    if earlier is not None:
        done, comparison = _judge_by(earlier, done, prepared)
        folder.write(done)
    _finish(done, folder, settings.store, report)
    if comparison is not None and earlier is not None:
        rates = flake_rates(folder.path.parent) if done.baseline.flaky else {}
        names = (earlier.name, folder.path.name)
        report(Lines(lambda width: _against(comparison, width, names=names, rates=rates)))
    return done, exit_status(done, interrupted=interrupted, broken=bool(listener.broken))


def with_inventory(
    run: RunRecord, prepared: Prepared, lister: Lister, *, folder: RunFolder, report: RunReport
) -> RunRecord:
    """Take the inventory of the kernel of a run, and write the record with it.

    :param folder: the run folder, which gets the record.
    """
    try:
        run = replace(run, inventory=lister(prepared, folder.path / "inventory", report))
    except HarnessError as error:
        text = f"{error.what}\n{error.evidence}" if error.evidence else error.what
        run = replace(run, problems=(*run.problems, Problem(ProblemKind.INVENTORY, text)))
    folder.write(run)
    return run


def _keep_build(prepared: Prepared, folder: RunFolder) -> None:
    """Copy the kernel's configuration and the log of its build, as far as there are any, into the run folder."""
    if prepared.config_text:
        folder.write_file(CONFIG_NAME, prepared.config_text)
    if prepared.build_log is not None:
        folder.write_file(BUILD_LOG_NAME, prepared.build_log.read_text(errors="replace"))


def _finish(run: RunRecord, folder: RunFolder, store: Store, report: RunReport) -> None:
    """Write the last files of a run, and keep in the store what the cases ran: later runs choose cases by it."""
    if run.coverage.template:
        from harness.guest.coverage.kept import keep_run

        try:
            keep_run(store, FoundRun(folder.path, run), deadline=Deadline.after(_KEEPING_SECONDS))
        except HarnessError as error:
            report(Note(f"the coverage is not kept for later runs: {error.what}"))
    report(RunFinished(run, folder.write_file(JUNIT_NAME, render_junit([run]))))


def _aborted(output: str, log: Path) -> Problem:
    """Return the problem of a run that pytest ended early."""
    last = output.strip().rpartition("\n")[2]
    text = f"pytest ended early: {last}\nthe record has the cases that had ended; the output of pytest is in {log}"
    return Problem(ProblemKind.ABORTED, text)


def _judge_by(earlier: FoundRun, done: RunRecord, prepared: Prepared) -> tuple[RunRecord, Comparison]:
    """Compare a run with its baseline."""
    suite = prepared.suite
    return judge_by(earlier, done, config=prepared.config_text, noise=suite.noise, needed=needed_options(suite))


def _notes_before(settings: RunSettings, prepared: Prepared, *, has_earlier: bool) -> list[str]:
    """Return notes for the user on how the cases are run and judged."""
    rounds, baseline = settings.selection.rounds, settings.judging.baseline
    notes = [f"cases are run {rounds}"] if rounds != ONCE else []
    if baseline is not None and not has_earlier:
        line = kernel_line(prepared.kernel)
        notes.append(f"no baseline: {baseline.results} holds no complete run of {line} yet")
    return notes


@dataclass(frozen=True, slots=True)
class _Choice:
    """The cases to run, by what has changed since an earlier run.

    :param first: ids of the cases to run before all others, in their order.
    """

    selection: Selection
    first: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _choose(settings: RunSettings, prepared: Prepared, report: RunReport) -> _Choice:
    """Choose the cases: all that are selected, or those that reach what has changed since an earlier run first.

    :raises UsageError: that run does not fit, or no case reaches the change and no other is to be run.
    """
    request = settings.touching
    if request is None:
        return _Choice(settings.selection)
    # Imported here: other runs must not import the build.
    from harness.run.coverage.touching import cases_touching, first_cases

    context = Context(settings.store, Deadline.after(_TOUCHING_SECONDS), report)
    chosen = cases_touching(context, prepared.kernel, request, prepared.suite, settings.options)
    count = f"{len(chosen.cases)} case{'' if len(chosen.cases) == 1 else 's'}"
    notes = [f"run first: {count} of {chosen.count} that reached what has changed since {chosen.since}"]
    if chosen.doubts:
        more = f" and {len(chosen.doubts) - _DOUBTS} more" if len(chosen.doubts) > _DOUBTS else ""
        notes.append(f"all cases are run, because of: {', '.join(chosen.doubts[:_DOUBTS])}{more}")
    elif request.is_only and not chosen.cases:
        raise UsageError(
            f"no case reaches what has changed since {chosen.since}",
            remedy="omit --only, or run the cases on the base again with --coverage",
        )
    elif request.is_only:
        cases = first_cases(chosen, request.share)
        if len(cases) < len(chosen.cases):
            notes.append(f"{len(cases)} of them are run: {request.share} % of the suite, the most different first")
        paths = files_of(cases, prepared.suite)
        return _Choice(replace(settings.selection, paths=paths), cases, tuple(notes))
    return _Choice(settings.selection, chosen.cases, tuple(notes))


def _run_in_order(listener: RunRecorder, settings: RunSettings, key: str, *, first: tuple[str, ...]) -> PytestRun:
    """Run the cases in the order that follows from earlier runs, and keep the results for the next one.

    :param key: the key of the suite's results in the store.
    :param first: ids of cases to run before all others.
    :raises UsageError: the selection names no case.
    :raises CaseError: no case can be read.
    :raises HostError: the results cannot be written.
    """
    # Imported here: see run_cases().
    from harness.run.recorder import find_no_case, run_rounds

    store, listener.warm = settings.store, settings.warm
    listener.past = with_first(read_past(store.recall(_PAST_KIND, key) or {}), first)
    if settings.resumed is not None:
        _require_same_kernel(settings.resumed, listener.environment.prepared)
        listener.go_on_with(settings.resumed)
    ended = run_rounds(listener, settings.elsewhere)
    # Only the order of the next run depends on it.
    with contextlib.suppress(HarnessError), store.lock(_PAST_KIND, key):
        # Another run of the suite may have kept its results meanwhile.
        before = read_past(store.recall(_PAST_KIND, key) or {})
        store.remember(_PAST_KIND, key, dump_past(before, listener.cases))
    if listener.failure is not None:
        raise listener.failure
    suite = listener.environment.suite
    if missing := find_no_case(ended, listener.selection, suite, is_explained=listener.may_have_no_case):
        listener.folder.discard()
        raise missing
    return ended


def _require_same_kernel(earlier: FoundRun, prepared: Prepared) -> None:
    """Check that a run to go on with is of this kernel, and of this suite.

    :raises UsageError: it is not.
    """
    before, now = earlier.run.kernel, prepared.kernel
    was = f"{kernel_line(before)}, image {before.image_digest[:12]}, suite {earlier.run.suite}"
    own = f"{kernel_line(now)}, image {now.image_digest[:12]}, suite {suite_argument(prepared.suite)}"
    if was != own:
        raise UsageError(
            f"--resume {earlier.folder.name}: that run is of another kernel or suite",
            evidence=f"that run: {was}\nthis one: {own}",
            remedy="give the command of that run, which its run.json has as 'command', and --resume",
        )


def _against(comparison: Comparison, width: int, *, names: tuple[str, str], rates: Mapping[str, str]) -> list[Line]:
    heading = Line(f"Against the baseline {names[0]}", Tone.STRONG)
    return [Line(""), heading, Line(""), *comparison_lines(comparison, width, names=names, rates=rates)]


def is_without_variant(error: HarnessError, variant: str) -> bool:
    """Return whether an error says only that a variant cannot be had: not in this kernel, or without its compiler.

    :param error: the error of a kernel's preparation.
    :param variant: the name of the variant; empty for the plain kernel.
    """
    return bool(variant) and (isinstance(error, NotInKernelError) or bool(error.packages))


def record_no_kernel(
    kernel: str, error: HarnessError, *, folder: RunFolder, command: str, variant: str = ""
) -> RunRecord:
    """Write the record of a kernel that could not be prepared, so that a reader of ``junit.xml`` sees it as well.

    A kernel that does not boot is a result (a failure); a fault of this host or of the command line is an error. A
    variant that cannot be had is skipped.

    :param kernel: the KERNEL argument.
    :param error: the reason.
    :param folder: the run folder.
    :param command: the command line of the user.
    :param variant: the name of the variant; empty for the plain kernel.
    """
    outcome = Outcome.KERNEL if isinstance(error, SeriesError) else Outcome.ERROR
    outcome = Outcome.SKIPPED if is_without_variant(error, variant) else outcome
    reason = f"{error.what}; {error.remedy}" if outcome is Outcome.SKIPPED and error.remedy else error.what
    case = CaseRecord(
        NO_KERNEL_ID, *junit_names(NO_KERNEL_ID), outcome, reason=reason, diff=str(error), started=time.time()
    )
    record = RunRecord(
        kernel=no_kernel(kernel, variant),
        started=time.time(),
        complete=True,
        host=host_facts(),
        command=command,
        harness_version=version("kernel-patch-harness"),
        cases=(case,),
    )
    folder.write(record)
    folder.write_file(JUNIT_NAME, render_junit([record]))
    return record


def exit_status(record: RunRecord, *, interrupted: bool, broken: bool) -> ExitStatus:
    """Return the exit status of a run; of several reasons, the one to fix first decides."""
    outcomes = {case.outcome for case in record.cases}
    if interrupted:
        return ExitStatus.INTERRUPTED
    if broken or record.problems:
        return ExitStatus.CASE_BROKEN
    if any(case.fault is Fault.CASE for case in record.cases):
        return ExitStatus.CASE_BROKEN
    if Outcome.ERROR in outcomes:
        return ExitStatus.HOST
    failed = record.baseline.failures or any(case.is_failure for case in record.cases)
    return ExitStatus.DIFFERS if failed else ExitStatus.AS_EXPECTED


def first_record(environment: CaseEnvironment, *, command: str, workers: int) -> RunRecord:
    """Make the record of a run before its first case."""
    prepared = environment.prepared
    return RunRecord(
        kernel=prepared.kernel,
        started=time.time(),
        acceleration=prepared.acceleration.acceleration.value,
        acceleration_evidence=prepared.acceleration.evidence,
        qemu=prepared.qemu_version,
        machine_type=prepared.request.machine_type.name,
        command_line=prepared.request.machine_type.command_line,
        guest_image_digest=prepared.guest_digest,
        profile=environment.profile.name,
        suite=suite_argument(environment.suite),
        host=host_facts(),
        command=command,
        harness_version=version("kernel-patch-harness"),
        workers=workers,
        boot_seconds=prepared.boot_seconds,
        coverage=prepared.coverage,
        notes=(
            *prepared.notes,
            *missing_feature_notes(prepared.lacking, environment.suite.features, environment.profile),
            *filter(None, [environment.profile.note]),
        ),
    )
