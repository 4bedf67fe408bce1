# SPDX-License-Identifier: GPL-2.0-only
"""Runs on several hosts: what a lost worker or host ran is run again, and a killed run leaves nothing anywhere."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.model.run_record import RunRecord
from harness.model.verdict import Outcome
from harness.pipeline import Prepared
from harness.results.folder import load_run
from tests.program import environment, harness, start
from tests.system.ssh_hosts import SshHost, are_possible, path_with_ssh, ssh_host

pytestmark = pytest.mark.guest

_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_ENDING_SECONDS = 10.0
_SILENCE_SECONDS = 8
LONG = "    # sleep 6; echo done\n    done\n"
CASES = {"one": "    # echo one\n    one\n", "two": "    # echo two\n    three\n", "long": LONG}
OUTCOMES = {"one": Outcome.MATCH, "two": Outcome.MISMATCH, "long": Outcome.MATCH}
WARM_KINDS = ("template", "prepared-template", "acceleration", "emulator")
"""Kinds of products that test hosts share with this user's store, so that nothing is booted for them."""

needs_namespaces = pytest.mark.skipif(not are_possible(), reason="network namespaces need root, and sshd is needed")


def write_cases(folder: Path) -> Path:
    """Write the cases into a folder, and return it."""
    folder.mkdir()
    for name, text in CASES.items():
        (folder / f"{name}.session").write_text(text)
    return folder


@contextlib.contextmanager
def running(*arguments: str | Path, env: dict[str, str] | None = None) -> Iterator[process.Child]:
    """Run the harness in the background."""
    within = process.Surroundings(env=env or environment())
    with process.start(harness("run", *arguments), stdout=process.PIPE, stderr=None, within=within) as child:
        yield child


def await_typed(run: process.Child, folders: list[Path], text: bytes) -> Path:
    """Wait until a console's log below one of some folders contains a text, and return the log."""
    deadline = Deadline.after(_SECONDS)
    while not deadline.is_past:
        for top in folders:
            # Unlike rglob(), it passes over folders that are removed meanwhile.
            for folder, _, names in os.walk(top):
                with contextlib.suppress(OSError):
                    if "admin.log" in names and text in (Path(folder) / "admin.log").read_bytes():
                        return Path(folder) / "admin.log"
        with contextlib.suppress(process.Expired):
            run.wait(_LOOK_SECONDS)
            break
    run.kill()
    pytest.fail(f"{text!r} was not typed: {finish(run)}")


def finish(child: process.Child) -> str:
    """Wait for the end of a run, and return its output."""
    assert child.stdout is not None
    output = child.stdout.read().decode()
    child.wait(_SECONDS)
    return output


def the_run(results: Path) -> RunRecord:
    """Return the record of the only run."""
    (folder,) = (path for path in results.iterdir() if path.is_dir() and not path.is_symlink())
    return load_run(folder)


def outcomes(record: RunRecord) -> dict[str, Outcome]:
    """Return the outcome of each case, by the name of its file."""
    return {Path(case.id).stem: case.outcome for case in record.cases}


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


@pytest.mark.slow("harness/hosts", "harness/run", "cases/timens", "tests/system/test_hosts.py")
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


def is_worker(one: psutil.Process) -> bool:
    """Return whether a process is a worker of a host."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return "harness.hosts.worker" in one.cmdline()
    return False


def is_batch_of(one: psutil.Process, log: Path) -> bool:
    """Return whether a process runs the batch with this log."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return one.cmdline()[-1:] != [] and log.is_relative_to(one.cmdline()[-1])
    return False


