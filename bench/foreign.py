# SPDX-License-Identifier: GPL-2.0-only
"""Compare selftests of the kernel, run by the harness, with the same programs typed into one booted guest.

    tox -e bench-foreign                       the cgroup selftests of the distribution's kernel; ten minutes
    tox -e bench-foreign -- --only test_core   one program

Both ways take turns within one run, so that a busy host slows both. The harness clones a machine, prepares it, runs the
program, reads its report and the kernel log, and ends the machine. By hand a guest has just been booted and prepared,
which is not counted, and the program is typed. So both run it on a fresh machine, on which nothing has run before: a
program that runs once more in the same guest takes a fraction of the time, as its memory is there, and its code and the
kernel's are translated. That time is shown too. The time that QEMU or the harness waited for a processor is left
out, since test_kill and test_freezer start as many processes as they can, and a busy host lets them start more.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure, arguments, report_figures, table
from harness import pipeline
from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.process import WaitMeter
from harness.base.store import Store
from harness.guest.console import Console
from harness.guest.machine import Machine
from harness.guest.template import booted
from harness.pipeline import Options, Prepared
from harness.run.case import CaseEnvironment, make_environment, opened
from harness.run.foreign.make import make_suite
from harness.run.program import command_line, run_opened
from harness.session.console_name import ConsoleName
from harness.suite.definition import Suite
from harness.suite.load import case_id, case_paths, read_suite, suite_semantics
from harness.suite.program_file import ProgramCase, parse_program

PROGRAMS = ("test_core", "test_freezer", "test_kill")
TURNS = 5
_SECONDS = 2 * 3600.0
_PROGRAM_SECONDS = 600.0
_ONE, _ALL = 1.3, 0.8
"""Bounds of the figures."""


def judged_suite(context: Context, folder: Path) -> Suite:
    """Write the cgroup selftests as a suite whose failures are not repeated: by hand nothing is, either."""
    made = make_suite(context, "selftests:cgroup")
    shutil.copytree(made.folder, folder)
    lines = (folder / "suite.toml").read_text().splitlines(keepends=True)
    (folder / "suite.toml").write_text("".join(one for one in lines if not one.startswith(("argument", "compared"))))
    return read_suite(folder)


def read_programs(suite: Suite) -> list[ProgramCase]:
    """Return the programs of a suite that can be run."""
    programs = [parse_program(path.read_text(), path=case_id(path, suite)) for path in case_paths(suite)]
    return [one for one in programs if not one.unavailable]


@dataclass(frozen=True, slots=True)
class Took:
    """The time that a program took.

    :param passed: seconds that passed.
    :param waited: those of them in which QEMU, or this process, waited for a processor or a disk of the host.
    """

    passed: float
    waited: float

    @property
    def ran(self) -> float:
        """Return the seconds without the wait."""
        return self.passed - self.waited


def by_hand(machine: Machine, console: Console, program: ProgramCase) -> Took:
    """Type a program into a guest, and return the time until it has ended."""
    own, waited, began = WaitMeter(os.getpid()), machine.clock.waited, time.perf_counter()
    console.run(command_line(program), deadline=machine.deadline(_PROGRAM_SECONDS))
    passed = time.perf_counter() - began
    return Took(passed, machine.clock.waited - waited + own.look())


def by_harness(environment: CaseEnvironment, program: ProgramCase, folder: str) -> Took:
    """Run a program as a case, and return the time until its records are made and its machine has ended."""
    own, began = WaitMeter(os.getpid()), time.perf_counter()
    with opened(environment, program.path, folder=folder) as case:
        run_opened(program, case)
    passed = time.perf_counter() - began
    return Took(passed, case.waited + own.look())


def prepared_console(machine: Machine, program: ProgramCase) -> Console:
    """Return the first console of a booted guest, after the preparation of the programs."""
    console = machine.console(ConsoleName.ADMIN, deadline=machine.deadline(_PROGRAM_SECONDS))
    console.run(program.prepare, deadline=machine.deadline(_PROGRAM_SECONDS))
    return console


def fresh_and_warm(prepared: Prepared, program: ProgramCase, folder: Path) -> tuple[Took, Took]:
    """Boot a guest, type a program into it twice, and return the time of each."""
    folder.mkdir()
    with booted(prepared.request, folder=folder, deadline=Deadline.after(_SECONDS)) as machine:
        console = prepared_console(machine, program)
        return by_hand(machine, console, program), by_hand(machine, console, program)


def single_programs(prepared: Prepared, chosen: Sequence[ProgramCase], folder: Path, turns: int) -> list[Figure]:
    """Measure a few programs both ways, in turns; the figure is the ratio of the medians."""
    environment = make_environment(prepared, suite_semantics(prepared.suite), folder=folder)
    # The first case on a kernel saves a template with the preparation, and measures how slow its guest is.
    for turn in range(2):
        by_harness(environment, chosen[0], f"before-{turn}")
    figures = []
    for program in chosen:
        name = program.path.rpartition("/")[2]
        ours: list[Took] = []
        fresh: list[Took] = []
        warm: list[Took] = []
        for turn in range(turns):
            ours.append(by_harness(environment, program, f"{name}-{turn}"))
            for times, took in zip(
                (fresh, warm), fresh_and_warm(prepared, program, folder / f"hand-{name}-{turn}"), strict=True
            ):
                times.append(took)
        figures.append(_figure(name, ours, fresh, warm))
        sys.stderr.write(f"{table(figures[-1:]).splitlines()[-1]}\n")
    return figures


def _figure(name: str, ours: Sequence[Took], fresh: Sequence[Took], warm: Sequence[Took]) -> Figure:
    one, other, again = (statistics.median(took.ran for took in times) for times in (ours, fresh, warm))
    passed = " / ".join(f"{statistics.median(took.passed for took in times):.2f}" for times in (ours, fresh))
    detail = f"{one:.2f} s / {other:.2f} s ({passed} s with the wait), once more {again:.2f} s; {len(ours)} turns"
    return Figure(f"{name}: by the harness / by hand, both on a fresh machine", one / other, _ONE, True, "", detail)


def collection(prepared: Prepared, programs: Sequence[ProgramCase], folder: Path) -> Figure:
    """Measure all programs: ``harness run -n 2``, and one after the other in one guest."""
    with booted(prepared.request, folder=folder / "all", deadline=Deadline.after(_SECONDS)) as machine:
        console = prepared_console(machine, programs[0])
        theirs = sum(by_hand(machine, console, program).passed for program in programs)
    argv = [sys.executable, "-m", "harness", "run", "deb", "--suite", str(prepared.suite.folder), "-n", "2"]
    began = time.perf_counter()
    process.run([*argv, "--results", str(folder / "results")], deadline=Deadline.after(_SECONDS), check=False)
    ours = time.perf_counter() - began
    detail = f"{ours:.0f} s / {theirs:.0f} s, {len(programs)} programs"
    return Figure(
        "the cgroup selftests: -n 2 / one after the other in one guest", ours / theirs, _ALL, True, "", detail
    )


def main() -> None:
    """Measure, print the table, and write the JSON file; exit status 1 when a bound is missed."""
    parser = arguments(__doc__)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("last-foreign.json"))
    parser.add_argument("--turns", type=int, default=TURNS, help="how often each of the three programs is run")
    parser.add_argument("--only", choices=PROGRAMS, help="one of them, and not the collection")
    options = parser.parse_args()
    context = Context(Store.default(), Deadline.after(_SECONDS))
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as name:
        folder = Path(name)
        suite = judged_suite(context, folder / "suite")
        prepared = pipeline.prepare(context, Options("deb", suite=suite), logs=folder / "logs")
        (folder / "all").mkdir()
        programs = read_programs(suite)
        names = (options.only,) if options.only else PROGRAMS
        chosen = [one for one in programs if one.path.rpartition("/")[2] in names]
        figures = single_programs(prepared, chosen, folder, options.turns)
        figures += [] if options.only else [collection(prepared, programs, folder)]
    report_figures(figures, options.json, kernel=prepared.kernel.release)


if __name__ == "__main__":
    main()
