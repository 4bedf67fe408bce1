# SPDX-License-Identifier: GPL-2.0-only
"""Runs on hosts, started as programs: their cases, what they print, and what they leave on a host."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.model.run_record import RunRecord
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from tests.program import environment, harness
from tests.system.ssh_hosts import SshHost, are_possible

SECONDS = 300.0
LOOK_SECONDS = 0.1
ENDING_SECONDS = 10.0
SILENCE_SECONDS = 8
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
    deadline = Deadline.after(SECONDS)
    while not deadline.is_past:
        for top in folders:
            # Unlike rglob(), it passes over folders that are removed meanwhile.
            for folder, _, names in os.walk(top):
                with contextlib.suppress(OSError):
                    if "admin.log" in names and text in (Path(folder) / "admin.log").read_bytes():
                        return Path(folder) / "admin.log"
        with contextlib.suppress(process.Expired):
            run.wait(LOOK_SECONDS)
            break
    run.kill()
    pytest.fail(f"{text!r} was not typed: {finish(run)}")


def await_process(run: process.Child, hosts: Sequence[SshHost], part: str) -> SshHost:
    """Wait until one of some hosts runs a program, and return that host.

    :param run: the run.
    :param hosts: the hosts.
    :param part: a part of the command line.
    """
    deadline = Deadline.after(SECONDS)
    while not deadline.is_past:
        for host in hosts:
            if any(part in words for words in host.processes().values()):
                return host
        with contextlib.suppress(process.Expired):
            run.wait(LOOK_SECONDS)
            break
    run.kill()
    pytest.fail(f"no host ran {part}: {finish(run)}")


def finish(child: process.Child) -> str:
    """Wait for the end of a run, and return its output."""
    assert child.stdout is not None
    output = child.stdout.read().decode()
    child.wait(SECONDS)
    return output


def the_run(results: Path) -> RunRecord:
    """Return the record of the only run."""
    (folder,) = (path for path in results.iterdir() if path.is_dir() and not path.is_symlink())
    return load_run(folder)


def outcomes(record: RunRecord) -> dict[str, Outcome]:
    """Return the outcome of each case, by the name of its file."""
    return {Path(case.id).stem: case.outcome for case in record.cases}


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


def write_hosts_file(folder: Path, *, silence: int) -> None:
    """Describe the hosts, with a worker each.

    :param folder: the folder of the test.
    :param silence: how long a connection may be silent, in seconds.
    """
    settings = folder / "configuration" / "kernel-patch-harness"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "hosts.toml").write_text(f"silence = {silence}\n[host.a]\nslots = 1\n[host.b]\nslots = 1\n")


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
