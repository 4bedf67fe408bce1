# SPDX-License-Identifier: GPL-2.0-only
"""What is left of coverage when the disk is full or the run is killed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.process import run
from harness.coverage import files
from harness.guest.coverage.read import read_cases
from harness.model.run_record import CoverageRecord
from harness.results.find_run import find_run
from harness.results.folder import RunFolder
from tests.private_mounts import needs_mounts, with_mounts
from tests.unit.coverage.test_functions import bits
from tests.unit.report.sample import RUN

KEEP = """
import os, sys
from pathlib import Path
from harness.guest.machine import coverage_kept

with coverage_kept(Path(sys.argv[1])) as window:
    os.pwrite(window, os.urandom(1 << 16), 0)
print("went on;", *sorted(os.listdir(sys.argv[1])))
"""


@needs_mounts
def test_a_full_disk_costs_only_the_coverage(tmp_path: Path) -> None:
    """The machine ends as usual, and no part of a file is left."""
    mounts = [f"mount -t tmpfs -o size=16k tmpfs {tmp_path}", f"head -c 12k /dev/zero >{tmp_path}/log"]
    argv = with_mounts(mounts, [sys.executable, "-c", KEEP, str(tmp_path)])

    assert run(argv, deadline=Deadline.after(60)).text == "went on; log\n"


def test_a_killed_run_has_the_coverage_of_what_had_ended(tmp_path: Path) -> None:
    """The record lists the cases that ended, and each has its file; a case that was running has none yet."""
    ended, running = (replace(RUN.cases[0], id=f"s/{name}.session", folder=name) for name in ("ended", "running"))
    record = replace(RUN, complete=False, coverage=CoverageRecord("template"), cases=())
    folder = RunFolder.create(tmp_path, "deb", 1.0)
    folder.write(record)
    (folder.path / ended.folder).mkdir()
    files.keep(bits((0x10, 4)), folder.path / ended.folder)
    folder.write(replace(record, cases=(ended,)))
    (folder.path / running.folder).mkdir()
    found = find_run(folder.path.name, results=tmp_path)

    assert read_cases([found]) == {ended.id: bits((0x10, 4))}
