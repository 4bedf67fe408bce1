# SPDX-License-Identifier: GPL-2.0-only
"""Measure how much the cases catch: build each mutant of ``bench/data/mutants`` and run the cases of its suite on it.

    tox -e mutants                           all mutants; up to a minute for each new one
    tox -e mutants -- --suite SUITE          the mutants of one suite; repeatable
    tox -e mutants -- --only SUITE/NAME      one mutant; repeatable
    tox -e mutants -- --all-cases            find every case that catches a mutant, not only the first one
    tox -e mutants -- --again                repeat existing measurements
    tox -e mutants -- --chosen RUN           of the cases that coverage chooses, is one known to kill it; no boots
    tox -e mutants -- --chosen RUN --share N     the same with N % of the suite at most
    tox -e mutants -- --chosen RUN --share N --kill     run the chosen cases where none is known to kill it

A case counts when it passes on the kernel without a patch; it is run there when it first catches a mutant. The
measurement of an image with the same case files is not repeated. Results are in ``bench/mutants.json``, run folders in
``results/mutants``. Exit status 1 when a mutant survived or is broken, or a case fails without a mutant.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from bench.chosen import ChosenFor, choose_for
from bench.chosen import summary as summary_of_chosen
from bench.figures import arguments
from bench.mutant import (
    BASE,
    MUTANTS,
    Measured,
    Mutant,
    MutantResult,
    digests,
    dumps,
    file_of,
    find_mutants,
    has_failed,
    in_order,
    judge,
    loads,
    suite_of,
    summary,
    unmutated,
)
from harness import pipeline
from harness.base import paths as places
from harness.base import process
from harness.base.atomic_write import write_whole
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, ExitStatus, HarnessError, SeriesError
from harness.base.events import ignore
from harness.base.signals import signals_as_interrupts
from harness.base.store import Store
from harness.model.host_facts import host_facts
from harness.model.run_record import CaseRecord
from harness.model.verdict import Outcome
from harness.pipeline import Options, Prepared
from harness.results.find_run import find_run
from harness.results.folder import RunFolder
from harness.results.known_failures import KnownFailures
from harness.run.case import make_environment
from harness.run.one_kernel import Judging, RunSettings, run_cases
from harness.run.selection import Selection
from harness.suite.definition import Suite
from harness.suite.load import case_id, case_paths, find_suite, suite_semantics

RESULTS = places.default_results() / "mutants"
JSON = Path(__file__).with_name("mutants.json")
_BATCH = 24
"""Number of case files in one run: enough to keep all workers busy."""
_LOOK_SECONDS = 0.1
_BOOT_SECONDS = 600.0
"""Time for a boot on a host that builds at the same time; a hanging mutant is rare, and a wrong result is expensive."""

Ready = tuple[Prepared, RunFolder] | SeriesError


@dataclass(eq=False)
class MutantBench:
    """Measure mutants.

    :param known: what was measured before, by name; grows.
    :param workers: machines side by side.
    """

    known: dict[str, Measured]
    workers: int
    all_cases: bool = False
    again: bool = False
    unsound: set[str] = field(default_factory=set)
    """Case files that fail without a mutant."""
    store: Store = field(default_factory=Store.default)
    _paths: dict[str, dict[str, Path]] = field(default_factory=dict)

    def paths(self, suite: Suite) -> dict[str, Path]:
        """Find the case files of a suite, by id."""
        if suite.name not in self._paths:
            self._paths[suite.name] = {case_id(path, suite): path for path in case_paths(suite)}
        return self._paths[suite.name]

    def prepare(self, name: str, kernel: str) -> Ready:
        """Build a kernel for the suite of a measurement and boot it once.

        :return: the prepared kernel and its run folder, or the error of its series.
        """
        folder = _run_folder(name)
        options = Options(kernel, profile="mainline", boot_seconds=_BOOT_SECONDS, suite=find_suite(suite_of(name)))
        try:
            prepared = pipeline.prepare(
                Context(self.store, Deadline.after(pipeline.PREPARE_SECONDS + options.build.seconds)),
                options,
                logs=folder.path,
            )
        except SeriesError as error:
            return error
        return prepared, folder

    def measure(self, mutant: Mutant, ready: Ready) -> Measured:
        """Measure a mutant; return the existing measurement if it is still valid.

        :raises CaseError: a case is broken, or could not be asked.
        """
        name = mutant.name
        if isinstance(ready, SeriesError):
            return self._learn(Measured(name, MutantResult.BROKEN, reason=ready.what))
        prepared, folder = ready
        if warnings := prepared.kernel.build.warnings:
            return self._learn(Measured(name, MutantResult.BROKEN, reason=warnings[0]))
        image = prepared.kernel.image_digest
        profile = make_environment(prepared, suite_semantics(prepared.suite), folder=folder.path).profile
        paths = self.paths(prepared.suite)
        every = digests(paths, profile)
        now = {one: digest for one, digest in every.items() if one not in self.unsound}
        before = self.known.get(name, Measured(name, MutantResult.BROKEN))
        if before.holds(image, now) and not self.again:
            folder.discard()
            return before
        passed = set() if self.again else before.passed(image, now)
        order = [one for one in in_order([*now], [*self.known.values()], mutant=name) if one not in passed]
        started = time.monotonic()
        cases: list[CaseRecord] = []
        batches = _batches(order, {*map(file_of, before.killers)}, all_cases=self.all_cases)
        while batches and not any(has_failed(case) for case in cases):
            batch = batches.pop(0)
            asked = self._ask(prepared, folder, [paths[one] for one in batch], stops=not self.all_cases)
            cases += self._sound(prepared.suite, asked, now)
            # A file that fails without the mutant, too, has stopped the batch before the others were run.
            if left := [one for one in batch if one not in {file_of(case.id) for case in asked}]:
                batches.insert(0, left)
            folder = _run_folder(name)
        now = {one: digest for one, digest in now.items() if one not in self.unsound}
        return self._learn(judge(name, image, cases, profile, now, seconds=time.monotonic() - started))

    def _sound(self, suite: Suite, cases: Sequence[CaseRecord], now: Mapping[str, str]) -> list[CaseRecord]:
        """Remove the cases of files in which a case fails without a patch, too.

        That is asked when a file first catches a mutant, and kept until the file changes.
        """
        base_name = unmutated(suite.name)
        for name in dict.fromkeys(file_of(case.id) for case in cases if has_failed(case)):
            base = self.known.get(base_name, Measured(base_name, MutantResult.SURVIVED))
            if base.files.get(name) == now[name]:
                continue
            ready = self.prepare(base_name, BASE)
            if isinstance(ready, SeriesError):
                raise ready
            prepared, folder = ready
            if any(has_failed(case) for case in self._ask(prepared, folder, [self.paths(suite)[name]], stops=False)):
                self.unsound.add(name)
            else:
                image = prepared.kernel.image_digest
                self._learn(Measured(base_name, MutantResult.SURVIVED, image, files={**base.files, name: now[name]}))
        return [case for case in cases if file_of(case.id) not in self.unsound]

    def _ask(self, prepared: Prepared, folder: RunFolder, files: Sequence[Path], *, stops: bool) -> list[CaseRecord]:
        """Run case files and return the records of their cases.

        :param stops: whether to stop at the first failure.
        """
        settings = RunSettings(
            Selection(tuple(files), "", min(self.workers, len(files)), int(stops)),
            suite_semantics(prepared.suite),
            Judging(KnownFailures("", datetime.date.min)),
            results=RESULTS,
            store=self.store,
            command="tox -e mutants",
            suite=prepared.suite,
        )
        record, status = run_cases(prepared, settings, folder=folder, report=ignore)
        if status is ExitStatus.INTERRUPTED:
            raise KeyboardInterrupt
        if broken := [case for case in record.cases if case.outcome is Outcome.ERROR]:
            reasons = "\n".join(f"{case.id}: {case.reason}" for case in broken)
            raise CaseError(
                "cases could not be run", evidence=reasons, remedy="fix them, then run tox -e mutants again"
            )
        return list(record.cases)

    def kill(self, chosen: ChosenFor) -> ChosenFor:
        """Run the chosen cases on a mutant until one fails, and return them with that one as a killer.

        :raises SeriesError: the mutant does not build or boot.
        """
        ready = self.prepare(chosen.mutant.name, chosen.mutant.kernel)
        if isinstance(ready, SeriesError):
            raise ready
        prepared, folder = ready
        paths = self.paths(prepared.suite)
        cases = self._ask(
            prepared, folder, [paths[one] for one in dict.fromkeys(map(file_of, chosen.cases))], stops=True
        )
        return replace(chosen, killers=chosen.killers | {case.id for case in cases if has_failed(case)})

    def _learn(self, measured: Measured) -> Measured:
        self.known[measured.name] = measured
        write_whole(JSON, dumps(self.known.values(), {"host": host_facts(), "base": BASE}).encode(), mode=0o644)
        return measured


def _run_folder(name: str) -> RunFolder:
    """Create a run folder, with the slash in the name of the mutant replaced."""
    return RunFolder.create(RESULTS, name.replace("/", "-"), time.time())


@contextlib.contextmanager
def prepared_ahead(bench: MutantBench, mutants: Sequence[Mutant]) -> Iterator[Iterator[tuple[Mutant, Ready]]]:
    """Yield mutants in order with their kernels; the next kernel is built and booted while the cases of one run."""
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="prepare")
    # Prepare one kernel ahead only, since each has a run folder from then on.
    gate = threading.Semaphore(2)

    def prepare(mutant: Mutant) -> Ready:
        gate.acquire()
        return bench.prepare(mutant.name, mutant.kernel)

    futures = [(mutant, pool.submit(prepare, mutant)) for mutant in mutants]

    def each() -> Iterator[tuple[Mutant, Ready]]:
        for mutant, future in futures:
            yield mutant, future.result()
            gate.release()

    try:
        yield each()
    finally:
        for _, future in futures:
            future.cancel()
        gate.release()
        while concurrent.futures.wait([future for _, future in futures], timeout=_LOOK_SECONDS).not_done:
            process.end_children()
        pool.shutdown()


def measure_all(bench: MutantBench, mutants: Sequence[Mutant]) -> dict[str, Measured]:
    """Measure all mutants and print each result at once."""
    results: dict[str, Measured] = {}
    with prepared_ahead(bench, mutants) as ready:
        for mutant, one in ready:
            found = results[mutant.name] = bench.measure(mutant, one)
            click.echo(found.line())
    return results


def _batches(order: Sequence[str], own: set[str], *, all_cases: bool) -> list[list[str]]:
    """Split case files into batches: first those that killed the mutant before, then groups in order of probability.

    :param own: the files that killed it before.
    """
    if all_cases:
        return [[*order]]
    first = [one for one in order if one in own]
    rest = [one for one in order if one not in own]
    return [*filter(None, [first]), *(rest[at : at + _BATCH] for at in range(0, len(rest), _BATCH))]


def measure_chosen(bench: MutantBench, mutants: Sequence[Mutant], word: str, *, share: int, kills: bool) -> bool:
    """Print the cases that coverage chooses for each mutant, and whether they kill it.

    :param word: a run of the base with coverage.
    :param share: the largest share of the suite, in percent.
    :param kills: whether the chosen cases are run on mutants that none of them is known to kill.
    :return: whether each mutant is killed.
    """
    run = find_run(word, results=places.default_results())
    suite = find_suite(run.run.suite)
    own = [mutant for mutant in mutants if mutant.suite == suite.name]
    context = Context(bench.store, Deadline.never())
    found = []
    for one in choose_for(context, run, suite, own, known=bench.known, share=share):
        killed = one if one.is_killed or not kills else bench.kill(one)
        click.echo(killed.line())
        found.append(killed)
    for line in summary_of_chosen(found):
        click.echo(line)
    return all(one.is_killed for one in found)


def main() -> None:
    """Measure, print the results, and write the JSON file."""
    parser = arguments(__doc__)
    every = find_mutants()
    suites = sorted({mutant.suite for mutant in every})
    parser.add_argument("--suite", action="append", choices=suites, help="mutants of that suite only; repeatable")
    parser.add_argument("--only", action="append", metavar="SUITE/NAME", help="that mutant only; repeatable")
    parser.add_argument("--all-cases", action="store_true", help="do not stop at the first case that catches a mutant")
    parser.add_argument("--again", action="store_true", help="repeat existing measurements")
    parser.add_argument(
        "--chosen", metavar="RUN", help="only choose cases by coverage: a run of the base with --coverage"
    )
    parser.add_argument(
        "--share", type=int, default=100, metavar="PERCENT", help="with --chosen: the most of the suite"
    )
    parser.add_argument("--kill", action="store_true", help="with --chosen: run them where no known killer is chosen")
    parser.add_argument("-n", dest="workers", type=int, default=len(os.sched_getaffinity(0)), help="number of machines")
    options = parser.parse_args()
    if unknown := sorted({*(options.only or ())} - {mutant.name for mutant in every}):
        parser.error(f"no such mutant: {', '.join(unknown)}\nhint: ls {MUTANTS}")
    mutants = [
        mutant
        for mutant in every
        if mutant.name in (options.only or [mutant.name]) and mutant.suite in (options.suite or suites)
    ]
    known = loads(JSON.read_text()) if JSON.exists() else {}
    with signals_as_interrupts():
        bench = MutantBench(known, options.workers, options.all_cases, options.again)
        try:
            if options.chosen:
                share, kills = options.share, options.kill
                raise SystemExit(not measure_chosen(bench, mutants, options.chosen, share=share, kills=kills))
            results = measure_all(bench, mutants)
        except HarnessError as error:
            click.echo(f"mutants: {error}")
            raise SystemExit(int(error.exit_status)) from None
        except KeyboardInterrupt:
            raise SystemExit(int(ExitStatus.INTERRUPTED)) from None
    for line in summary(mutants, results):
        click.echo(line)
    for name in sorted(bench.unsound):
        click.echo(f"fails without a mutant: {name}")
    if any(results[mutant.name].fate is not MutantResult.KILLED for mutant in mutants) or bench.unsound:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
