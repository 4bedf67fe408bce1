# SPDX-License-Identifier: GPL-2.0-only
"""Compare a run on a busy host with one on a quiet host, as a table and as JSON (``bench/busy.json``).

    tox -e bench-busy                    boots and all cases, among 16 busy loops; an hour on two cores
    tox -e bench-busy -- -k setns        a part of the cases
    tox -e bench-busy -- --loops 4       fewer loops

The verdicts have to be the same; the time may be ten times as long. Each boot is a whole one, without a clone.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure, arguments, report_figures
from harness.base import process
from harness.base.deadline import Deadline
from harness.guest.guest_clock import MULTIPLE
from harness.model.run_record import RunRecord
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from harness.suite.load import default_suite

LOOPS = 16
_SECONDS = 4 * 3600.0
_BOOTED = default_suite().folder / "manpage" / "freezer.session"
"""The case that boots a machine without a template."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A run and its wall time in seconds."""

    run: RunRecord
    seconds: float


@contextlib.contextmanager
def busy_loops(number: int) -> Iterator[None]:
    """Run busy loops for the length of the block."""
    with contextlib.ExitStack() as ends:
        for _ in range(number):
            ends.enter_context(process.start([sys.executable, "-c", "while True: pass"]))
        yield


def timed_run(folder: Path, *words: str) -> Timed:
    """Run ``harness run`` on the distribution's kernel."""
    results = Path(tempfile.mkdtemp(dir=folder))
    argv = [sys.executable, "-m", "harness", "run", "deb", "--results", str(results), *words]
    began = time.perf_counter()
    process.run(argv, deadline=Deadline.after(_SECONDS), check=False)
    seconds = time.perf_counter() - began
    (file,) = (one for one in results.glob("2*/run.json") if not one.parent.is_symlink())
    return Timed(load_run(file.parent), seconds)


def compare(name: str, quiet: Timed, busy: Timed) -> list[Figure]:
    """Return the figures of two runs of the same cases."""
    before = {case.id: case.outcome for case in quiet.run.cases}
    after = {case.id: case.outcome for case in busy.run.cases}
    same = sum(before.get(one) is outcome for one, outcome in after.items())
    errors = sum(outcome is Outcome.ERROR for outcome in after.values())
    times = f"{busy.seconds:.0f} s / {quiet.seconds:.0f} s"
    return [
        Figure(f"{name}: same verdicts", same / max(1, len(before)), 1.0, False, "", f"{same} of {len(before)}"),
        Figure(f"{name}: errors", errors, 0.0, True, "", f"{len(after)} cases"),
        Figure(f"{name}: busy / quiet", busy.seconds / quiet.seconds, MULTIPLE, True, "", times),
    ]


def main() -> None:
    """Measure, print the table, write the JSON; exit status 1 when a bound is missed."""
    parser = arguments(__doc__)
    parser.add_argument("-k", dest="expression", default="", help="only the cases that match")
    parser.add_argument("--loops", type=int, default=LOOPS, help="number of busy loops")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("busy.json"))
    options = parser.parse_args()
    only = ["-k", options.expression] if options.expression else []
    jobs = {"boots": ["--fresh", "boot", "--cases", str(_BOOTED)], "cases": only}
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as name:
        quiet = {job: timed_run(Path(name), *words) for job, words in jobs.items()}
        with busy_loops(options.loops):
            busy = {job: timed_run(Path(name), *words) for job, words in jobs.items()}
    figures = [figure for job in jobs for figure in compare(job, quiet[job], busy[job])]
    report_figures(
        figures, options.json, kernel="deb", loops=f"{options.loops} busy loops", part=options.expression or "all cases"
    )


if __name__ == "__main__":
    main()
