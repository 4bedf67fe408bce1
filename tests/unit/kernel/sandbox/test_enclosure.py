# SPDX-License-Identifier: GPL-2.0-only
"""QEMU in bubblewrap: what it sees, what a host without bubblewrap does, and that nothing is left of it."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.store import Store
from harness.guest.machine import Machine
from harness.guest.template import Template, cloned
from harness.kernel.build.options import AS_USUAL
from harness.kernel.sandbox import enclosure
from harness.kernel.sandbox.bubblewrap import PROGRAM_FOLDERS
from harness.kernel.sandbox.enclosure import ENVIRONMENT, Seen, enclosing_arguments, find_enclosure, unenclosed_note
from harness.pipeline import Options, Prepared, prepare
from tests.waiting import moments

_SECONDS = 60.0
_SETTLED_SECONDS = 3.0
BUBBLEWRAP = process.find_program("bwrap")
needs_bubblewrap = pytest.mark.skipif(BUBBLEWRAP is None, reason="bubblewrap is not installed")


def files_in(root: Path) -> set[str]:
    """Return the files below the root of a process, without those of programs and libraries."""
    programs = {name.strip("/").partition("/")[0] for name in PROGRAM_FOLDERS}
    found = set()
    for parent, folders, names in os.walk(root):
        if Path(parent) == root:
            folders[:] = [name for name in folders if name not in programs]
        found |= {"/" + os.path.relpath(os.path.join(parent, name), root) for name in names}  # noqa: PTH118
    return {name for name in found if not name.startswith("/etc/")}


@needs_bubblewrap
@pytest.mark.guest
def test_qemu_sees_the_files_of_its_machine_only(machine: Machine, template: Template) -> None:
    """Neither HOME nor keys nor another template nor /proc; it has no network, no variables and no capabilities."""
    assert machine.request.bubblewrap is not None
    own = Path(f"/proc/{machine.pid}")
    request = template.request
    memory = template.folder / "memory"

    assert (own / "exe").readlink().name == request.program.name
    assert files_in(own / "root") == {str(request.image), str(request.initramfs), str(memory), *_DEVICES}
    variables = (own / "environ").read_bytes().decode().rstrip("\0").split("\0")
    assert set(variables) <= {*(f"{name}={value}" for name, value in ENVIRONMENT.items()), "PWD=/"}
    assert (own / "net/dev").read_text().count(":") == 1
    assert "CapEff:\t0000000000000000" in (own / "status").read_text()
    for name in ("net", "pid", "ipc", "mnt", "uts", "user"):
        assert (own / "ns" / name).readlink() != Path("/proc/self/ns", name).readlink()


_DEVICES = ("/dev/null", "/dev/urandom")


@needs_bubblewrap
@pytest.mark.guest
def test_a_program_in_the_enclosure_of_a_machine_changes_nothing(template: Template, tmp_path: Path) -> None:
    """It cannot write to the image or the initramfs, add a file, read this user's files, or reach a port."""
    assert BUBBLEWRAP is not None
    secret = tmp_path / "secret"
    secret.write_text("key")
    request = template.request
    seen = Seen(Path("/bin/sh"), readable=[request.image, request.initramfs], writable=[template.folder / "memory"])
    tries = f"""
        cat {secret}; echo > {request.image}; echo > /new && echo wrote; echo > {template.folder}/new; ls {Path.home()}
        exec 3<>/dev/tcp/127.0.0.1/22; kill -9 {os.getpid()}; mount -t tmpfs none /usr; echo $SECRET; echo done
    """
    with (tmp_path / "info").open("wb") as info:
        words = [*enclosing_arguments(BUBBLEWRAP, seen, info=info.fileno()), "bash", "-c", tries]
        within = process.Surroundings(env=ENVIRONMENT, pass_fds=[info.fileno()])
        done = process.run(words, deadline=Deadline.after(_SECONDS), within=within, check=False)

    assert done.text == "\ndone\n"
    assert "Read-only file system" in done.complaint
    assert "No such file or directory" in done.complaint
    assert request.image.stat().st_size > 1


@needs_bubblewrap
@pytest.mark.guest
def test_nothing_is_left_of_a_machine(template: Template, tmp_path: Path) -> None:
    """QEMU is gone at the end of the block, not some time later: its memory file is removed then."""
    with cloned(template, folder=tmp_path, deadline=Deadline.after(_SECONDS)) as one:
        pid = one.pid
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.guest
def test_a_bubblewrap_that_fails_is_the_hosts_fault(template: Template, tmp_path: Path) -> None:
    """The error has its words, and says what to do."""
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    broken = replace(template, request=replace(template.request, bubblewrap=fake))
    with (
        pytest.raises(HostError, match="QEMU cannot run in bubblewrap") as caught,
        cloned(broken, folder=tmp_path, deadline=Deadline.after(_SECONDS)),
    ):
        pass

    assert "Permission denied" in caught.value.evidence
    assert "apt-get install bubblewrap" in caught.value.remedy


