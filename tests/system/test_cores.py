# SPDX-License-Identifier: GPL-2.0-only
"""A machine on which a command does not return leaves a core, which says who waits for whom."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pexpect
import pytest

from harness.base.errors import ExitStatus
from harness.results.cores import CORE_NAME
from harness.results.folder import load_run
from tests.command_line import call
from tests.program import environment, start

SOURCE = Path(__file__).parent.parent / "data/cores/pipe_mutex.c"
SUITE = 'format = 1\nname = "hangs"\ntitle = "hangs"\n[guest]\nhelpers = ["pipe_mutex.c"]\n'
HANGS = "title: a lock that is never released\ntimeout: 2\n\n    # trap '' INT; stty -isig\n    # pipe_mutex\n"
WORKS = "title: nothing\n\n    # true\n"


SOON = 180
READING = (
    "harness/cores",
    "harness/guest/cores",
    "harness/results/cores.py",
    "harness/kernel/sandbox",
    "tests/data/cores",
)
FROZEN = """\
title: a task that no signal reaches, and a shell that ignores Ctrl-C
hierarchies: v1:freezer
timeout: 2

    # cd /sys/fs/cgroup/freezer; mkdir a; trap '' INT; stty -isig; echo FROZEN >a/freezer.state
    # (echo $BASHPID >a/tasks; echo thawed)
"""


@pytest.mark.guest
@pytest.mark.build
@pytest.mark.slow(*READING, "harness/kernel/type_objects.py", "kconfigs/base.config")
def test_a_kernel_without_types(tmp_path: Path) -> None:
    """A kernel that the harness built carries no BTF: types come from objects that are compiled once more."""
    (tmp_path / "frozen.session").write_text(FROZEN)
    words = ("--suite", "cgroupns", "--cases", tmp_path / "frozen.session", "--results", tmp_path / "results")
    call("run", "deb-src:6.1", *words)
    done = start("core", "last", "frozen.session", "--json", "--results", tmp_path / "results")
    (stuck,) = [one for one in json.loads(done.text)["tasks"] if one["state"] == "D"]

    assert stuck["name"] == "bash"
    assert [one["function"] for one in stuck["frames"]][:3] == ["__schedule", "schedule", "__refrigerator"]


@pytest.mark.guest
@pytest.mark.slow(*READING)
def test_who_waits_for_whom(tmp_path: Path) -> None:
    """On Debian's kernel, by the types that it carries: a mutex without a name, its waiter and its holder."""
    suite, results = tmp_path / "hangs", tmp_path / "results"
    suite.mkdir()
    (suite / "suite.toml").write_text(SUITE)
    shutil.copy(SOURCE, suite)
    (suite / "lock.session").write_text(HANGS)
    (suite / "works.session").write_text(WORKS)
    call("run", "deb", "--suite", suite, "-n", "1", "--results", results)
    folder = next(results.glob("*-deb"))
    (note,) = [one for one in load_run(folder).notes if "harness core" in one]
    table = json.loads(start("core", "last", "lock.session", "--json", "--results", results).text)
    tasks = {one["name"]: one for one in table["tasks"]}
    waiter, holder = tasks["waiter"], tasks["holder"]
    text = start("core", "last", "lock.session", "--results", results).text

    assert note.startswith("the memory of 1 machine was kept")
    assert [one.parent.name for one in folder.rglob(CORE_NAME)] == ["lock.session"]
    assert waiter["state"] == "D"
    assert (waiter["waits_for"]["kind"], waiter["waits_for"]["owner"]) == ("mutex", holder["pid"])
    assert "pipe_read" in [one["function"] for one in waiter["frames"]]
    assert "handle_userfault" in [one["function"] for one in holder["frames"]]
    assert f"held by holder (pid {holder['pid']})" in text
    assert f"harness core {folder.name} hangs/lock.session" in start("core", "last", "--results", results).text
    call("core", "last", "works.session", "--results", results).require_error(ExitStatus.USAGE, "has no core", "lock")


@pytest.mark.guest
@pytest.mark.slow(*READING, "harness/run/interactive.py", "harness/run/debugger.py")
def test_drgn_at_a_step(tmp_path: Path) -> None:
    """The prompt sees the process of the step, with the types of the kernel alone; the machine goes on after it."""
    (tmp_path / "sleeps.session").write_text("title: a process that stays\n\n    # sleep 7777 & disown\n")
    words = ["-m", "harness", "shell", "deb", f"{tmp_path}/sleeps.session:3", "--drgn"]
    shell = pexpect.spawn(sys.executable, words, timeout=SOON, encoding="utf-8", env=environment(TERM="dumb"))
    shell.expect(">>> ")
    shell.sendline("print('names:', *[one.comm.string_().decode() for one in for_each_task(prog)])")
    shell.expect(r"names: (init [^\r]*)\r")
    names = str(shell.after).split()
    shell.sendline("exit()")
    shell.expect("# ")
    shell.sendline("echo goes-on-$((40 + 2))")
    shell.expect("goes-on-42")
    shell.send("\x1d")
    shell.expect(pexpect.EOF)
    shell.close()

    assert "sleep" in names
    assert "kthreadd" in names
    assert shell.exitstatus == 0
