# SPDX-License-Identifier: GPL-2.0-only
"""The sandbox against attacks by an untrusted Makefile; each attempt is real."""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import PIPE, patient_deadline, start
from harness.kernel.sandbox import bubblewrap
from harness.kernel.sandbox.sandbox import (
    REPRODUCIBLE,
    Bounds,
    InsideResult,
    Sandbox,
    make_arguments,
    run_inside,
    series_fault,
)

SMALL = Bounds(seconds=120.0, memory_mebibytes=256, processes=40, disk_mebibytes=50)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox with a tree of one file and an empty output folder; afterwards nothing of it runs."""
    tree, output = tmp_path / "tree", tmp_path / "output"
    tree.mkdir()
    output.mkdir()
    (tree / "file").write_text("from the tree\n")
    yield Sandbox(tree, output, bounds=SMALL)
    assert not _left(output)


def shell(sandbox: Sandbox, script: str, *, seconds: float = 30) -> InsideResult:
    """What a shell script inside does."""
    return run_inside(sandbox, ["bash", "-c", script], deadline=Deadline.after(seconds))


def _left(output: Path) -> list[str]:
    """Processes whose command line speaks of that output folder, and what they started."""
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [" ".join(line) for line in lines if os.fspath(output) in line]


def test_the_tree_is_at_src_and_the_output_at_out(sandbox: Sandbox) -> None:
    """A program inside starts in /out, reads /src and what it leaves is found outside, owned by this user."""
    result = shell(sandbox, "pwd; cat /src/file; cp /src/file /out/copy; mkdir /out/shut; chmod 0 /out/shut; exit 3")

    assert result == InsideResult(3, ("/out", "from the tree"))
    assert (sandbox.output / "copy").read_text() == "from the tree\n"
    assert (sandbox.output / "copy").stat().st_uid == os.geteuid()
    assert (sandbox.output / "shut").stat().st_mode & 0o700 == 0o700
    assert (sandbox.inside_tree, sandbox.inside_output) == ("/src", "/out")


def test_lines_come_while_it_runs(sandbox: Sandbox) -> None:
    """Each line is passed on as it arrives, also a last one without a newline."""
    heard: list[str] = []

    run_inside(sandbox, ["printf", "a\\nb\\nc"], deadline=Deadline.after(120), on_line=heard.append)

    assert heard == ["a", "b", "c"]


def test_nothing_of_the_host_is_there(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No HOME, no variable of this process, no folder of the host's but programs; a key in HOME cannot be read."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "key").write_text("secret")
    monkeypatch.setenv("HOME", os.fspath(home))
    monkeypatch.setenv("TOKEN", "secret")
    result = shell(
        sandbox, f"env; cat {home}/key ~/key /root/.ssh/* /etc/shadow; ls -d /root /home /var /run /sys; true"
    )

    names = {line.partition("=")[0] for line in result.lines if "=" in line}
    assert names <= {*REPRODUCIBLE, "PWD", "SHLVL", "_"}
    assert "secret" not in " ".join(result.lines)
    assert sum("No such file" in line for line in result.lines) == 9


@pytest.mark.parametrize("place", ["/src/file", "/src/new", "/usr/new", "/etc/new", "/new", "/dev/new"])
def test_only_the_output_can_be_written(sandbox: Sandbox, place: str) -> None:
    """Neither the tree nor programs nor the sandbox's own root can be written."""
    assert shell(sandbox, f"echo x > {place}").status == 1
    assert (sandbox.tree / "file").read_text() == "from the tree\n"


def test_there_is_no_network(sandbox: Sandbox) -> None:
    """A server on the host's loopback is not reached."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = shell(sandbox, f"exec 3<>/dev/tcp/127.0.0.1/{server.getsockname()[1]}")

    assert result.status == 1
    assert "refused" in " ".join(result.lines)


HIDDEN_MEMORY = """exec python3 -c '
import os, time
for i in range(8):
    file = os.memfd_create("x")
    for j in range(40):
        os.write(file, bytes(1 << 20))
