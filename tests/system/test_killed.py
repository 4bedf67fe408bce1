# SPDX-License-Identifier: GPL-2.0-only
"""Killed runs: no process stays, every finished case is on disk, and the next run is not affected."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.base import paths, process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.model.verdict import Outcome
from harness.pipeline import Prepared
from harness.results.folder import load_run
from tests.program import environment, signals_by_default

pytestmark = pytest.mark.guest

PATIENCE_MILLISECONDS = 30_000
CASES = {
    "a.session": "    # echo one\n    one\n",
    "b.session": "    # echo two\n    three\n",
    "c.session": "timeout: 300\n\n    # sleep 1000\n",
}


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Return a folder with two cases that end and one that does not."""
    folder = tmp_path / "cases"
    folder.mkdir()
    for name, text in CASES.items():
        (folder / name).write_text(text)
    return folder


def words(cases: Path, results: Path, *, workers: int) -> list[str]:
    """Return the arguments of a run."""
    more = ["--cases", str(cases), "-n", str(workers), "--results", str(results)]
    return [*process.python("harness"), "run", *more]


def await_hanging(run: process.Child, results: Path) -> None:
    """Read the output of a run until two cases have ended, and its logs until the command of the third was typed."""
    assert run.stdout is not None
    ended = 0
    while ended < 2 and (line := run.stdout.readline()):
        ended += line.startswith((b"ok ", b"DIFF "))
    deadline = Deadline.after(120)
    while not any(b"sleep 1000" in log.read_bytes() for log in results.glob("*/**/admin.log")):
        assert not deadline.is_past, "the third case did not begin"
    assert ended == 2


@contextlib.contextmanager
def descendants(pid: int) -> Iterator[dict[int, str]]:
    """Open descriptors of all processes below a process, with their names."""
    held = {os.pidfd_open(child.pid): child.name() for child in psutil.Process(pid).children(recursive=True)}
    try:
        yield held
    finally:
        for pidfd in held:
            os.close(pidfd)


def have_ended(pidfds: dict[int, str]) -> bool:
    """Wait until all processes have ended, a limited time for each."""
    for pidfd in pidfds:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(PATIENCE_MILLISECONDS):
            return False
    return True


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run(killer: signal.Signals, workers: int, prepared: Prepared, cases: Path, tmp_path: Path) -> None:
    """A run that is killed or interrupted leaves no process and every finished case; the next one is not affected."""
    assert prepared.template is not None
    results = tmp_path / "results"
    run_words = words(cases, results, workers=workers)
    with contextlib.ExitStack() as ends:
        with signals_by_default():
            run = ends.enter_context(
                process.start(
                    run_words,
                    within=process.Surroundings(cwd=paths.ROOT, env=environment()),
                    stdout=process.PIPE,
                    stderr=None,
                )
            )
        await_hanging(run, results)
        with descendants(run.pid) as below:
            assert run.poll() is None, "the run ended before it was killed"
            os.kill(run.pid, killer)
            ended = have_ended(below)
            names = " ".join(below.values())
        status = run.wait(30)
    (folder,) = (path for path in results.iterdir() if path.is_dir() and not path.is_symlink())
    record = load_run(folder)
    after = process.run(
        words(cases / "a.session", results, workers=workers),
        deadline=Deadline.after(60),
        within=process.Surroundings(cwd=paths.ROOT),
        check=False,
    )

    assert "qemu" in names
    assert ended
    assert status == (-signal.SIGKILL if killer is signal.SIGKILL else ExitStatus.INTERRUPTED)
    outcomes = {case.name: case.outcome for case in record.cases}
    assert outcomes == {"a.session": Outcome.MATCH, "b.session": Outcome.MISMATCH}
    assert not record.complete
    assert after.status == ExitStatus.AS_EXPECTED, after.complaint
    assert b"ok " in after.stdout
