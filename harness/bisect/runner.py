# SPDX-License-Identifier: GPL-2.0-only
"""Test one commit: build the kernel, boot it once, and run cases on fresh clones of the machine.

A step uses the pipeline of ``harness run`` (``pipeline.py``, ``run/one_kernel.py``), so it is a run like any other: its
run folder is kept in the folder of the bisection and can be read and compared.
"""

from __future__ import annotations

import concurrent.futures
import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import pipeline
from harness.base.context import Context
from harness.base.errors import CaseError, ExitStatus, HarnessError, HostError, UsageError
from harness.base.events import Note, PhaseStarted
from harness.base.process import patient_deadline
from harness.base.store import Store, digest_of
from harness.bisect.observed import YES, ObservedRun
from harness.bisect.targets import Kind, Target, file_of, files_to_run, quiet_case, read_cases, read_value
from harness.inventory import list_entries, with_helper
from harness.model.kernel_spec import parse_spec
from harness.model.run_record import CaseRecord, RunRecord
from harness.model.verdict import Fault, Outcome
from harness.pipeline import Options, Prepared
from harness.report.display.events import RunReport
from harness.report.display.filters import Hushed, Quiet, as_progress
from harness.results.folder import RunFolder
from harness.results.known_failures import KnownFailures
from harness.run.one_kernel import HERE, Judging, RunSettings, Spread, run_cases
from harness.run.rounds import Rounds
from harness.run.selection import Selection, worth_starting
from harness.semantics.traits import Semantics
from harness.suite.definition import InventorySection, Suite
from harness.suite.load import locate

RUNS = "runs"
"""The name of the folder of run folders."""


@dataclass(frozen=True, slots=True)
class Observing:
    """What is done on each commit.

    :param runs_cases: whether cases are run.
    :param boots: whether the kernel is booted after it was built.
    :param takes_inventory: whether the inventory of the suite is taken at the ends.
    """

    runs_cases: bool = True
    boots: bool = True
    takes_inventory: bool = False


EVERYTHING = Observing()


