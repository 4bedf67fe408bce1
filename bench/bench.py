# SPDX-License-Identifier: GPL-2.0-only
"""Measure the speed of the harness: ratios of one run, as a table and as JSON (``bench/last.json``).

    tox -e bench                      all figures but that of eight kernels; about eight minutes
    tox -e bench -- --without-suite   without the two runs of the whole suite
    tox -e bench -- --eight           only all cases on eight shipped series against one kernel; half an hour

Each ratio divides two times measured one after the other on the same host, so it is comparable where absolute times are
not. The smallest of several measurements counts, since other load on the host can only add time.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import psutil

from bench.figures import Figure, arguments, report_figures
from harness import pipeline
from harness.base import paths, process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.guest.machine import Machine, running
from harness.guest.prompt import announcement_pattern
from harness.guest.qemu import KERNEL_LOG, PORT_NAMES, Backing
from harness.guest.template import booted
from harness.kernellog.reader import KernelLog
from harness.model.verdict import Outcome
from harness.pipeline import Options
from harness.results.folder import load_run
from harness.run.case import make_environment, run_session
from harness.run.play import play
from harness.session.console_name import ConsoleName
from harness.session.preparation import preparation_command
from harness.session.transcript import parse
from harness.suite.load import case_id, default_suite, suite_semantics

REPEATS = 5
_EVERY = 9
"""The shares are measured on every ninth session file: all themes, both hierarchies."""
MANPAGE = default_suite().folder / "manpage" / "freezer.session"
EIGHT = (
    *(f"series:cgroupns-{version}" for version in ("rfc", "v1", "v2", "v3", "v4")),
    "series:ns-cgroup",
    "series:looser-rules",
    "series:other-views",
)
"""The posted versions, the controller of 2007, and two negative controls."""
LOG = paths.ROOT / "tests" / "data" / "kernellog" / "real-6.1-clean-boot.log"


def soon() -> Deadline:
    """Return a deadline that only a broken host exceeds."""
    return Deadline.after(120)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class Bench:
    """Measure the harness; each method returns figures.

    :param folder: folder for machines, logs and results.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store.default()
        options = Options()
        self.prepared = pipeline.prepare(Context(self.store, Deadline.after(600)), options, logs=folder)
        self.boot_seconds = min(self.boot() for _ in range(3))

    def boot(self) -> float:
        """Return the seconds of a cold boot by the harness, until three prompts."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        started = time.perf_counter()
        with booted(self.prepared.request, folder=folder, deadline=soon()):
            return time.perf_counter() - started

    def bare_boot(self) -> float:
        """Return the seconds of the same boot by QEMU alone: the same arguments, and a plain reader of the bytes."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        pattern = re.compile(announcement_pattern("boot"))
        seen = dict.fromkeys(PORT_NAMES, b"")
        started = time.perf_counter()
        with running(self.prepared.request, Backing(folder / "memory", is_shared=True), folder=folder) as machine:
            wires = machine.wires
            # Wires without consoles: only QEMU and reading remain.
            while any(not pattern.search(seen[name]) for name in PORT_NAMES if name != KERNEL_LOG):
                wires.pump(soon())
                for name in PORT_NAMES:
                    seen[name] += wires.take(name, 1 << 16)
            seconds = time.perf_counter() - started
        (folder / "memory").unlink()
        return seconds

    def clones(self) -> list[Figure]:
        """Measure clones until their first answer, and the manual page's session on a clone."""
        first, whole = [], []
        semantics = suite_semantics(default_suite())
        bench = make_environment(self.prepared, semantics, folder=self.folder)
        transcript = parse(MANPAGE.read_text(), path="freezer.session", preparations=default_suite().preparations)
        for number in range(REPEATS):
            first.append(timed(partial(self._first_answer, f"first{number}")))
            started = time.perf_counter()
            record = run_session(transcript, bench, folder=f"page{number}")
            whole.append(time.perf_counter() - started)
            assert record.outcome is Outcome.MATCH, record.reason
        boot = self.boot_seconds
        return [
            self._ratio("fresh machine to first answer / cold boot", min(first), boot, 0.03),
            self._ratio("manual page's session in a clone / cold boot", min(whole), boot, 0.35),
        ]

    def _first_answer(self, name: str) -> None:
        with pipeline.machine(self.prepared, folder=self.folder / name, deadline=soon()) as machine:
            machine.console(ConsoleName.ADMIN, deadline=soon())

    def boots(self) -> list[Figure]:
        """Compare boots by the harness with boots by QEMU alone, in turns."""
        ours, bare = [], []
        for _ in range(3):
            ours.append(self.boot())
            bare.append(self.bare_boot())
        return [self._ratio("harness boot to ready / bare QEMU", min(ours), min(bare), 1.05)]

    def commands(self) -> list[Figure]:
        """Compare a command at the console with the same bytes on the bare socket, in turns."""
        ours, raw = [], []
        with pipeline.machine(self.prepared, folder=self.folder / "commands", deadline=soon()) as machine:
            console = machine.console(ConsoleName.ADMIN, deadline=soon())
            pattern = re.compile(announcement_pattern(machine.nonce))

            def exchange() -> None:
                seen = b""
                machine.wires.send("admin", b"true\n", deadline=soon())
                while not pattern.search(seen) or not seen.endswith(b"# "):
                    machine.wires.pump(soon())
                    seen += machine.wires.take("admin", 4096)

            for _ in range(200):
                ours.append(timed(lambda: console.run("true", deadline=soon())))
                raw.append(timed(exchange))
        name = 'run("true") / the same bytes on the socket'
        return [self._ratio(name, statistics.median(ours), statistics.median(raw), 1.2)]

    def memory(self) -> list[Figure]:
        """Measure the memory that a clone adds while another one runs."""
        figures = []
        with ExitStack() as ends:
            pids = []
            added = []
            for name in ("one", "two"):
                lease = pipeline.machine(self.prepared, folder=self.folder / name, deadline=soon())
                machine = ends.enter_context(lease)
                machine.console(ConsoleName.ADMIN, deadline=soon())
                pids.append(machine.pid)
                added.append(sum(map(pss, pids)))
            figures.append(self._memory("memory a clone adds at its first answer", added[1] - added[0], 60))
            semantics = suite_semantics(default_suite())
            bench = make_environment(self.prepared, semantics, folder=self.folder)
            transcript = parse(MANPAGE.read_text(), path="freezer.session", preparations=default_suite().preparations)
            before = sum(map(pss, pids)) - pss(pids[1])
            play(transcript, machine, profile=bench.profile, deadline=soon())
            after = sum(map(pss, pids))
            figures.append(self._memory("memory a clone adds after the session", after - before, 140))
        return figures

    def starting(self) -> list[Figure]:
        """Measure ``harness run`` with a full store until its first case starts."""
        waits = []
        for number in range(3):
            results = self.folder / f"start{number}"
            started = time.time()
            self._harness_run(results, "--cases", str(MANPAGE), "-n", "1")
            waits.append(min(case.started for case in load_run(results / "latest").cases) - started)
        return [Figure("harness run until its first case starts", min(waits), 1.0, True, "s", seconds_text(waits))]

    def kernel_log(self) -> list[Figure]:
        """Measure reading a megabyte of an ordinary kernel log, in pieces as from the port."""
        whole = (LOG.read_bytes() * 50)[: 1 << 20]

        def read() -> None:
            log = KernelLog()
            for at in range(0, len(whole), 4096):
                log.feed(whole[at : at + 4096])

        waits = [timed(read) for _ in range(3)]
        return [Figure("a megabyte of kernel log", min(waits), 0.3, True, "s", seconds_text(waits))]

    def suite(self) -> list[Figure]:
        """Measure the whole suite with one worker and with two, and the memory of a worker."""
        walls, workers = {}, {}
        for count in (1, 2):
            results = self.folder / f"suite{count}"
            started = time.perf_counter()
            workers[count] = self._harness_run(results, "-n", str(count))
            walls[count] = time.perf_counter() - started
        cases = load_run(self.folder / "suite1" / "latest").cases
        each = sum(case.seconds for case in cases) / len(cases)
        detail = f"{walls[1]:.1f} s / {walls[2]:.1f} s, {len(cases)} cases, {each:.2f} s each alone"
        average = f"{walls[2]:.1f} s / {len(cases)} cases"
        return [
            Figure("whole suite, -n 1 / -n 2", walls[1] / walls[2], 1.7, False, "", detail),
            Figure("a case on average, -n 2", walls[2] / len(cases), 0.6, True, "s", average),
            Figure(
                "memory of the harness, a worker", max(workers.values()), 120, True, "MiB", "largest PSS of a process"
            ),
        ]

    def shares(self) -> list[Figure]:
        """Measure the shares of a case's time: session files one after the other, each in its own clone.

        The share of the clone is starting and ending a machine, the share of the harness is the CPU time of its process
        during the session, and the share of the guest is the rest: waiting at the consoles.
        """
        semantics = suite_semantics(default_suite())
        bench = make_environment(self.prepared, semantics, folder=self.folder)
        clone = whole = own = 0.0
        files = sorted(default_suite().folder.glob("*/*.session"))[::_EVERY]
        for number, file in enumerate(files):
            suite = default_suite()
            transcript = parse(file.read_text(), path=case_id(file, suite), preparations=suite.preparations)
            mount = preparation_command(transcript.preparations)
            # The first two machines make the template with its preparation.
            for name in ("first", "second", "measured"):
                lease = pipeline.machine(
                    self.prepared, preparation=mount, folder=self.folder / f"{name}{number}", deadline=soon()
                )
                spent = timed(partial(_start_and_end, lease))
            clone += spent
            computed = time.process_time()
            whole += timed(partial(run_session, transcript, bench, folder=f"share{number}"))
            own += time.process_time() - computed
        detail = f"of {whole / len(files):.2f} s, {len(files)} session files, -n 1"
        parts = {"clone": clone, "harness": own, "guest": whole - clone - own}
        return [Figure(f"share of a case: {name}", part / whole, 1.0, True, "", detail) for name, part in parts.items()]

    def eight(self) -> list[Figure]:
        """Compare all cases on eight kernels with one kernel; all are built and booted before."""
        walls = []
        for name, kernels in (("one", EIGHT[:1]), ("eight", EIGHT)):
            # Builds and boots kernels that are not in the store yet.
            self._harness_run(self.folder / "warm", *kernels, "--cases", str(MANPAGE), is_judged=False)
            results = self.folder / name
            walls.append(timed(partial(self._harness_run, results, *kernels, is_judged=False)))
        cases = sum(len(load_run(file.parent).cases) for file in results.glob("20*/run.json"))
        return [
            Figure(
                "a case on average, eight kernels, -n 2",
                walls[1] / cases,
                0.6,
                True,
                "s",
                f"{walls[1]:.0f} s / {cases} cases",
            ),
            Figure("eight kernels / one", walls[1] / walls[0], 8, True, "", f"{walls[1]:.0f} s / {walls[0]:.0f} s"),
        ]

    def _harness_run(self, results: Path, *arguments: str, is_judged: bool = True) -> float:
        """Run ``harness run``.

        :param is_judged: whether failed cases are an error.
        :return: the largest PSS of one of its Python processes, in MiB.
        """
        largest = 0.0
        command = [sys.executable, "-m", "harness", "run", "--results", str(results), *arguments]
        with process.start(command) as child:
            while True:
                try:
                    child.wait(timeout=0.5)
                except process.Expired:
                    largest = max([largest, *python_sizes(child.pid)])
                else:
                    break
        if child.returncode not in ((0,) if is_judged else (0, ExitStatus.DIFFERS)):
            raise SystemExit(f"harness run failed with status {child.returncode}: see {results}")
        return largest

    def _ratio(self, name: str, above: float, below: float, bound: float) -> Figure:
        return Figure(name, above / below, bound, True, "", f"{above:.4g} s / {below:.4g} s")

    def _memory(self, name: str, size: float, bound: float) -> Figure:
        return Figure(name, size, bound, True, "MiB", "PSS, beside another clone")


