# SPDX-License-Identifier: GPL-2.0-only
"""Measure what coverage costs: cases and a boot with and without it, alternated, as ratios of one run.

    tox -e bench-coverage             writes bench/coverage.json; some five minutes

Processor time of QEMU is compared, and no wall time, which a busy host adds to. The cases are every seventh session
file of the default suite, one after another.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.figures import Figure, report_figures
from harness import pipeline
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.coverage import files
from harness.guest.template import booted
from harness.pipeline import Options, Prepared
from harness.run.case import make_environment, run_session
from harness.session.transcript import parse
from harness.suite.load import case_id, default_suite, suite_semantics

_EVERY = 7
_ROUNDS = 3
_BOOTS = 3


@dataclass(slots=True)
class _Times:
    """Times of the cases or boots with and without coverage, in seconds, a round each."""

    with_it: list[float] = field(default_factory=list)
    without: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Return the ratio of the smallest ones: other load can only add time."""
        return min(self.with_it) / min(self.without)

    @property
    def text(self) -> str:
        """Return what the ratio is of."""
        return f"{min(self.with_it):.2f} s / {min(self.without):.2f} s"


def main() -> None:
    """Measure, and write the table and the file."""
    context = Context(Store.default(), Deadline.never())
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        covered = pipeline.prepare(context, Options(coverage=True), logs=folder)
        plain = pipeline.prepare(context, Options(), logs=folder)
        boots = _Times()
        for number in range(_BOOTS):
            boots.with_it.append(_boot(covered, folder / f"boot-{number}"))
            boots.without.append(_boot(plain, folder / f"plain-boot-{number}"))
        cases = _Times()
        for number in range(_ROUNDS):
            cases.with_it.append(_cases(covered, folder / f"with-{number}"))
            cases.without.append(_cases(plain, folder / f"without-{number}"))
        sizes = [path.stat().st_size for path in (folder / "with-0").rglob(files.NAME)]
        keeping = _keeping(folder / "with-0", folder)
    report_figures(
        [
            Figure("cases with coverage / without", cases.ratio, 1.35, True, "", f"{cases.text} of QEMU"),
            Figure("a boot with coverage / without", boots.ratio, 1.35, True, "", f"{boots.text} of QEMU"),
            Figure(
                "coverage of a case on disk", statistics.median(sizes) / 1024, 64, True, "KiB", f"{len(sizes)} cases"
            ),
            Figure("writing it", keeping * 1000, 10, True, "ms", "the harness's own time, a case"),
        ],
        Path(__file__).with_name("coverage.json"),
    )


def _boot(prepared: Prepared, folder: Path) -> float:
    """Boot a machine, and return the processor time of QEMU."""
    folder.mkdir()
    with booted(prepared.request, folder=folder, deadline=Deadline.never()) as machine:
        return _processor_seconds(machine.pid)


def _cases(prepared: Prepared, folder: Path) -> float:
    """Run the cases, and return the processor time of their machines."""
    suite = default_suite()
    folder.mkdir()
    environment = make_environment(prepared, suite_semantics(suite), folder=folder)
    before = psutil.Process().cpu_times()
    for number, path in enumerate(sorted(suite.folder.rglob("*.session"))[::_EVERY]):
        transcript = parse(path.read_text(), path=case_id(path, suite), preparations=suite.preparations)
        run_session(transcript, environment, folder=f"case-{number}")
    after = psutil.Process().cpu_times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _keeping(folder: Path, scratch: Path) -> float:
    """Return the time that reading the bitmap of a machine and writing it takes, in seconds."""
    bitmaps = [bitmap for path in folder.iterdir() if (bitmap := files.load(path)) is not None]
    began = time.process_time()
    for bitmap in bitmaps:
        files.keep(bitmap, scratch)
    return (time.process_time() - began) / len(bitmaps)


def _processor_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
