# SPDX-License-Identifier: GPL-2.0-only
"""Run the cases on several kernels: while the cases of one run, the next is fetched, built and booted.

A kernel that does not boot does not stop the others: it is a result of its own, with the relevant lines of its log. At
the end there is one table of all kernels.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import pipeline
from harness.base import process
from harness.base.context import Context
from harness.base.errors import ExitStatus, HarnessError, UsageError
from harness.base.events import Note
from harness.base.process import patient_deadline
from harness.model.kernel_spec import parse_spec
from harness.model.run_record import RunRecord
from harness.model.variant_splats import VARIANTS_NAME, render_variants, variant_splats
from harness.model.verdict import Outcome
from harness.pipeline import Options, Prepared
from harness.report.display.events import Lines, RunReport
from harness.report.display.filters import prefixed
from harness.report.formats.junit import render_junit
from harness.report.lines import Line
from harness.report.tables.kernels import kernels_lines
from harness.report.tables.summary import results_lines
from harness.report.tables.traits import trait_lines
from harness.results.find_run import KERNELS_NAME, is_without_kernel
from harness.results.folder import JUNIT_NAME, RunFolder
from harness.results.history import opened_history
from harness.run.host_busy import reported_waits
from harness.run.one_kernel import RunSettings, is_without_variant, record_no_kernel, run_cases
from harness.run.workers.ahead import warm_workers
from harness.run.workers.builds_ahead import NOTHING_AHEAD, BuildsAhead, begin_builds

_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Ready:
    """A kernel that the cases can be run on, or the error of its preparation.

    :param options: the options of the kernel.
    :param folder: its run folder; None after a usage error.
    :param prepared: the kernel; None after an error.
    :param error: the error; None for a prepared kernel.
    """

    options: Options
    folder: RunFolder | None
    prepared: Prepared | None = None
    error: HarnessError | None = None


def run_kernels(
    kernels: Sequence[Options],
    settings: RunSettings,
    *,
    report: RunReport,
    tell: Callable[[HarnessError], ExitStatus],
    on_record: Callable[[RunRecord], None] = lambda _: None,
) -> ExitStatus:
    """Run the cases on each kernel, in the order given.

    :param kernels: the options of each kernel.
    :param settings: the settings of the run.
    :param report: receives the events of the run.
    :param tell: function that shows an error and returns its exit status.
    :param on_record: function that receives each record.
    :return: the worst exit status.
    """
    started = time.time()
    worst = ExitStatus.AS_EXPECTED
    runs: list[RunRecord] = []
    folders: list[str] = []
    with (
        warm_workers(settings.selection.workers, settings.suite.folder) as warm,
        reported_waits(report),
        ready_kernels(kernels, settings, warm.begun_by(report)) as ready,
    ):
        settings = replace(settings, warm=warm)
        for one in ready:
            record, status = _run_one(one, settings, report, tell)
            if status is ExitStatus.INTERRUPTED and one.folder is not None and not settings.keeps_interrupted:
                one.folder.discard()
                record = None
            if record is not None and one.folder is not None:
                remember_run(one.folder, record, settings.results, report)
            worst = max(worst, status)
            if record is not None:
                on_record(record)
            if record is not None and one.folder is not None:
                runs.append(record)
                folders.append(one.folder.path.name)
            if worst is ExitStatus.INTERRUPTED:
                break
    if len(runs) > 1:
        _show_together(runs, _write_joint(runs, folders, settings.results, started), report)
    elif runs and runs[0].traits and len(kernels) > 1:
        report(Lines(lambda width: [Line(""), *trait_lines(runs[0], width)]))
    return worst


def _run_one(
    ready: Ready, settings: RunSettings, report: RunReport, tell: Callable[[HarnessError], ExitStatus]
) -> tuple[RunRecord | None, ExitStatus]:
    """Run the cases of one kernel; an error of the kernel is shown and recorded, and does not stop the others."""
    record = None
    try:
        if ready.folder is None or ready.prepared is None:
            assert ready.error is not None
            if ready.folder is not None:
                with contextlib.suppress(HarnessError):  # the first error is the one to show
                    record = _record_no_kernel(ready, ready.error, settings, report)
            if is_without_variant(ready.error, ready.options.variant.name):
                return record, ExitStatus.AS_EXPECTED
            raise ready.error
        for note in ready.prepared.notes:
            report(Note(note))
        return run_cases(ready.prepared, settings, folder=ready.folder, report=report)
    except HarnessError as error:
        return record, tell(error)


def _write_joint(runs: Sequence[RunRecord], folders: Sequence[str], results: Path, started: float) -> Path:
    """Write the folder of a run of several kernels, and return its JUnit file."""
    folder = RunFolder.joint(results, len(runs), started)
    folder.write_file(KERNELS_NAME, json.dumps(folders) + "\n")
    if any(run.kernel.variant for run in runs):
        folder.write_file(VARIANTS_NAME, render_variants(variant_splats(runs), runs))
    return folder.write_file(JUNIT_NAME, render_junit(runs))


def _record_no_kernel(ready: Ready, error: HarnessError, settings: RunSettings, report: RunReport) -> RunRecord:
    """Record a kernel that could not be prepared, in its run folder."""
    assert ready.folder is not None
    kernel, variant = ready.options.kernel, ready.options.variant.name
    record = record_no_kernel(kernel, error, folder=ready.folder, command=settings.command, variant=variant)
    if record.cases[0].outcome is Outcome.SKIPPED:
        report(Note(f"{record.kernel.called}: not run: {record.cases[0].reason}"))
    else:
        _show_together([record], ready.folder.path / JUNIT_NAME, report)
    return record


def _show_together(runs: Sequence[RunRecord], junit: Path, report: RunReport) -> None:
    """Show a table of all runs of this command, and the file with their results."""
    report(Lines(lambda width: [*kernels_lines(runs, width), *results_lines(junit)]))


def remember_run(folder: RunFolder, record: RunRecord, results: Path, report: RunReport) -> None:
    """Add a run to the history of a results folder; an error is reported as a note and does not change the run."""
    if is_without_kernel(record):
        return
    try:
        with opened_history(results, say=lambda text: report(Note(text))) as history:
            history.add(folder.path, record)
    except HarnessError as error:
        report(Note(f"not in the history: {error.what}; {error.remedy}"))


@contextlib.contextmanager
def ready_kernels(
    kernels: Sequence[Options],
    settings: RunSettings,
    report: RunReport,
    *,
    names: Sequence[str] = (),
    plain_seconds: float = 0.0,
) -> Iterator[Iterator[Ready]]:
    """Prepare kernels in their order, and yield each as soon as it is ready; several are prepared in the background.

    Leaving the ``with`` block early ends the current build.

    A variant gets the boot time of the plain kernel that was prepared before it: its slowness is measured against it.

    :param names: names of the kernels while they are prepared; empty for their KERNEL arguments.
    :param plain_seconds: the boot time of a plain kernel that was prepared earlier.
    """
    called = [f"{name}: " for name in names or [_called(one) for one in kernels]]
    kernels = [replace(one, build=replace(one.build, elsewhere=settings.builds)) for one in kernels]

    def prepare(options: Options, *, name: str, ahead: BuildsAhead) -> Ready:
        nonlocal plain_seconds
        options = replace(options, plain_seconds=_plain_seconds(options))
        ready = _prepare(options, settings, report, name=name, built=ahead.of(options))
        if ready.prepared is not None and not options.variant:
            plain_seconds = ready.prepared.guest_seconds
        return ready

    def _plain_seconds(options: Options) -> float:
        return plain_seconds if options.variant else 0.0

    if len(kernels) == 1:
        yield iter([prepare(kernels[0], name=called[0] if names else "", ahead=NOTHING_AHEAD)])
        return
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="prepare")
    ahead = begin_builds(settings.builds, settings.store, dict(zip(called, kernels, strict=True)), report)
    futures = [pool.submit(prepare, one, name=name, ahead=ahead) for one, name in zip(kernels, called, strict=True)]
    try:
        yield (future.result() for future in futures)
    finally:
        ahead.end()
        # Left early (Ctrl-C): the processes that the thread started have to end before the thread can.
        for future in futures:
            future.cancel()
        while concurrent.futures.wait(futures, timeout=_LOOK_SECONDS).not_done:
            process.end_children()
        for future in futures:
            if not future.cancelled() and not future.exception():
                _discard_unused(future.result())
        pool.shutdown()


def _discard_unused(ready: Ready) -> None:
    """Remove the folder of a kernel whose cases were not started."""
    if ready.folder is not None and not ready.folder.has_record:
        ready.folder.discard()


def _called(options: Options) -> str:
    """Return the KERNEL argument with the variant."""
    return f"{options.kernel} ({options.variant.name})" if options.variant else options.kernel


def _slug(options: Options) -> str:
    """Return the name of a kernel in its run folder; a tree given as ``.`` has the name of its folder."""
    kernel = options.kernel
    if kernel.strip() and set(kernel) <= {".", "/"}:
        kernel = str(Path(kernel).resolve())
    slug = parse_spec(kernel).slug
    return f"{slug}-{options.variant.name}" if options.variant else slug


def _prepare(
    options: Options, settings: RunSettings, report: RunReport, *, name: str, built: Callable[[], None]
) -> Ready:
    """Prepare one kernel for its first case.

    :param name: prefix of the reported phases, if several kernels are prepared.
    :param built: waits for a build that was begun ahead, and raises its error.
    """
    folder = None
    try:
        folder = RunFolder.create(settings.results, _slug(options), time.time())
        built()
        prepared = pipeline.prepare(
            Context(
                settings.store,
                patient_deadline(pipeline.PREPARE_SECONDS + options.build.seconds),
                prefixed(report, name),
            ),
            options,
            logs=folder.path,
        )
    except UsageError as error:
        if options.variant:
            return Ready(options, folder, error=error)  # the column says so, and the others go on
        if folder is not None:
            folder.discard()  # a usage error is not a run
        return Ready(options, None, error=error)
    except KeyboardInterrupt:
        if folder is not None:
            folder.discard()
        raise
    except HarnessError as error:
        return Ready(options, folder, error=error)
    return Ready(options, folder, prepared)
