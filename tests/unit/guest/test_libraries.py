# SPDX-License-Identifier: GPL-2.0-only
"""Find the libraries of a program without running it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.guest import elf
from harness.guest.libraries import find_libraries


@pytest.mark.parametrize("name", ["bash", "git", "gcc", "ls"])
def test_libraries_are_those_of_the_loader(name: str) -> None:
    """The loader itself, which may be run for a program of the host, names the same ones."""
    program = Path(str(shutil.which(name))).resolve()
    loader = elf.find_interpreter(program.read_bytes(), name=name)
    assert loader is not None
    listed = subprocess.run([loader, "--list", program], capture_output=True, text=True, check=True).stdout

    expected = {Path(path).name for path in elf.parse_loader_list(listed, name=name)} | {Path(loader).name}
    assert {Path(one.path).name for one in find_libraries(program)} == expected


def test_script_is_no_program(tmp_path: Path) -> None:
    """The hint names the kinds of argument that fit."""
    script = tmp_path / "a.sh"
    script.write_text("#!/bin/sh\n")

    with pytest.raises(UsageError, match="is not a program that the guest can run"):
        find_libraries(script)


@pytest.mark.parametrize("end", [20, 64, 200, 700])
def test_damaged_program_is_refused(tmp_path: Path, end: int) -> None:
    """A file that is cut anywhere raises the error for users."""
    cut = tmp_path / "cut"
    cut.write_bytes(Path("/bin/bash").read_bytes()[:end])

    with pytest.raises(UsageError):
        find_libraries(cut)


def test_loader_of_a_stranger_is_refused(tmp_path: Path) -> None:
    """A program may name any file as its loader."""
    content = Path("/bin/ls").read_bytes()
    loader = elf.find_interpreter(content, name="ls")
    assert loader is not None
    program = tmp_path / "ls"
    program.write_bytes(content.replace(loader.encode(), b"/tmp/ld.so".ljust(len(loader), b"\0"), 1))

    with pytest.raises(UsageError, match=r"no loader /tmp/ld\.so"):
        find_libraries(program)
