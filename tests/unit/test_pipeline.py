# SPDX-License-Identifier: GPL-2.0-only
"""Read the machine type of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import paths
from harness.base.errors import UsageError
from harness.pipeline import read_machine_type

Q35 = (paths.MACHINE_TYPES / "q35.toml").read_text()


def test_a_machine_type_by_name() -> None:
    """It is a file of qemu/."""
    assert read_machine_type("q35").name == "q35"


@pytest.mark.parametrize("word", ["./mine.toml", "mine.toml", "{}/mine.toml"])
def test_a_machine_type_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """It may be anywhere; its name is the whole path, which the record keeps."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(Q35.replace("memory_mebibytes = 256", "memory_mebibytes = 512"))
    machine_type = read_machine_type(word.format(tmp_path), ["a=1"])

    assert machine_type.name == str(tmp_path / "mine.toml")
    assert machine_type.memory_mebibytes == 512
    assert machine_type.more == ("a=1",)


def test_an_unknown_machine_type() -> None:
    """The error names the known ones and the way to give a file."""
    with pytest.raises(UsageError, match="no machine type mine") as caught:
        read_machine_type("mine")

    assert (
        caught.value.remedy
        == "name one of: debian, q35, selftests, selftests-4, selftests-8; or give the path of a file, ./mine.toml"
    )


def test_a_missing_file(tmp_path: Path) -> None:
    """A path that is wrong is not looked up as a name."""
    with pytest.raises(UsageError, match=r"mine\.toml cannot be read"):
        read_machine_type(str(tmp_path / "mine.toml"))


def test_a_broken_file(tmp_path: Path) -> None:
    """The error names that file, and not one of qemu/."""
    path = tmp_path / "mine.toml"
    path.write_text("machine = 1\n")
    with pytest.raises(UsageError, match="cannot be read") as caught:
        read_machine_type(str(path))

    assert caught.value.remedy.startswith(f"fix {path};")
