# SPDX-License-Identifier: GPL-2.0-only
"""Measure the comparison of runs and queries of the history on synthetic records; no kernel is booted.

    tox -e bench-compare

The smallest of several measurements counts, since other load on the host can only add time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import Figure, arguments, report_figures
from bench.page import measure_page
from harness.base import process
from harness.base.deadline import Deadline
from harness.model.run_record import CaseRecord, KernelRecord, RunRecord, TraitRecord
from harness.model.verdict import Outcome
from harness.report.tables.comparison import comparison_lines
from harness.report.tables.history import case_history_lines
from harness.results.compare import compare
from harness.results.find_run import find_run
from harness.results.folder import RunFolder
from harness.results.history import CASE, TRAIT, opened_history
from harness.results.timeline import timelines

REPEATS = 5
CASES = 1000
HISTORY_RUNS, HISTORY_CASES, TRAITS = 1000, 200, 60


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def transcript(number: int, pid: int) -> str:
    """Return a session of forty lines; every fourth contains a pid."""
    lines = (
        f"    # cat /proc/{pid}/cgroup > f",
        f"    0::/a/{number % 7}/b",
        f"    [1] {pid}",
        "    # mkdir -p /a/b/c",
    )
    return "varies: 77\n\n" + "\n".join(f"    # echo {at}\n{lines[at % 4]}" for at in range(20)) + "\n"


def run(number: int, cases: int, *, failing: int, image: int) -> RunRecord:
    """Return a run record in which ``failing`` cases of fifty fail."""
    records = tuple(
        CaseRecord(
            f"subject/theme{at % 9}/case{at}.session",
            f"cases.theme{at % 9}",
            f"case{at}",
            Outcome.MISMATCH if at % 50 < failing else Outcome.MATCH,
            title="what holds",
            reason=f"line 3: saw pid {number}" if at % 50 < failing else "",
            transcript=transcript(at + (at % 50 < failing), 100 + number + at),
            digest="d",
        )
        for at in range(cases)
    )
    traits = tuple(
        TraitRecord(f"trait{at}", "yes" if at or number % 2 else "no", "yes", True, "") for at in range(TRAITS)
    )
    kernel = KernelRecord("deb", "linux-image", "6.1.0", "x86_64", f"{image:064x}", "c", "beside the image")
    return RunRecord(kernel, 1.7e9 + 3600 * number, complete=True, traits=traits, cases=records, profile="mainline-6.1")


def measure_diff(results: Path) -> Figure:
    """Measure reading and comparing two runs of a thousand cases, and formatting the text; every case has noise."""
    for number, failing in ((1, 2), (2, 5)):
        RunFolder.create(results, "deb", 1.7e9 + number).write(run(number, CASES, failing=failing, image=number))

    def work() -> None:
        before, after = (find_run(word, results=results) for word in ("last~1", "last"))
        comparison_lines(compare(before.run, after.run), 80, names=(before.name, after.name))

    seconds = []
    for _ in range(REPEATS):
        for file in results.glob("*/run.json"):
            file.touch()  # otherwise the cached records are used
        seconds.append(timed(work))
    return Figure("harness diff, 2 runs x 1,000 cases", min(seconds), 0.2, True, "s", "read, compared and written")


def measure_start_up() -> Figure:
    """Measure a whole command that only shows its help."""
    program = Path(sys.executable).with_name("harness")
    seconds = [timed(lambda: process.run([program, "--help"], deadline=Deadline.after(60))) for _ in range(REPEATS)]
    return Figure("harness --help", min(seconds), 0.15, True, "s", "the whole command")


def measure_history(results: Path) -> list[Figure]:
    """Measure adding a run to a history of a thousand runs, and the slowest query."""
    with opened_history(results, say=lambda text: None) as history:
        for number in range(HISTORY_RUNS):
            one = run(number, HISTORY_CASES, failing=number % 3, image=number // 2)
            history.add(results / f"{number}", one)
    added = []
    for number in range(HISTORY_RUNS, HISTORY_RUNS + REPEATS):
        folder = RunFolder.create(results, "deb", 1.7e9 + number)
        folder.write(run(number, HISTORY_CASES, failing=1, image=number))

        def add(path: Path = folder.path) -> None:
            with opened_history(results, say=lambda text: None) as history:
                history.add(path, find_run(str(path), results=results).run)

        added.append(timed(add))
    queries: dict[str, float] = {}
    with opened_history(results, say=lambda text: None) as history:
        name = "subject/theme1/case1.session"
        calls: dict[str, Callable[[], object]] = {
            "case": lambda: case_history_lines(name, timelines(history.entries(CASE, name)), 80),
            "trait": lambda: timelines(history.entries(TRAIT, "trait0")),
            "runs": history.runs,
            "flakes": history.flakes,
            "names": lambda: history.names(CASE),
            "failing now": lambda: [history.entries(CASE, one) for one in history.failing_in("1")],
        }
        for query, work in calls.items():
            queries[query] = min(timed(work) for _ in range(REPEATS))
    detail = ", ".join(f"{query} {seconds:.3f} s" for query, seconds in queries.items())
    what = f"{HISTORY_RUNS:,} runs x {HISTORY_CASES} cases"
    return [
        Figure("history: adding a run", min(added), 0.1, True, "s", f"read and added, to {what}"),
        Figure("history: the slowest question", max(queries.values()), 0.05, True, "s", detail),
    ]


def main() -> None:
    """Measure, print the table, and write the JSON file."""
    arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as folder:
        results, history, page = (Path(folder) / name for name in ("diff", "history", "page"))
        for one in (results, history, page):
            one.mkdir()
        figures = [measure_start_up(), measure_diff(results), *measure_history(history), *measure_page(page)]
    report_figures(figures, Path(__file__).with_name("last-comparisons.json"))


if __name__ == "__main__":
    main()
