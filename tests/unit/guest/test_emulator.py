# SPDX-License-Identifier: GPL-2.0-only
"""Finding QEMU, with programs in its place that are missing, too old, or something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.store import Store
from harness.guest.emulator import Emulator, find_emulator

NAME = "qemu-system-x86_64"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, and no sbin folder beside it."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(folder: Path, script: str) -> Path:
    """A program in QEMU's place."""
    program = folder / NAME
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def find(tmp_path: Path) -> Emulator:
    """What is found, with a store of the test's own."""
    return find_emulator(Context(Store(tmp_path / "store"), Deadline.after(120)), architecture="x86_64")


def test_find_emulator_reads_path_and_version(folder: Path, tmp_path: Path) -> None:
    """The program on PATH is used, with its version."""
    program = put(folder, "echo 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)'; echo 'Copyright (c) 2003-2022'")

    assert find(tmp_path) == Emulator(program, "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)")


@pytest.mark.parametrize("version", ["6.0.0", "6.2.0", "10.1.2"])
def test_find_emulator_compares_versions_as_numbers(version: str, folder: Path, tmp_path: Path) -> None:
    """Versions are compared as numbers, from the first that is new enough."""
    put(folder, f"echo 'QEMU emulator version {version}'")

    assert version in find(tmp_path).version


@pytest.mark.parametrize("version", ["5.2.0", "2.11.1", "0.15.50"])
def test_find_emulator_refuses_an_old_qemu(version: str, folder: Path, tmp_path: Path) -> None:
    """The error names the version and the needed one; the result is not remembered."""
    program = put(folder, f"echo 'QEMU emulator version {version}'")
    with pytest.raises(HostError, match="too old: version 6") as caught:
        find(tmp_path)
    program.unlink()
    put(folder, "echo 'QEMU emulator version 8.0.0'")
    after = find(tmp_path)

    assert version in caught.value.evidence
    assert "8.0.0" in after.version


def test_find_emulator_reports_a_missing_qemu(folder: Path, tmp_path: Path) -> None:
    """A missing QEMU is a host error that names the package."""
    assert process.find_program(NAME) is None
    with pytest.raises(HostError, match=f"{NAME} is not installed") as caught:
        find(tmp_path)

    assert caught.value.remedy == "install it: apt-get install qemu-system-x86"


@pytest.mark.parametrize("script", ["echo 'Something else 1.0'", ":", "echo", "printf '\\377\\376'"])
def test_find_emulator_refuses_another_program(script: str, folder: Path, tmp_path: Path) -> None:
    """A program of that name that does not print a version of QEMU is refused."""
    program = put(folder, script)
    with pytest.raises(HostError) as caught:
        find(tmp_path)

    assert caught.value.what == f"{program} does not print its version"
    assert "apt-get install" in caught.value.remedy


def test_find_emulator_reports_a_broken_qemu(folder: Path, tmp_path: Path) -> None:
    """A QEMU that does not run is refused with its own message."""
    put(folder, "echo 'error while loading shared libraries: libfoo.so' >&2; exit 127")
    with pytest.raises(HostError, match="failed with status 127") as caught:
        find(tmp_path)

    assert "libfoo.so" in caught.value.evidence
    assert "apt-get install" in caught.value.remedy


def test_find_emulator_refuses_another_architecture(folder: Path, tmp_path: Path) -> None:
    """A QEMU built for another machine is refused."""
    program = put(folder, "")
    program.write_bytes(b"\x7fELF of no machine")
    with pytest.raises(HostError, match="cannot be started"):
        find(tmp_path)


def test_find_emulator_remembers_the_version(folder: Path, tmp_path: Path) -> None:
    """The version of a program file is remembered; that of another file is read."""
    note = tmp_path / "asked"
    program = put(folder, f"echo >>{note}; echo 'QEMU emulator version 7.2.0'")
    find(tmp_path)
    again = find(tmp_path)
    asked = note.read_text().count("\n")
    program.unlink()
    put(folder, f"echo >>{note}; echo 'QEMU emulator version 8.1.0'")
    upgraded = find(tmp_path)

    assert asked == 1
    assert "7.2.0" in again.version
    assert "8.1.0" in upgraded.version
    assert note.read_text().count("\n") == 2