@dataclass(slots=True)
class CommitRunner:
    """Runs cases on commits; keeps the kernels that it has prepared.

    :param options: how kernels are built and booted; the KERNEL argument is filled in later.
    :param selection: the cases to run on the ends, and the number of workers.
    :param semantics: the traits and profiles of the suite.
    :param store: the store of built kernels.
    :param folder: the folder of the bisection.
    :param report: receives progress.
    :param command: the command as typed.
    :param observing: what is done on each commit.
    :param spread: the hosts that build and run cases.
    """

    options: Options
    selection: Selection
    semantics: Semantics
    store: Store
    folder: Path
    report: RunReport
    command: str
    observing: Observing = EVERYTHING
    spread: Spread = HERE
    _built: dict[str, str] = field(default_factory=dict)
    _prepared: dict[str, Prepared] = field(default_factory=dict)
    _failed: dict[str, HarnessError] = field(default_factory=dict)

    def image_of(self, word: str, *, name: str) -> str:
        """Build and boot a kernel unless it is prepared, and return the sha256 of its image; see :class:`Observing`.

        :param word: the KERNEL argument.
        :param name: the name of the step, for progress.
        :raises SeriesError: it does not apply, build or boot.
        :raises HostError: as :func:`harness.pipeline.prepare`.
        :raises UsageError: as :func:`harness.pipeline.prepare`.
        """
        if (error := self._failed.pop(word, None)) is not None:
            raise error
        if not self.observing.boots:
            return self._image_built(word, name)
        if word not in self._prepared:
            logs = self.folder / "logs"
            logs.mkdir(parents=True, exist_ok=True)
            self.report(PhaseStarted(f"{name}: building and booting"))
            self._prepared[word] = pipeline.prepare(
                self._context(name), replace(self._of_inventory(), kernel=word), logs=logs
            )
        return self._prepared[word].kernel.image_digest

    def build_ahead(self, words: Mapping[str, str]) -> None:
        """Have kernels built on hosts, as many at the same time as these can; errors are raised by :meth:`image_of`.

        :param words: the KERNEL arguments, with the names of the steps.
        """
        builds = self.spread.builds
        if builds is None:
            return
        wanted = {word: name for word, name in words.items() if word not in self._prepared and word not in self._built}
        self.report(PhaseStarted(f"building {len(wanted)} kernels on hosts"))
        with concurrent.futures.ThreadPoolExecutor(builds.count, thread_name_prefix="build") as pool:
            begun = {word: pool.submit(self._build, word, name) for word, name in wanted.items()}
            try:
                for word, one in begun.items():
                    try:
                        one.result()
                    except HarnessError as error:
                        self._failed[word] = error
            except BaseException:
                for one in begun.values():
                    one.cancel()
                builds.stop()
                raise

    def _build(self, word: str, name: str) -> None:
        from harness.kernel.resolve import resolve_kernel

        resolve_kernel(self._context(name), parse_spec(word), build=self.options.building)

    def _image_built(self, word: str, name: str) -> str:
        from harness.kernel.resolve import resolve_kernel

        if word not in self._built:
            self.report(PhaseStarted(f"{name}: building"))
            kernel = resolve_kernel(self._context(name), parse_spec(word), build=self.options.building)
            self._built[word] = kernel.image_digest
        return self._built[word]

    def _context(self, name: str) -> Context:
        seconds = pipeline.PREPARE_SECONDS + self.options.build.seconds
        return Context(self.store, patient_deadline(seconds), as_progress(self.report, f"{name}: "))

    def _of_inventory(self) -> Options:
        """Return the options, with the program of inventories in the guest if any is taken."""
        suite = self.options.suite
        return replace(self.options, suite=with_helper(suite)) if self.observing.takes_inventory else self.options

    def observe_all(self, word: str, *, name: str) -> tuple[ObservedRun, RunRecord | None]:
        """Run all selected cases on an end, once, and take its inventory.

        :return: what was seen, and the record of the cases; None if no case was run.
        :raises HarnessError: as :meth:`image_of`.
        """
        self.image_of(word, name=name)
        seen, run, suite = ObservedRun(stages=self._stages()), None, self.options.suite
        if self.observing.runs_cases:
            run, folder = self._run(word, self.selection, name, Quiet(self.report, name), is_wide=True)
            seen = replace(seen, cases=read_cases([run], suite.noise), runs=(folder,))
        if self.observing.takes_inventory:
            seen = replace(seen, inventory=self._inventory(word, suite.inventory, name))
        return seen, run

    def observe(self, word: str, targets: Sequence[Target], *, times: int = 1, name: str) -> list[ObservedRun]:
        """Run the cases that show some targets a number of times, each time on fresh machines.

        :param word: the KERNEL argument.
        :param targets: the targets to observe.
        :param times: the number of runs.
        :param name: the name of the step, for progress.
        :return: the results of each run; what is seen of the kernel itself is in the first one.
        :raises HarnessError: as :meth:`image_of`.
        :raises HostError: the cases could not be run.
        """
        self.image_of(word, name=name)
        answers = self._observe_cases(word, [one for one in targets if one.kind.is_of_cases], times, name)
        keys = [one.name for one in targets if one.kind is Kind.INVENTORY]
        sections = [one for one in self.options.suite.inventory if any(key.startswith(f"{one.name}: ") for key in keys)]
        inventory = self._inventory(word, sections, name) if sections else None
        return [replace(answers[0], stages=self._stages(), inventory=inventory), *answers[1:]]

    def _observe_cases(self, word: str, targets: Sequence[Target], times: int, name: str) -> list[ObservedRun]:
        paths = self._files(files_to_run(targets))
        if not paths:
            return [ObservedRun() for _ in range(times)]
        rounds, folder = self._rounds(word, paths, times, name)
        answers = []
        for number, cases in enumerate(rounds):
            runs = [folder] if number == 0 else []
            if left := [target for target in targets if read_value(target, cases) is None]:
                # The best case has not shown the trait; another case may show it.
                ran = {file_of(case) for case in cases}
                files = [file for file in files_to_run(left, every=True) if file not in ran]
                if files:
                    (more,), other = self._rounds(word, self._files(files), 1, name)
                    cases = {**cases, **more}
                    runs.append(other)
            answers.append(ObservedRun(cases, tuple(runs)))
        return answers

    def _stages(self) -> dict[Kind, str]:
        """Return what a kernel shows that could be prepared."""
        return {Kind.BUILDS: YES, **({Kind.BOOTS: YES} if self.observing.boots else {})}

    def _inventory(self, word: str, sections: Sequence[InventorySection], name: str) -> Mapping[str, str]:
        folder = self.folder / "inventory" / digest_of(word)[:16]
        context = self._context(name)
        return list_entries(context, self._prepared[word], sections, folder=folder).facts

    def _files(self, ids: Sequence[str]) -> tuple[Path, ...]:
        return tuple(find_file(one, self.options.suite) for one in ids)

    def _rounds(
        self, word: str, paths: tuple[Path, ...], times: int, name: str
    ) -> tuple[list[Mapping[str, CaseRecord]], str]:
        """Run cases a number of times; return the results of each time, and the run folder of all."""
        selection = replace(self.selection, paths=paths, expression="", rounds=Rounds(times))
        report = Hushed(self.report, name)
        _, folder = self._run(word, selection, name, report)
        rounds: list[dict[str, CaseRecord]] = [{} for _ in range(times)]
        for case in report.cases:
            next(one for one in rounds if case.id not in one)[case.id] = quiet_case(case, self.options.suite.noise)
        return [*rounds], folder

    def _run(
        self, word: str, selection: Selection, name: str, report: RunReport, *, is_wide: bool = False
    ) -> tuple[RunRecord, str]:
        """Run cases on a prepared kernel; return the record and the run folder.

        :raises HostError: the host kept a case from being run.
        :raises CaseError: a case file is broken.
        """
        folder = RunFolder.create(self.folder / RUNS, name.replace(" ", "-"), time.time())
        today = datetime.datetime.now(datetime.UTC).date()
        settings = RunSettings(
            replace(selection, workers=self.spread.slots or worth_starting(selection.workers, selection.paths)),
            self.semantics,
            Judging(KnownFailures("", today)),
            results=self.folder / RUNS,
            store=self.store,
            command=self.command,
            elsewhere=self.spread.elsewhere,
            builds=self.spread.builds,
        )
        record, status = run_cases(self._prepared[word], settings, folder=folder, report=report)
        if status is ExitStatus.INTERRUPTED:
            raise KeyboardInterrupt
        if broken := [one.text for one in record.problems]:
            remedy = "fix it, then run the same command to continue"
            raise CaseError("a case file is broken", evidence="\n".join(broken), remedy=remedy)
        failed = [case for case in record.cases if case.outcome is Outcome.ERROR]
        if is_wide and 0 < len(failed) < len(record.cases):
            self.report(Note(f"{name}: {len(failed)} cases could not be run and are not compared"))
        elif failed:
            error = CaseError if failed[0].fault is Fault.CASE else HostError
            raise error(
                f"{failed[0].id} could not be run on {name}",
                evidence=failed[0].diff or failed[0].reason,
                remedy="fix that, then run the same command to continue",
            )
        return record, f"{RUNS}/{folder.path.name}"


def find_file(file: str, suite: Suite) -> Path:
    """Return the path of a case file.

    :param file: the id of the file, as reports show it.
    :raises UsageError: the file no longer exists.
    """
    found = locate(file, suite) or locate(f"/{file}", suite)
    if found is not None and found.is_file():
        return found
    raise UsageError(f"the case file {file} no longer exists", remedy="restore it, or start over with --restart")