def _start_and_end(lease: AbstractContextManager[Machine]) -> None:
    """Start a machine and end it."""
    with lease:
        pass


def python_sizes(pid: int) -> list[float]:
    """Return the PSS of the Python processes at and below a pid, in MiB."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
        return [pss(one.pid) for one in family if "python" in one.name() or "harness" in one.name()]
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return []


def pss(pid: int) -> float:
    """Return the proportional set size of a process, in MiB."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def seconds_text(values: list[float]) -> str:
    """Format several times for one cell of the table."""
    return ", ".join(f"{value:.2f} s" for value in values)


def main() -> None:
    """Measure, print the table, write the JSON; exit status 1 when a bound is missed."""
    parser = arguments(__doc__)
    parser.add_argument("--without-suite", action="store_true", help="leave out the two runs of the whole suite")
    parser.add_argument("--eight", action="store_true", help="measure only eight kernels against one")
    parser.add_argument("--keep", type=Path, help="work in this empty folder and keep it")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("last.json"))
    options = parser.parse_args()
    with ExitStack() as ends:
        name = options.keep or ends.enter_context(tempfile.TemporaryDirectory(prefix="harness-bench-"))
        bench = Bench(Path(name))
        if options.eight:
            report_figures(bench.eight(), options.json.with_stem("eight"), kernel=" ".join(EIGHT))
            return
        figures = [
            *bench.clones(),
            *bench.boots(),
            *bench.commands(),
            *bench.memory(),
            *bench.starting(),
            *bench.kernel_log(),
            *bench.shares(),
        ]
        if not options.without_suite:
            figures += bench.suite()
    report_figures(figures, options.json, qemu=bench.prepared.qemu_version, kernel=bench.prepared.kernel.release)


if __name__ == "__main__":
    main()