@pytest.fixture
def suite(prepared: Prepared, tmp_path: Path) -> Path:
    """Return a suite that hosts do not have; its guest image is that of the default suite, so nothing is booted."""
    folder = write_cases(tmp_path / "fleet")
    for helper in prepared.suite.guest.helpers:
        (folder / helper.name).write_bytes(helper.read_bytes())
    helpers = ", ".join(f'"{helper.name}"' for helper in prepared.suite.guest.helpers)
    (folder / "suite.toml").write_text(
        f'format = 1\nname = "fleet"\ntitle = "hosts"\n[guest]\n'
        f'needs = {{ CONFIG_CGROUPS = "there is no cgroup hierarchy to mount" }}\nhelpers = [{helpers}]\n'
    )
    return folder


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[SshHost, SshHost]]:
    """Run two hosts, with one store that knows what this user's store knows."""
    store = tmp_path / "store"
    store.mkdir()
    for kind in WARM_KINDS:
        (store / kind).symlink_to(Store.default().folder / kind)
    with contextlib.ExitStack() as ends:
        made = []
        for number, name in enumerate(("a", "b"), start=1):
            folder = tmp_path / name
            folder.mkdir()
            made.append(ends.enter_context(ssh_host(name, folder, number, store=store)))
        yield made[0], made[1]


def write_hosts_file(folder: Path, *, silence: int) -> None:
    """Describe the hosts, with a worker each.

    :param folder: the folder of the test.
    :param silence: how long a connection may be silent, in seconds.
    """
    settings = folder / "configuration" / "kernel-patch-harness"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "hosts.toml").write_text(f"silence = {silence}\n[host.a]\nslots = 1\n[host.b]\nslots = 1\n")


@pytest.fixture
def surroundings(hosts: tuple[SshHost, SshHost], tmp_path: Path) -> dict[str, str]:
    """Return an environment in which ssh knows the hosts."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    write_hosts_file(tmp_path, silence=60)
    return environment(PATH=path_with_ssh(folder, *hosts), XDG_CONFIG_HOME=str(tmp_path / "configuration"))


def await_end(host: SshHost, seconds: float) -> bool:
    """Wait until no process of the harness is left on a host, nor a temporary file; return whether that was in time."""
    deadline = Deadline.after(seconds)
    pids = [pid for pid, words in host.processes().items() if "harness.hosts" in words or "qemu-system" in words]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            poll = select.poll()
            descriptor = os.pidfd_open(pid)
            poll.register(descriptor, select.POLLIN)
            poll.poll(deadline.seconds_left * 1000)
            os.close(descriptor)
    return not host.processes() and not list(host.temporary.iterdir())


@pytest.mark.slow("harness/hosts", "harness/run", "tests/system/ssh_hosts.py", "tests/system/test_hosts.py")
@needs_namespaces
def test_a_host_that_is_cut_off_loses_no_case(
    suite: Path, hosts: tuple[SshHost, SshHost], surroundings: dict[str, str], tmp_path: Path
) -> None:
    """Its case is run again on the other host; its own workers end by themselves when they hear nothing."""
    results = tmp_path / "results"
    write_hosts_file(tmp_path, silence=_SILENCE_SECONDS)
    with running("--hosts", "a,b", "--suite", suite, "--results", results, env=surroundings) as child:
        log = await_typed(child, [host.temporary for host in hosts], b"sleep 6")
        (lost,) = [host for host in hosts if log.is_relative_to(host.temporary)]
        lost.cut_off()
        output = finish(child)
        assert await_end(lost, 4 * _SILENCE_SECONDS)
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
        ended = [await_end(host, _ENDING_SECONDS) for host in hosts]

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


def take_program(host: SshHost, programs: Path, name: str) -> None:
    """Leave a host all programs but one.

    :param programs: a folder for them.
    :param name: the name of the program.
    """
    programs.mkdir()
    for folder in os.defpath.split(":"):
        for file in Path(folder).iterdir():
            if file.name != name and not (programs / file.name).exists():
                (programs / file.name).symlink_to(file)
    enter = host.folder / "enter"
    enter.write_text(enter.read_text().replace(f"PATH={os.defpath}", f"PATH={programs}"))


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
