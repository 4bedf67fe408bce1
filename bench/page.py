# SPDX-License-Identifier: GPL-2.0-only
"""Measure the HTML page on synthetic run folders: twenty kernels, two hundred cases, logs of ordinary size."""

from __future__ import annotations

import time
from pathlib import Path

from bench.figures import Figure
from harness.guest.timestamps import TIMES_NAME, Moments
from harness.model.run_record import CaseRecord, KernelRecord, RunRecord, TraitRecord
from harness.model.verdict import Outcome, TraitSighting
from harness.report.page.data import gather
from harness.report.page.html import render_page
from harness.results.folder import CONFIG_NAME, RunFolder, case_folder_name
from harness.results.selected import find_reported
from harness.suite.load import case_files, default_suite, suite_semantics

KERNELS, CASES = 20, 200
REPEATS = 3
_STEPS = 14
"""Number of commands in a case: the mean of the shipped cases, whose logs have 24 lines and 1.8 kB."""


def make_runs(results: Path) -> list[str]:
    """Write the run folders of all kernels.

    :return: the names of the folders.
    """
    semantics = suite_semantics(default_suite())
    traits = tuple(
        TraitRecord(name, next(iter(trait.values)), next(iter(trait.values)), True, trait.meaning, ("subject/a:1",))
        for name, trait in semantics.traits.items()
    )
    names = []
    for kernel in range(KERNELS):
        cases = tuple(_case(kernel, at, traits[at % len(traits)]) for at in range(CASES))
        image = f"{kernel:064x}"
        facts = KernelRecord(f"series:topic-{kernel}", "linux-image", f"6.{kernel}.0", "x86_64", image, "c", "beside")
        started = 1.7e9 + 3600 * kernel
        run = RunRecord(facts, started, complete=True, traits=traits, cases=cases, profile="mainline-6.1")
        folder = RunFolder.create(results, f"topic-{kernel}", started)
        folder.write(run)
        folder.write_file(CONFIG_NAME, "".join(f"CONFIG_OPTION_{at}=y\n" for at in range(2000 + kernel)))
        for at, case in enumerate(cases):
            _logs(folder.path / case.folder, 100 + 7 * kernel + at)
        names.append(folder.path.name)
    return names


def _case(kernel: int, at: int, trait: TraitRecord) -> CaseRecord:
    """Return a case: one of ten differs on every third kernel, and one of twenty fails."""
    identity = f"subject/theme{at % 15}/case-{at}.session"
    is_bad = at % 20 == 0 and kernel % 3 == 1
    path = f"/../b{kernel % 3 if at % 10 == 0 else ''}"
    pid = 412 if at % 5 else 400 + 7 * kernel + at  # learned by `varies`; where nothing was learned, noise
    prose = (
        f"title: what holds of {at}\nvaries: 412\n\nProse that says why the case asks this, in a few lines as a mail\n"
    )
    steps = "".join(f"    # echo {pid} > /sys/fs/cgroup/a{step}\n    0::{path}/{step}\n" for step in range(_STEPS))
    return CaseRecord(
        identity,
        f"cases.theme{at % 15}",
        f"case-{at}.session",
        Outcome.MISMATCH if is_bad else Outcome.MATCH,
        title=f"the view of a shell in a namespace, case {at}",
        reason=f"{identity}:9: expected 0::/../b but saw 0::{path}" if is_bad else "",
        diff=f"--- expected\n+++ seen\n@@ -9 +9 @@\n-0::/../b\n+0::{path}\n" if is_bad else "",
        transcript=f"{prose}\n{steps}",
        seconds=0.7,
        started=1.7e9,
        machine="clone",
        folder=case_folder_name(identity),
        sightings=(TraitSighting(trait.trait, trait.seen, f"{identity}:9"),),
        digest="d",
    )


def _logs(folder: Path, pid: int) -> None:
    """Write the logs of a machine: consoles with announcements, a kernel log, and their times."""
    moments, logs, now = Moments(1.7e9), {"kernel": b"", "admin": b"", "inside": b"", "observer": b""}, 0
    for step in range(_STEPS):
        port = ("admin", "inside")[step % 2]
        answer = f"\x1b]133;C;{pid:016x}\x07{pid} 0::/../b/{step}\r\n\x1b]133;D;0;{pid:016x};{pid};# \x07# ".encode()
        for data, is_typed in ((f"echo {pid} > /sys/fs/cgroup/a{step}\n".encode(), True), (answer, False)):
            now += 17 + pid % 5
            logs[port] += data
            moments.add(port, len(data), milliseconds=now, is_typed=is_typed)
    logs["kernel"] = f"[   17.{pid:06}] cgroup: a line of the kernel\r\n".encode()
    moments.add("kernel", len(logs["kernel"]), milliseconds=now)
    folder.mkdir(parents=True)
    for port, data in logs.items():
        (folder / f"{port}.log").write_bytes(data)
    (folder / TIMES_NAME).write_text(moments.render())


def measure_page(results: Path) -> list[Figure]:
    """Measure reading the records and logs and making the page, and the size of the page."""
    names = make_runs(results)
    semantics = suite_semantics(default_suite())
    seconds, size = [], 0
    for _ in range(REPEATS):
        began = time.perf_counter()
        reported = find_reported(names, results=results)
        data = gather(reported, semantics=semantics, case_files=case_files(default_suite()), results=results)
        size = len(render_page(data).encode())
        seconds.append(time.perf_counter() - began)
    what = f"{KERNELS} kernels x {CASES} cases, {len(data.details)} rows of details"
    return [
        Figure("HTML page: making it", min(seconds), 2.0, True, "s", what),
        Figure("HTML page: its size", size / 1e6, 15.0, True, "MB", "one file, logs and transcripts in it"),
    ]
