# SPDX-License-Identifier: GPL-2.0-only
"""Runs on several hosts: what a lost worker or host ran is run again, and a killed run leaves nothing anywhere."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from harness.base.errors import ExitStatus
from harness.model.verdict import Outcome
from harness.pipeline import Prepared
from tests.program import environment, start
from tests.system.host_runs import (
    ENDING_SECONDS,
    OUTCOMES,
    SILENCE_SECONDS,
    await_end,
    await_typed,
    finish,
    is_batch_of,
    is_worker,
    needs_namespaces,
    outcomes,
    running,
    take_program,
    the_run,
    write_cases,
    write_hosts_file,
)
from tests.system.ssh_hosts import SshHost

pytestmark = pytest.mark.guest


def test_a_killed_worker_loses_no_case(prepared: Prepared, tmp_path: Path) -> None:
    """The case that it ran is run again by another worker, and a note says so; the others have their verdicts."""
    assert prepared.template is not None
    results, scratch = tmp_path / "results", tmp_path / "scratch"
    scratch.mkdir()
    cases = write_cases(tmp_path / "cases")
    env = environment(TMPDIR=str(scratch))
    with running("--hosts", "local:2", "--cases", cases, "--results", results, env=env) as child:
        log = await_typed(child, [scratch], b"sleep 6")
        workers = [one for one in psutil.Process(child.pid).children(recursive=True) if is_worker(one)]
        (worker,) = [one for one in workers if any(is_batch_of(below, log) for below in one.children())]
        worker.kill()
        output = finish(child)
    record = the_run(results)

    assert outcomes(record) == OUTCOMES
    assert record.complete
    assert child.returncode == ExitStatus.DIFFERS
    (note,) = [note for note in record.notes if "was lost" in note]
    assert "long.session" in note
    assert f"note: {note}" in output
    assert list(scratch.iterdir()) == []


def test_the_first_failure_ends_a_batch_that_runs(prepared: Prepared, tmp_path: Path) -> None:
    """With ``-x``: the case that runs on another worker is cut short, and nothing of it is left."""
    assert prepared.template is not None
    results, scratch = tmp_path / "results", tmp_path / "scratch"
    scratch.mkdir()
    cases = write_cases(tmp_path / "cases")
    (cases / "long.session").write_text("timeout: 300\n\n    # sleep 1000\n")
    env = environment(TMPDIR=str(scratch))
    with running("--hosts", "local:2", "-x", "--cases", cases, "--results", results, env=env) as child:
        finish(child)
    record = the_run(results)

    assert child.returncode == ExitStatus.DIFFERS
    assert outcomes(record)["two"] is Outcome.MISMATCH
    assert "long" in " ".join(record.not_run)
    assert any(note.startswith("stopped by -x") for note in record.notes)
    assert list(scratch.iterdir()) == []


@pytest.mark.slow("harness/hosts", "harness/run", "cases/timens", "tests/system/host_runs.py")
def test_a_run_on_workers_has_the_verdicts_of_a_run_here(tmp_path: Path) -> None:
    """The same cases with the same outcomes and traits, in rounds too, and the same files."""
    runs = []
    for name, more in (("here", ["-n", "2"]), ("there", ["--hosts", "local:2", "--repeat", "2"])):
        with running("--suite", "timens", *more, "--results", tmp_path / name) as child:
            finish(child)
        runs.append(the_run(tmp_path / name))
    here, there = runs

    assert here.complete
    assert there.complete
    assert outcomes(there) == outcomes(here)
    assert {case.id for case in there.cases} == {case.id for case in here.cases}
    assert {case.id: case.digest for case in there.cases} == {case.id: case.digest for case in here.cases}
    assert {one.trait: one.seen for one in there.traits} == {one.trait: one.seen for one in here.traits}
    assert {case.times_asked for case in there.cases if case.outcome is Outcome.MATCH} == {2}
    assert {case.folder for case in there.cases} == {case.folder for case in here.cases}


@pytest.mark.slow("harness/hosts", "harness/run", "tests/system/ssh_hosts.py", "tests/system/host_runs.py")
@needs_namespaces
def test_a_host_that_is_cut_off_loses_no_case(
    suite: Path, hosts: tuple[SshHost, SshHost], surroundings: dict[str, str], tmp_path: Path
) -> None:
    """Its case is run again on the other host; its own workers end by themselves when they hear nothing."""
    results = tmp_path / "results"
    write_hosts_file(tmp_path, silence=SILENCE_SECONDS)
    with running("--hosts", "a,b", "--suite", suite, "--results", results, env=surroundings) as child:
        log = await_typed(child, [host.temporary for host in hosts], b"sleep 6")
        (lost,) = [host for host in hosts if log.is_relative_to(host.temporary)]
        lost.cut_off()
        output = finish(child)
        assert await_end(lost, 4 * SILENCE_SECONDS)
    record = the_run(results)

    assert outcomes(record) == OUTCOMES
    assert record.complete
    assert child.returncode == ExitStatus.DIFFERS
    notes = "\n".join(record.notes)
    assert f"host {lost.name} is lost" in notes
    assert "run again" in notes
    assert "note: host" in output


@needs_namespaces
def test_a_killed_run_leaves_nothing_on_hosts(
    suite: Path, hosts: tuple[SshHost, SshHost], surroundings: dict[str, str], tmp_path: Path
) -> None:
    """Neither a worker nor QEMU nor a file, ten seconds after the connection has closed."""
    results = tmp_path / "results"
    with running("--hosts", "a,b", "--suite", suite, "--results", results, env=surroundings) as child:
        await_typed(child, [host.temporary for host in hosts], b"sleep 6")
        before = [" ".join(host.processes().values()) for host in hosts]
        os.kill(child.pid, signal.SIGKILL)
        ended = [await_end(host, ENDING_SECONDS) for host in hosts]

    assert any("qemu-system" in words for words in before)
    assert all("harness.hosts.worker" in words for words in before)
    assert ended == [True, True]


@needs_namespaces
def test_a_host_that_asks_a_question_is_an_error_at_once(surroundings: dict[str, str], tmp_path: Path) -> None:
    """An unknown host key, or a password: ssh asks nothing, and the error has its words and a command to try."""
    for name in ("a", "b"):
        (tmp_path / name / "known_hosts").write_text("")
    done = start("run", "--hosts", "a,b", "--results", tmp_path / "results", env=surroundings)

    assert done.status == ExitStatus.HOST
    assert "host a: cannot be reached" in done.complaint
    assert "Host key verification failed" in done.complaint
    assert "hint: ssh must log in without a question; try: ssh -o BatchMode=yes a true" in done.complaint


@needs_namespaces
def test_a_host_without_bubblewrap_is_refused(
    suite: Path, hosts: tuple[SshHost, SshHost], surroundings: dict[str, str], tmp_path: Path
) -> None:
    """Its owner has seen no note: nothing is run there, unless it was trusted."""
    take_program(hosts[1], tmp_path / "programs", "bwrap")
    words = ("run", "--hosts", "a,b", "--suite", suite, "-k", "one", "--results", tmp_path / "results")
    done = start(*words, env=surroundings)
    trusted = start("hosts", "check", "b", env=surroundings)
    settings = tmp_path / "configuration" / "kernel-patch-harness" / "hosts.toml"
    settings.write_text(f"{settings.read_text()}trust = true\n")
    checked = start("hosts", "check", "b", env=surroundings)

    assert done.status == ExitStatus.HOST
    assert "host b: bubblewrap does not work, which QEMU runs in" in done.complaint
    assert "no program bwrap on PATH" in done.complaint
    assert "hint: ssh b sudo apt-get install bubblewrap" in done.complaint
    assert "LACK  b" in trusted.text
    assert "bubblewrap   no program bwrap on PATH" in trusted.text
    assert "\nok    b\n" in checked.text
    assert not list(hosts[1].temporary.iterdir())


@needs_namespaces
def test_the_check_names_what_is_missing(
    hosts: tuple[SshHost, SshHost], surroundings: dict[str, str], tmp_path: Path
) -> None:
    """For a host without QEMU and one that cannot be reached; nothing is written on either."""
    first, second = hosts
    (first.folder / "known_hosts").write_text("")
    take_program(second, tmp_path / "programs", "qemu-system-x86_64")
    done = start("hosts", "check", "a,b", env=surroundings)

    assert done.status == ExitStatus.HOST
    assert "LACK  a" in done.text
    assert "Host key verification failed" in done.text
    assert "LACK  b" in done.text
    assert "host b: QEMU is missing" in done.text
    assert "hint: ssh b sudo apt-get install qemu-system-x86" in done.text
    assert [path for host in hosts for path in host.temporary.iterdir()] == []
    assert not (first.store / "host-environment").exists()