def test_a_host_without_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is one line for the user, and nothing is remembered: it may be installed meanwhile."""
    context = Context(Store(tmp_path / "store"), Deadline.after(_SECONDS))
    monkeypatch.setattr(enclosure, "_PROGRAM", "no-such-bwrap")
    found, complaint = find_enclosure(context)

    assert found is None
    assert unenclosed_note(complaint).startswith("QEMU runs without bubblewrap: no program no-such-bwrap on PATH")
    assert not (tmp_path / "store").exists()


def test_a_bubblewrap_without_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where user namespaces are forbidden, bwrap itself says so."""
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found, complaint = find_enclosure(Context(Store(tmp_path / "store"), Deadline.after(_SECONDS)))

    assert found is None
    assert complaint == "bwrap: No permissions to create new namespace"


@needs_bubblewrap
def test_that_it_works_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried once for a boot of the host."""
    context = Context(Store(tmp_path / "store"), Deadline.after(_SECONDS))
    first = find_enclosure(context)
    monkeypatch.setattr(enclosure, "_probe", lambda _: "tried again")

    assert first == (BUBBLEWRAP, "")
    assert find_enclosure(context) == first


def test_a_qemu_elsewhere_brings_its_firmware(tmp_path: Path) -> None:
    """Its folder, libraries and firmware are seen, the rest of its prefix is not: that may be HOME."""
    for name in ("bin", "lib", "share/qemu", "share/keyrings", ".ssh"):
        (tmp_path / name).mkdir(parents=True)
    program = tmp_path / "bin/qemu-system-x86_64"
    program.touch()
    words = enclosing_arguments(Path("bwrap"), Seen(program), info=3)
    seen = {word for word in words if word.startswith(str(tmp_path))}

    assert seen == {str(tmp_path / name) for name in ("bin", "lib", "share/qemu")}


@pytest.mark.guest
def test_trust_runs_qemu_without_it(prepared: Prepared, tmp_path: Path) -> None:
    """With ``--trust`` nothing is noted: the user asked for it. The template is the same."""
    trusting = Options(build=replace(AS_USUAL, is_trusted=True))
    trusted = prepare(Context(Store.default(), Deadline.after(_SECONDS)), trusting, logs=tmp_path)

    assert trusted.request.bubblewrap is None
    assert trusted.template is not None
    assert prepared.template is not None
    assert trusted.template.folder == prepared.template.folder
    assert not any("bubblewrap" in note for note in trusted.notes)


# The harness dies as soon as it knows the process that is to become the program: bubblewrap is still at its mounts.
_DIES = """
import os, signal, sys, time
from pathlib import Path
from harness.kernel.sandbox import enclosure

read = enclosure._read_pid
# Threads of a process end one after the other; here a child has its files for longer, like the last one of them.
lingers = lambda: os.fork() or time.sleep(float(sys.argv[5])) or os._exit(0)
enclosure._read_pid = lambda info: (read(info), lingers(), os.kill(os.getpid(), signal.SIGKILL))
argv, log = [sys.argv[1], sys.argv[2]], Path(sys.argv[3])
seen = enclosure.Seen(Path(argv[0]))
with enclosure.started(argv, bubblewrap=Path(sys.argv[4]), seen=seen, log=log, pass_fds=[]):
    pass
"""


@needs_bubblewrap
@pytest.mark.parametrize("lingering", ["0", "1"])
def test_a_program_is_not_begun_when_the_harness_is_dead(tmp_path: Path, lingering: str) -> None:
    """bubblewrap asks for its death with that of its parent only when all its mounts are made."""
    sleep, seconds = process.find_program("sleep"), f"9{os.getpid():08}"
    assert sleep is not None
    for _ in range(5):
        words: list[str | Path] = [
            sys.executable,
            "-c",
            _DIES,
            sleep,
            seconds,
            tmp_path / "log",
            str(BUBBLEWRAP),
            lingering,
        ]
        killed = process.run(words, deadline=Deadline.after(_SECONDS), check=False)
        assert killed.status == -signal.SIGKILL
    left: list[psutil.Process] = []
    for _ in moments(_SETTLED_SECONDS):
        left = [one for one in psutil.process_iter(["name", "cmdline"]) if seconds in (one.info["cmdline"] or [])]
        if not left:
            break
    names = [one.info["name"] for one in left]
    for one in left:
        one.kill()
    # bubblewrap may lose its parent in the moment in which it waits for it, and then waits for ever, without a program.
    assert [name for name in names if name != "bwrap"] == []
