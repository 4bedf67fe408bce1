# SPDX-License-Identifier: GPL-2.0-only
"""Faults of hosts, each provoked: whatever happens, each case has one verdict, that of a run here."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.base import process
from harness.base.errors import ExitStatus
from harness.model.verdict import Outcome
from harness.pipeline import Prepared
from harness.results.folder import load_run
from tests.program import environment, harness, start
from tests.system.host_runs import (
    ENDING_SECONDS,
    OUTCOMES,
    await_end,
    await_process,
    await_typed,
    finish,
    needs_namespaces,
    outcomes,
    running,
    take_program,
    the_run,
    write_cases,
)
from tests.system.old_programs import OldPrograms, unpacked_programs
from tests.system.slow_host import cpu_limit
from tests.system.ssh_hosts import SshHost, other_user, path_with_ssh

pytestmark = pytest.mark.guest
depends = pytest.mark.slow("harness/hosts", "harness/run", "tests/system/ssh_hosts.py", "tests/system/host_runs.py")
CUT_SECONDS = 5.0
Hosts = tuple[SshHost, SshHost]


@depends
@needs_namespaces
def test_a_host_that_is_cut_off_for_five_seconds_goes_on(
    suite: Path, hosts: Hosts, surroundings: dict[str, str], tmp_path: Path
) -> None:
    """TCP sends again what was lost: no case is run twice."""
    with running("--hosts", "a,b", "--suite", suite, "--results", tmp_path / "results", env=surroundings) as child:
        log = await_typed(child, [host.temporary for host in hosts], b"sleep 6")
        (cut,) = [host for host in hosts if log.is_relative_to(host.temporary)]
        cut.cut_off()
        with contextlib.suppress(process.Expired):
            child.wait(CUT_SECONDS)
        cut.connect()
        finish(child)
    record = the_run(tmp_path / "results")

    assert outcomes(record) == OUTCOMES
    assert record.complete
    assert not [note for note in record.notes if "lost" in note or "run again" in note]


@depends
@needs_namespaces
@pytest.mark.parametrize("warm_kinds", [("acceleration", "emulator")])
def test_a_worker_that_is_killed_in_a_boot_loses_no_case(
    suite: Path, hosts: Hosts, surroundings: dict[str, str], tmp_path: Path
) -> None:
    """Its QEMU ends with it; another worker boots the template, and no half of one is left in the store."""
    with running("--hosts", "a,b", "--suite", suite, "--results", tmp_path / "results", env=surroundings) as child:
        booting = await_process(child, hosts, " -kernel ")
        booting.kill("harness.hosts.worker")
        finish(child)
        ended = await_end(booting, ENDING_SECONDS)
    record = the_run(tmp_path / "results")

    assert outcomes(record) == OUTCOMES
    assert record.complete
    assert any(f"worker {booting.name}/0 was lost" in note and "run again" in note for note in record.notes)
    assert ended
    assert not [one for one in (booting.store / "template").glob(".*") if one.suffix != ".lock"]


@depends
@needs_namespaces
def test_a_slow_host_changes_no_verdict(
    suite: Path, hosts: Hosts, surroundings: dict[str, str], tmp_path: Path
) -> None:
    """A host that is left a hundredth of a processor while it runs a case: an idle one runs the case as well."""
    with (
        cpu_limit(percent=1) as limit,
        running("--hosts", "a,b", "--suite", suite, "--results", tmp_path / "results", env=surroundings) as child,
    ):
        log = await_typed(child, [host.temporary for host in hosts], b"sleep 6")
        (slow,) = [host for host in hosts if log.is_relative_to(host.temporary)]
        limit.take(slow)
        finish(child)
        limit.lift()
        ended = await_end(slow, ENDING_SECONDS)
    record = the_run(tmp_path / "results")

    assert outcomes(record) == OUTCOMES
    assert record.complete
    (note,) = [note for note in record.notes if f"host {slow.name} is slow" in note]
    assert "the first verdict stands" in note
    assert ended


@depends
@needs_namespaces
def test_the_cases_of_a_host_with_a_full_disk_run_elsewhere(
    suite: Path, hosts: Hosts, surroundings: dict[str, str], tmp_path: Path
) -> None:
    """A kernel image does not fit: the note names the host and the reason, and no case is an error."""
    small, store = tmp_path / "small", tmp_path / "store"
    small.mkdir()
    (store / "host-environment").mkdir()
    # sshd has a mount namespace of its own, as each program of ip-netns(8).
    hosts[1].set_up(
        f"mountpoint -q {small} || mount -t tmpfs -o size=4M tmpfs {small}",
        f"for kind in host-environment acceleration emulator; do ln -sfn {store}/$kind {small}/$kind; done",
        f"export HARNESS_STORE={small}",
    )
    with running("--hosts", "a,b", "--suite", suite, "--results", tmp_path / "results", env=surroundings) as child:
        finish(child)
    record = the_run(tmp_path / "results")

    assert outcomes(record) == OUTCOMES
    notes = [note for note in record.notes if note.startswith("host b: ")]
    assert notes
    assert all("no space left" in note and "run again" in note for note in notes)


@pytest.fixture(scope="module")
def old() -> Iterator[OldPrograms]:
    """Return QEMU and Python of Debian 11."""
    with tempfile.TemporaryDirectory() as folder:
        yield unpacked_programs(Path(folder))


@pytest.mark.slow("harness/hosts", "harness/guest/emulator.py", "tests/system/old_programs.py")
@pytest.mark.network
@needs_namespaces
def test_older_programs_of_hosts_are_named(
    old: OldPrograms, hosts: Hosts, surroundings: dict[str, str], tmp_path: Path
) -> None:
    """An old QEMU misses options, and compiled packages fit one Python only: an error at once, nothing is sent."""
    take_program(hosts[0], tmp_path / "programs", "qemu-system-x86_64")
    hosts[0].set_up(f"export PATH={old.folder_of('qemu-system-x86_64')}:$PATH", *old.settings)
    hosts[1].set_up(f"export PATH={old.folder_of('python3')}:$PATH", *old.settings, before=old.without_other_pythons())
    checked = start("hosts", "check", "a,b", env=surroundings)
    ran = [start("run", "--hosts", one, "--results", tmp_path / "results", env=surroundings) for one in ("a", "b")]

    assert checked.status == ExitStatus.HOST
    assert "host a: QEMU is too old: version 6.0 or newer is needed" in checked.text
    assert "QEMU emulator version 5.2.0" in checked.text
    assert "host b: Python 3.11 is missing" in checked.text
    assert "(3.9)" in checked.text
    assert [done.status for done in ran] == [ExitStatus.HOST] * 2
    assert "host a: QEMU is too old" in ran[0].complaint
    assert "hint: ssh b sudo apt-get install python3.11" in ran[1].complaint
    assert not (hosts[0].store / "host-environment").exists()


def test_a_run_goes_on_after_its_scheduler_was_killed(prepared: Prepared, tmp_path: Path) -> None:
    """What was done is kept, the error says how to go on, and the whole has each case once."""
    assert prepared.template is not None
    results, scratch = tmp_path / "results", tmp_path / "scratch"
    scratch.mkdir()
    cases = write_cases(tmp_path / "cases")
    env = environment(TMPDIR=str(scratch))
    words = ("--hosts", "local:1", "--cases", cases, "--results", results)
    within = process.Surroundings(env=env)
    with process.start(harness("run", *words), stdout=process.PIPE, stderr=process.PIPE, within=within) as child:
        await_typed(child, [scratch], b"sleep 6")
        below = psutil.Process(child.pid).children(recursive=True)
        hubs = [one for one in below if one.name() != "bwrap" and "harness.hosts.hub" in " ".join(one.cmdline())]
        hubs[0].kill()
        finish(child)
        assert child.stderr is not None
        complaint = child.stderr.read().decode()
    first = the_run(results)
    folder = next(path for path in results.iterdir() if path.is_dir() and not path.is_symlink())
    left = list(scratch.iterdir())
    done = start("run", "--resume", folder.name, "--cases", cases, "--results", results, env=env)
    second = load_run(results / "latest")

    assert child.returncode == ExitStatus.HOST
    assert "the scheduler of the hosts has ended" in complaint
    assert f"--resume {folder.name}" in complaint
    assert not first.complete
    assert set(outcomes(first)) < set(OUTCOMES)
    assert done.status == ExitStatus.DIFFERS
    assert second.complete
    assert outcomes(second) == OUTCOMES
    if first.cases:
        assert f"{len(first.cases)} cases are those of {folder.name}" in second.notes
    assert {(case.id, case.started) for case in first.cases} < {(case.id, case.started) for case in second.cases}
    assert left == []


@needs_namespaces
def test_a_host_that_asks_for_a_password_is_an_error_at_once(
    hosts: Hosts, surroundings: dict[str, str], tmp_path: Path
) -> None:
    """The command ends with the words of ssh, whose question nobody sees."""
    hosts[0].forget_key()
    done = start("run", "--hosts", "a,b", "--results", tmp_path / "results", env=surroundings)

    assert done.status == ExitStatus.HOST
    assert "host a: cannot be reached" in done.complaint
    assert "Permission denied (publickey,password)" in done.complaint
    assert "hint: ssh must log in without a question; try: ssh -o BatchMode=yes a true" in done.complaint


@depends
@needs_namespaces
def test_two_users_share_a_host(suite: Path, hosts: Hosts, surroundings: dict[str, str], tmp_path: Path) -> None:
    """Each run has its own workers, certificates and folders; neither sees the files of the other."""
    with tempfile.TemporaryDirectory(dir="/tmp") as top:
        Path(top).chmod(0o755)
        second = other_user(hosts[0], "other", Path(top))
        (tmp_path / "ssh-other").mkdir()
        other = {**surroundings, "PATH": path_with_ssh(tmp_path / "ssh-other", second)}
        sides = {"a": surroundings, "other": other}
        with contextlib.ExitStack() as ends:
            children = [
                ends.enter_context(
                    running("--hosts", name, "--suite", suite, "--results", tmp_path / f"results-{name}", env=env)
                )
                for name, env in sides.items()
            ]
            await_typed(children[1], [second.temporary], b"sleep 6")
            owners = {Path(f"/proc/{pid}").stat().st_uid for pid in second.processes()}
            for child in children:
                finish(child)
        records = [the_run(tmp_path / f"results-{name}") for name in sides]
        ended = [await_end(one, ENDING_SECONDS) for one in (hosts[0], second)]

    assert owners == {65534}
    assert [outcomes(record) for record in records] == [OUTCOMES] * 2
    assert all(record.complete for record in records)
    assert ended == [True, True]


@pytest.mark.slow("harness/hosts", "harness/run", "cases/cgroupns", "tests/system/ssh_hosts.py", nightly=True)
@needs_namespaces
def test_all_cases_on_two_hosts_have_the_verdicts_of_a_run_here(
    hosts: Hosts, surroundings: dict[str, str], tmp_path: Path
) -> None:
    """Nothing is lost and nothing is there twice; outcomes and traits are equal."""
    runs = []
    for name, words in (("here", ["-n", "2"]), ("there", ["--hosts", "a,b"])):
        with running("deb", *words, "--results", tmp_path / name, env=surroundings) as child:
            finish(child)
        runs.append(the_run(tmp_path / name))
    here, there = runs
    assert len(hosts) == 2

    assert here.complete
    assert there.complete
    assert sorted(case.id for case in there.cases) == sorted(case.id for case in here.cases)
    assert {case.id: case.outcome for case in there.cases} == {case.id: case.outcome for case in here.cases}
    assert {one.trait: one.seen for one in there.traits} == {one.trait: one.seen for one in here.traits}
    assert len(there.cases) == len({case.id for case in there.cases})
    assert Outcome.ERROR not in {case.outcome for case in there.cases}