time.sleep(60)'"""


@pytest.mark.parametrize(
    ("script", "bound"),
    [
        ("bomb() { bomb | bomb & wait; }; bomb", "ran more than 40 processes"),
        ("for i in $(seq 99); do sleep 60 & done; wait", "ran more than 40 processes"),
        ("cat /dev/zero | split -b 1M - /out/zero", "wrote more than 50 MiB"),
        ("for i in {1..9999}; do mkdir /out/$i; touch /out/$i/{1..999}; done", "made more than 3200 files"),
        ('for i in {10..19}; do eval "exec $i>x"; rm x; head -c 20M /dev/zero >&$i; done; sleep 60', "wrote more than"),
        ("exec python3 -c 'import time; x = b\"x\" * (300 << 20); time.sleep(60)'", "used more than 256 MiB of memory"),
        (HIDDEN_MEMORY, "used more than 256 MiB of memory"),
        ("exec yes", "printed more than"),
    ],
)
def test_greed_is_stopped(sandbox: Sandbox, script: str, bound: str) -> None:
    """Who takes more than the bounds is ended at once, and the bound is named."""
    result = shell(sandbox, script)

    assert bound in result.stopped
    assert not result.is_success


def test_two_builds_do_not_share_a_user() -> None:
    """Run by root, each has one of its own, so that what one takes of a user's processes the other has still."""
    users = [bubblewrap.pick_user() for _ in range(3)]

    assert len(set(users)) == (3 if os.geteuid() == 0 else 1)
    assert 0 not in users


def test_a_sleeper_is_ended(sandbox: Sandbox) -> None:
    """The sooner of bound and deadline ends it, and the error is the series'."""
    short = dataclasses.replace(sandbox, bounds=dataclasses.replace(SMALL, seconds=0.5))
    result = shell(short, "sleep 60")
    error = series_fault(result, "building the kernel")

    assert (result.status, result.stopped) == (-9, "ran longer than 0.5 s")
    assert error.what == "building the kernel was stopped: make ran longer than 0.5 s"
    assert shell(sandbox, "sleep 60", seconds=0.5).stopped.startswith("ran longer than 0.")


def test_what_was_said_before_the_end_is_shown(sandbox: Sandbox) -> None:
    """The last lines of what was ended are in the error."""
    result = shell(sandbox, f"echo before; {HIDDEN_MEMORY}")

    assert result.lines == ("before",)
    assert series_fault(result, "building the kernel").evidence == "before"


def test_what_stays_behind_is_ended(sandbox: Sandbox) -> None:
    """A program that ends does not leave others: also those of a session of their own, that hold its output open."""
    result = shell(
        sandbox, "setsid sleep 77 & setsid bash -c 'while :; do echo x; sleep 0.1; done' & sleep 0.2; exit 4"
    )

    assert (result.status, result.stopped) == (4, "")


def test_the_words_of_make(tmp_path: Path) -> None:
    """make gets the paths of tree and output as they are inside."""
    inside = Sandbox(tmp_path, tmp_path)
    trusted = Sandbox(Path("/t"), Path("/o"), trusted=True)

    assert make_arguments(inside, "all", jobs=3, assignments=["W=1"])[2:] == [
        "-C",
        "/src",
        "O=/out",
        "-j3",
        "W=1",
        "all",
    ]
    assert make_arguments(trusted, jobs=1)[2:] == ["-C", "/t", "O=/o", "-j1"]


def test_trusted_runs_on_the_host(sandbox: Sandbox) -> None:
    """Without the sandbox the paths are the real ones, and time, processes and files are bounded all the same."""
    trusted = dataclasses.replace(sandbox, trusted=True)

    assert shell(trusted, "pwd; env | grep -c HOME").lines == (os.fspath(sandbox.output), "0")
    assert "ran more than" in shell(trusted, "for i in {1..99}; do sleep 60 & done; wait").stopped
    # Another run of this test may sleep on this host, so the time is one of its own.
    moment = f"61.0{os.getpid()}"
    assert "ran longer" in shell(trusted, f"sleep {moment} & sleep {moment}", seconds=0.5).stopped
    assert shell(trusted, f"sleep {moment} & true").status == 0
    assert not any(moment in (one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))


