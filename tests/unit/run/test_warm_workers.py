# SPDX-License-Identifier: GPL-2.0-only
"""Workers that are started before their run: real ones, of a real pytest-xdist."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.events import PhaseStarted
from harness.base.process import Surroundings, run
from harness.report.display.events import RunEvent
from harness.run.workers.ahead import warm_workers

TEST = """
import os, sys
from pathlib import Path

def test_it():
    is_warm = "harness.run.case" in sys.modules
    from harness.suite.session_files import read_transcript
    known = read_transcript.cache_info().currsize
    (Path(__file__).parent / f"{os.getpid()}.out").write_text(f"{os.getppid()} {is_warm} {known}")
"""
SUITE = paths.SUITES / "timens"


def run_with(specifications: Sequence[str], folder: Path) -> list[str]:
    """Run a test in each worker; return the parent of each, and whether it had imported a module of the harness."""
    for old in folder.glob("*.out"):
        old.unlink()
    (folder / "test_it.py").write_text(TEST)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-p", "no:cacheprovider", "--dist", "each"]
    words += ["--rootdir", str(folder)]
    words += [word for one in specifications for word in ("--tx", one)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    # The other plugins that happen to be installed take longer to import than all else here.
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run([*words, "test_it.py"], deadline=Deadline.after(120), within=Surroundings(cwd=folder, env=environment))
    return sorted(one.read_text() for one in folder.glob("*.out"))


def test_xdist_runs_cases_in_workers_that_were_started_ahead(tmp_path: Path) -> None:
    """They are children of the process that started them; what comes on top, and a worker after them, is a new one."""
    with warm_workers(2, SUITE) as ready:
        specifications = ready.specifications(["popen"] * 3)
        found = run_with(specifications, tmp_path)
        again = run_with(specifications, tmp_path)

        cases = len(list(SUITE.rglob("*.session")))
        assert found.count(f"{os.getpid()} True {cases}") == 2
        assert len(found) == 3
        assert len(again) == 3
        assert not any(one.startswith(f"{os.getpid()} ") for one in again)
        assert ready.specifications(["popen"]) == ["popen"]


def test_a_worker_that_died_meanwhile_is_replaced(tmp_path: Path) -> None:
    """Nothing waits for it; and no process is left of those that nobody used."""
    with warm_workers(2, SUITE) as ready:
        own = [one for one in psutil.Process().children() if "warm_worker" in " ".join(one.cmdline())]
        own[0].send_signal(signal.SIGKILL)
        found = run_with(ready.specifications(["popen"]), tmp_path)

        assert len(found) == 1
    assert len(own) == 2
    assert not any(one.is_running() for one in own)


def test_one_worker_needs_no_process() -> None:
    """The cases then run in the process of the run."""
    with warm_workers(1, SUITE) as ready:
        assert ready.specifications(["popen"]) == ["popen"]


def test_the_workers_begin_when_a_stage_leaves_a_processor_idle() -> None:
    """Before that they would slow down what the run waits for; the events are passed on."""
    seen: list[RunEvent] = []
    with warm_workers(2, SUITE) as ready:
        report = ready.begun_by(seen.append)
        report(PhaseStarted("source"))
        before = len(ready.inputs)
        report(PhaseStarted("booting", leaves_time=True))

        assert (before, len(ready.inputs)) == (2, 0)
    assert [event.text for event in seen if isinstance(event, PhaseStarted)] == ["source", "booting"]
