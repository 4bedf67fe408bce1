# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's coverage plugin: the QEMU and the compiler of this host, and others that do not do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.guest.coverage.plugin import CoveragePlugin, find_plugin
from harness.guest.emulator import Emulator, find_emulator


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """Return a context with a store of the test."""
    return Context(Store(tmp_path / "store"), Deadline.after(60))


@pytest.fixture
def emulator(context: Context) -> Emulator:
    """Return the QEMU of this host."""
    return find_emulator(context, architecture="x86_64")


def stand_in(folder: Path, script: str, emulator: Emulator) -> Emulator:
    """Return a program in QEMU's place."""
    program = folder / "qemu"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return replace(emulator, program=program)


def test_this_qemu_takes_the_plugin(context: Context, emulator: Emulator) -> None:
    """It is compiled once, and loaded by QEMU before it is kept."""
    found = find_plugin(context, emulator)

    assert found.problem == ""
    assert found.library is not None
    made = found.library.stat().st_mtime_ns
    assert find_plugin(context, emulator) == found
    assert found.library.stat().st_mtime_ns == made


def test_another_interface_is_tried(context: Context, emulator: Emulator, tmp_path: Path) -> None:
    """QEMU 9 refuses interface 1, and says which it wants."""
    complaint = "plugin requires API version 1, but this QEMU supports only a minimum version of 2"
    script = f'[ -e {tmp_path}/second ] && exit 0; touch {tmp_path}/second; echo "{complaint}" >&2; exit 1'

    assert find_plugin(context, stand_in(tmp_path, script, emulator)).problem == ""


def test_no_interface_is_new_enough(context: Context, emulator: Emulator, tmp_path: Path) -> None:
    """A QEMU with a newer interface than all that are known is a reason, and no error."""
    script = 'echo "plugin requires API version 6, but this QEMU supports only a minimum version of 9" >&2; exit 1'
    found = find_plugin(context, stand_in(tmp_path, script, emulator))

    assert found.library is None
    assert "minimum version of 9" in found.problem


def test_a_qemu_without_plugins(context: Context, emulator: Emulator, tmp_path: Path) -> None:
    """QEMU can be configured without plugins; its message is the reason, and it is tried once."""
    script = f'echo >>{tmp_path}/asked; echo "qemu: -plugin: invalid option" >&2; exit 1'
    without = stand_in(tmp_path, script, emulator)

    expected = CoveragePlugin(None, "this QEMU takes no such plugin: qemu: -plugin: invalid option")
    assert find_plugin(context, without) == expected
    assert find_plugin(context, without) == expected
    assert (tmp_path / "asked").read_text() == "\n"


def test_a_plugin_that_does_not_compile(context: Context, emulator: Emulator, tmp_path: Path) -> None:
    """The first line of the compiler is the reason."""
    source = tmp_path / "coverage.c"
    source.write_text(paths.COVERAGE_PLUGIN.read_text().replace("size_t count", "no_type count"))
    found = find_plugin(context, emulator, source=source)

    assert found.library is None
    assert "does not compile" in found.problem


def test_a_host_without_a_compiler(
    context: Context, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint names the packages."""
    (tmp_path / "nothing").mkdir()
    monkeypatch.setattr("harness.base.process.find_program", lambda _: None)

    found = find_plugin(context, emulator)

    assert found.library is None
    assert "apt-get install gcc" in found.problem
