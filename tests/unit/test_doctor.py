# SPDX-License-Identifier: GPL-2.0-only
"""``harness doctor``: findings on this host, and the command that installs what is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness import pipeline
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HostError
from harness.base.process import Surroundings, run
from harness.base.store import Store
from harness.doctor import CheckState, HostFinding, examine, install_line
from tests.command_line import CommandResult, call
from tests.private_mounts import needs_mounts, with_mounts
from tests.program import environment, harness


def states(result: CommandResult) -> dict[str, str]:
    """What was looked at, and the word before it."""
    heads = [line for line in result.text.splitlines() if line[:6].strip() and line[4:6] == "  "]
    return {line[6:].partition(":")[0]: line[:4].strip() for line in heads}


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store")


@pytest.mark.guest
def test_a_good_host_lacks_nothing() -> None:
    """Each thing that a run needs is there, with its version or place, and how to ask again for the acceleration."""
    result = call("doctor", HARNESS_STORE=str(Store.default().folder))

    assert result.status is ExitStatus.AS_EXPECTED, result.text
    assert set(states(result).values()) == {"ok"}
    looked_at = ["store", "kernel packages", "compiler", "guest programs", "QEMU", "kernel builds"]
    looked_at += ["Debian guest", "acceleration"]
    assert list(states(result)) == looked_at
    assert "QEMU emulator version" in result.text
    assert "to repeat the race: harness doctor --prove" in result.text
    assert "apt-get install" not in result.text


@pytest.mark.guest
def test_the_acceleration_is_proved_again_when_asked_to() -> None:
    """The verdict is that of now."""
    result = call("doctor", "--prove", HARNESS_STORE=str(Store.default().folder))

    assert result.status is ExitStatus.AS_EXPECTED, result.text
    assert states(result)["acceleration"] == "ok"


def test_a_host_that_lacks_everything_is_told_all_of_it(store: str, tmp_path: Path) -> None:
    """One look names each lack; the last line installs them all."""
    result = call("doctor", HARNESS_STORE=store, PATH=str(tmp_path))

    assert result.status is ExitStatus.HOST
    assert states(result) == {
        "store": "ok",
        "kernel packages": "LACK",
        "compiler": "LACK",
        "guest programs": "LACK",
        "QEMU": "LACK",
        "kernel builds": "--",
        "Debian guest": "--",
        "acceleration": "--",
    }
    last = result.text.splitlines()[-1]
    assert last.startswith("Install what is missing: ")
    assert last.endswith(
        "apt-get install apt bash busybox-static coreutils dpkg gcc grep libc6-dev mount qemu-system-x86 util-linux"
    )


def test_one_lack_has_one_line(store: str, tmp_path: Path) -> None:
    """The finding for an old QEMU has its version and the needed version."""
    fake = tmp_path / "bin/qemu-system-x86_64"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'QEMU emulator version 4.2.1'\n")
    fake.chmod(0o755)
    result = call("doctor", HARNESS_STORE=store, PATH=f"{fake.parent}:{os.environ['PATH']}")

    assert result.status is ExitStatus.HOST
    assert {what for what, state in states(result).items() if state == "LACK"} == {"QEMU"}
    assert "QEMU emulator version 4.2.1" in result.text


def test_a_store_that_cannot_be_written_hides_nothing_else(tmp_path: Path) -> None:
    """The problem is reported once, and the other checks still run."""
    result = call("doctor", HARNESS_STORE="/dev/null/store")

    assert result.status is ExitStatus.HOST
    assert {what for what, state in states(result).items() if state == "LACK"} == {"store"}
    assert result.text.count("HARNESS_STORE") == 1


@needs_mounts
def test_a_disk_that_is_nearly_full_is_told(tmp_path: Path) -> None:
    """A run would not get far; no package helps."""
    command = with_mounts([f"mount -t tmpfs -o size=100M tmpfs {tmp_path}"], harness("doctor"))
    env = environment(HARNESS_STORE=str(tmp_path / "store"))
    done = run(command, deadline=Deadline.after(60), check=False, within=Surroundings(env=env))
    result = CommandResult(ExitStatus(done.status), done.text)

    assert result.status is ExitStatus.HOST
    assert states(result)["store"] == "LACK"
    assert "nearly full" in result.text
    assert "harness clean" in result.text
    assert "Install what is missing" not in result.text


def test_a_lack_names_packages_by_facts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of the error, whatever its remedy says."""

    def fail(*_: object, **__: object) -> None:
        raise HostError("it is missing", remedy="apt-get install nothing", packages=["busybox-static"])

    monkeypatch.setattr(pipeline, "guest_image", fail)
    found = {one.what: one.packages for one in examine(Store(tmp_path), prove=False)}

    assert found["guest programs"] == ("busybox-static",)


@pytest.mark.parametrize(("user", "before"), [(0, ""), (1000, "sudo ")])
def test_the_line_is_for_the_user_who_asks(monkeypatch: pytest.MonkeyPatch, user: int, before: str) -> None:
    """A user without root gets a command with sudo; each package is named once."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    lacks = [
        HostFinding("a", CheckState.LACK, "", ("gcc", "libc6-dev")),
        HostFinding("b", CheckState.LACK, "", ("bash", "gcc")),
    ]

    assert install_line(lacks) == f"{before}apt-get install bash gcc libc6-dev"
    assert install_line([HostFinding("c", CheckState.GOOD, "")]) == ""