def test_without_bubblewrap_it_says_so(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bubblewrap the error names the package and explains --trust; nothing is run."""
    monkeypatch.setattr(bubblewrap, "_PROGRAM", "no-such-bwrap")
    bubblewrap.find_complaint.cache_clear()

    with pytest.raises(HostError) as caught:
        shell(sandbox, "touch /out/ran")
    bubblewrap.find_complaint.cache_clear()
    assert "no-such-bwrap" in caught.value.evidence
    assert "apt install bubblewrap" in caught.value.remedy
    assert "--trust" in caught.value.remedy
    assert not (sandbox.output / "ran").exists()


def test_a_bubblewrap_that_fails_is_the_hosts_fault(sandbox: Sandbox) -> None:
    """What bwrap itself complains of is not taken for the program's answer."""
    gone = dataclasses.replace(sandbox, cache=sandbox.tree / "gone")

    with pytest.raises(HostError) as caught:
        shell(gone, "true")
    assert "gone" in caught.value.evidence


KILLED = """
import sys
from pathlib import Path
from harness.base.deadline import Deadline
from harness.kernel.sandbox.sandbox import Sandbox, run_inside
tree, output = map(Path, sys.argv[1:])
run_inside(Sandbox(tree, output), ["bash", "-c", "setsid sleep 62 & sleep 62 & echo up; wait"],
    deadline=Deadline.after(120), on_line=lambda line: print(line, flush=True))
"""


def test_nothing_survives_a_harness_that_is_killed(sandbox: Sandbox) -> None:
    """SIGKILL leaves it no time for anything: the kernel ends the sandbox."""
    with start([sys.executable, "-c", KILLED, sandbox.tree, sandbox.output], stdout=PIPE) as harness:
        assert harness.stdout is not None
        first = harness.stdout.readline()
        inside = psutil.Process(harness.pid).children(recursive=True)
        harness.kill()
        harness.wait()
        gone, alive = psutil.wait_procs(inside, timeout=10)

    assert first == b"up\n"
    assert len(gone) >= 4
    assert not alive


# In ticks of 1/100 s: fields utime and stime of the shell itself, proc(5).
WORK = "while read -r -a field </proc/self/stat; (( field[13] + field[14] < 20 )); do :; done"


@pytest.mark.parametrize("is_patient", [True, False])
def test_a_build_that_gets_no_processor_is_not_ended_by_its_bound(sandbox: Sandbox, *, is_patient: bool) -> None:
    """Twelve programs on one processor take twelve times their time; it is said, and that they do not wait any more.

    On a clock that does not leave the waiting out, the bound ends them.
    """
    bounded = dataclasses.replace(sandbox, bounds=dataclasses.replace(SMALL, seconds=2.0))
    processor = min(os.sched_getaffinity(0))
    loop = f"taskset --cpu-list {processor} bash -c '{WORK}'"
    said: list[bool] = []
    deadline = patient_deadline(60) if is_patient else Deadline.after(60)
    words = ["bash", "-c", f"for each in {{1..12}}; do {loop} & done; wait; echo done"]
    result = run_inside(bounded, words, deadline=deadline, on_busy=said.append)

    if is_patient:
        assert (result.stopped, result.lines) == ("", ("done",))
    else:
        assert result.stopped.startswith("ran longer")
    assert said[:1] == [True]
    assert said[-1:] == [False]


def test_a_build_that_sleeps_is_ended_by_its_bound(sandbox: Sandbox) -> None:
    """It does not wait for a processor, whatever the clock leaves out."""
    bounded = dataclasses.replace(sandbox, bounds=dataclasses.replace(SMALL, seconds=1.0))

    assert run_inside(bounded, ["sleep", "50"], deadline=patient_deadline(60)).stopped.startswith("ran longer")
