# SPDX-License-Identifier: GPL-2.0-only
"""Compare selftests of the kernel, run by the harness, with the same programs typed into one booted guest.

    tox -e bench-foreign                 the cgroup selftests of the distribution's kernel; ten minutes

Both ways take turns within one run, so that a busy host slows both. The harness gives each program a clone of its own,
prepares it, reads the report and the kernel log; by hand the guest is booted and prepared once, and nothing is read.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure, arguments, report_figures
from harness import pipeline
from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.guest.console import Console
from harness.guest.machine import Machine
from harness.guest.template import booted
from harness.pipeline import Options, Prepared
from harness.run.case import CaseEnvironment, make_environment
from harness.run.foreign.make import make_suite
from harness.run.program import command_line, run_program
from harness.session.console_name import ConsoleName
from harness.suite.definition import Suite
from harness.suite.load import case_id, case_paths, read_suite, suite_semantics
from harness.suite.program_file import ProgramCase, parse_program

PROGRAMS = ("test_core", "test_kill", "test_freezer")
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


def by_hand(machine: Machine, console: Console, program: ProgramCase) -> float:
    """Type a program into a guest, and return the seconds until it has ended."""
    began = time.perf_counter()
    console.run(command_line(program), deadline=machine.deadline(_PROGRAM_SECONDS))
    return time.perf_counter() - began


def by_harness(environment: CaseEnvironment, program: ProgramCase, folder: str) -> float:
    """Run a program as a case, and return the seconds until its records are made."""
    began = time.perf_counter()
    run_program(program, environment, folder=folder)
    return time.perf_counter() - began


def prepared_console(machine: Machine, program: ProgramCase) -> Console:
    """Return the first console of a booted guest, after the preparation of the programs."""
    console = machine.console(ConsoleName.ADMIN, deadline=machine.deadline(_PROGRAM_SECONDS))
    console.run(program.prepare, deadline=machine.deadline(_PROGRAM_SECONDS))
    return console


def single_programs(prepared: Prepared, programs: Sequence[ProgramCase], folder: Path, turns: int) -> list[Figure]:
    """Measure a few programs both ways, in turns; the figure is the ratio of the medians."""
    environment = make_environment(prepared, suite_semantics(prepared.suite), folder=folder)
    chosen = [one for one in programs if one.path.rpartition("/")[2] in PROGRAMS]
    figures = []
    with booted(prepared.request, folder=folder / "hand", deadline=Deadline.after(_SECONDS)) as machine:
        console = prepared_console(machine, chosen[0])
        for program in chosen:
            pairs = [
                (by_harness(environment, program, f"{program.path}-{turn}"), by_hand(machine, console, program))
                for turn in range(turns)
            ]
            ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
            name = f"{program.path.rpartition('/')[2]}: by the harness / by hand"
            figures.append(Figure(name, ours / theirs, _ONE, True, "", f"{ours:.2f} s / {theirs:.2f} s, {turns} turns"))
    return figures


def collection(prepared: Prepared, programs: Sequence[ProgramCase], folder: Path) -> Figure:
    """Measure all programs: ``harness run -n 2``, and one after the other in one guest."""
    with booted(prepared.request, folder=folder / "all", deadline=Deadline.after(_SECONDS)) as machine:
        console = prepared_console(machine, programs[0])
        theirs = sum(by_hand(machine, console, program) for program in programs)
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
    options = parser.parse_args()
    context = Context(Store.default(), Deadline.after(_SECONDS))
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as name:
        folder = Path(name)
        suite = judged_suite(context, folder / "suite")
        prepared = pipeline.prepare(context, Options("deb", suite=suite), logs=folder / "logs")
        for one in ("hand", "all"):
            (folder / one).mkdir()
        programs = read_programs(suite)
        figures = [*single_programs(prepared, programs, folder, options.turns), collection(prepared, programs, folder)]
    report_figures(figures, options.json, kernel=prepared.kernel.release)


if __name__ == "__main__":
    main()
