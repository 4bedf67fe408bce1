# SPDX-License-Identifier: GPL-2.0-only
"""cgctl of the suite cgroupns, compiled and run on this host: its command line, its lines, its exit status."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.paths import SUITES
from harness.guest.image import compile_helper
from harness.session.transcript import parse
from harness.suite.load import find_suite

pytestmark = pytest.mark.skipif(not (SUITES / "cgroupns" / "cgctl.c").is_file(), reason="the suite is not here")


@pytest.fixture(scope="module")
def cgctl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, as the guest image compiles it."""
    made = tmp_path_factory.mktemp("cgctl") / "cgctl"
    compile_helper(SUITES / "cgroupns" / "cgctl.c", made, deadline=Deadline.after(60))
    return made


def run(cgctl: Path, line: str) -> process.Completed:
    """cgctl with the words of a line."""
    return process.run([cgctl, *line.split()], deadline=Deadline.after(120), check=False)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "missing command"),
        ("frobnicate", "unknown command 'frobnicate'"),
        ("iterator x", "invalid number 'x'"),
        ("iterator", "missing argument of 'iterator'"),
        ("iterator 1 2", "unexpected argument '2'"),
        ("storm 1 2", "missing argument of 'storm'"),
        ("storm 1 x /tmp", "invalid number 'x'"),
        ("hierarchies", "missing argument of 'hierarchies'"),
        ("hierarchies /sys/fs/cgroup", "missing argument of 'hierarchies'"),
        ("hierarchies -v /sys/fs/cgroup", "missing argument of 'hierarchies'"),
        ("hierarchies /sys/fs/cgroup v3", "invalid hierarchy 'v3'"),
        ("hierarchies /sys/fs/cgroup v1:", "invalid hierarchy 'v1:'"),
    ],
)
def test_a_wrong_command_line_does_nothing(cgctl: Path, line: str, complaint: str) -> None:
    """It is reported on standard error, with the usage, and the exit status is that of nsctl."""
    said = run(cgctl, line)

    assert said.status == 64
    assert said.text == ""
    assert said.complaint.startswith(f"cgctl: {complaint}\nusage:\n")


def test_a_storm_ends_in_time_and_leaves_nothing(cgctl: Path, tmp_path: Path) -> None:
    """It says how often all was done; no directory and no process stays, also where nothing of it is allowed."""
    said = run(cgctl, f"storm 1 2 {tmp_path}")

    assert re.fullmatch(rf"storm\(1, 2, {re.escape(str(tmp_path))}\) = [1-9]\d*\n", said.text)
    assert said.status == 0
    assert list(tmp_path.iterdir()) == []


def test_a_cgroup_by_its_id_or_the_reason(cgctl: Path) -> None:
    """There is no cgroup of so high a number; where programs cannot be loaded, the line says what failed."""
    said = run(cgctl, "iterator 1000000000000")

    assert re.fullmatch(r"(btf\(bpf_iter_cgroup\)|bpf\(BPF_PROG_LOAD\)|iterator\(\d+\)) = -1 E[A-Z]+\n", said.text)
    assert said.status == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_hierarchies_say_only_what_fails(cgctl: Path, tmp_path: Path) -> None:
    """In a mount namespace of its own: what is mounted needs no word; what the kernel does not have is status 4."""
    at = tmp_path / "cg"
    script = (
        f"mount --make-rprivate / || exit 99; {cgctl} hierarchies {at} v1:name=cgctl-test; echo $?;"
        f" grep -c {at} /proc/self/mountinfo; {cgctl} hierarchies {at}2 v1:nonsense v1:xattr,name=cgctl-test; echo $?;"
        f" {cgctl} hierarchies -v {at}3 v1:name=cgctl-test; echo $?"
    )
    said = process.run(["unshare", "-m", "sh", "-c", script], deadline=Deadline.after(120), check=False)
    if said.status == 99 or said.stderr:
        pytest.skip(f"this host does not allow it: {said.complaint}")

    assert said.text.splitlines() == [
        "0",
        "2",
        f"this kernel has no controller nonsense (hierarchy(v1:nonsense, {at}2/nonsense) = -1 EINVAL)",
        "4",
        f"hierarchy(v1:name=cgctl-test, {at}3/cgctl-test) = 0",
        "0",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_hierarchy_that_is_there_and_is_refused_is_a_failure(cgctl: Path, tmp_path: Path) -> None:
    """Where the folder cannot be made, nothing is missing in the kernel: the line of the call, and status 1."""
    (tmp_path / "file").touch()
    said = run(cgctl, f"hierarchies {tmp_path}/file v1:name=cgctl-test")

    assert said.text == f"mount(tmpfs, {tmp_path}/file, tmpfs) = -1 ENOTDIR\n"
    assert said.status == 1


@pytest.mark.parametrize("spec", ["v2:+memory", "v2:+memory,+pids"])
def test_hierarchies_accepts_controllers_of_the_default_hierarchy(spec: str) -> None:
    """The preparation of the suite takes the form that names controllers to require."""
    suite = find_suite("cgroupns")
    text = f"title: t\nhierarchies: {spec}\nscenario: X-01\nsource: s\n\n    # true\n"

    (request,) = parse(text, path="x.session", preparations=suite.preparations).preparations
    assert spec in str(request)
