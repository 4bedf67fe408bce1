# SPDX-License-Identifier: GPL-2.0-only
"""``harness splats`` on the command line."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.base.errors import ExitStatus
from tests.command_line import call
from tests.unit.kernellog.made_up import oops, warning

NAMES = ("demo_first", "demo_second", "demo_third")


def log(*contents: str) -> str:
    return "".join(f"[{number:5d}.000001] {content}\n" for number, content in enumerate(contents, 1))


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    path = tmp_path / "console.log"
    path.write_text(log("booted", *oops(NAMES, 71), *["ordinary"] * 20, *warning(NAMES, 72)))
    return path


def test_splats_are_printed_with_title_fingerprint_and_frames(crashed: Path) -> None:
    """Each splat has its place in the log, its title, fingerprint and frames; the status says that there is one."""
    told = call("splats", crashed)
    lines = told.text.splitlines()

    assert told.status is ExitStatus.DIFFERS
    assert lines[0].endswith(":2: oops")
    assert lines[1] == "  BUG: kernel NULL pointer dereference in demo_first"
    assert lines[2].startswith("  fingerprint ")
    assert lines[3:5] == ["    demo_first+0x12/0x80", "    demo_second+0xc/0x50"]
    assert lines[-1] == "2 splats in 1 log"
    assert max(len(line) for line in lines if not line.startswith(str(crashed))) <= 80


def test_clean_log_is_status_0(tmp_path: Path) -> None:
    """A log without a splat is as expected."""
    path = tmp_path / "clean.log"
    path.write_text(log("booted", "WARNING: words alone"))
    told = call("splats", path)

    assert (told.status, told.text) == (ExitStatus.AS_EXPECTED, "no splat in 1 log\n")


def test_json_has_all_facts(crashed: Path) -> None:
    """A program can read kind, title, fingerprint, all frames and the text."""
    first, second = json.loads(call("splats", "--json", crashed).text)

    assert (first["kind"], first["line"], first["fatal"]) == ("oops", 2, False)
    assert first["function"] == "demo_first"
    assert [frame["function"] for frame in first["frames"]] == [*NAMES]
    assert first["text"].startswith("[    2.000001] BUG: kernel NULL pointer")
    assert (second["log"], second["kind"]) == (str(crashed), "warning")


@pytest.mark.parametrize("members", [1, 3])
def test_compressed_log(tmp_path: Path, crashed: Path, members: int) -> None:
    """A log that gzip compressed is read, also one of several members."""
    packed = tmp_path / "console.log.gz"
    packed.write_bytes(gzip.compress(crashed.read_bytes()) * members)

    assert call("splats", packed).text.endswith(f"{2 * members} splats{', 2 distinct' * (members > 1)} in 1 log\n")


def test_standard_input(crashed: Path) -> None:
    """A dash is standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", "splats", "-"], stdin=crashed.open("rb"), capture_output=True, check=False
    )

    assert done.returncode == ExitStatus.DIFFERS
    assert done.stdout.startswith(b"-:2: oops\n")


def test_what_is_no_log_is_an_error(tmp_path: Path, crashed: Path) -> None:
    """A file that is missing, a folder, empty, damaged or not a text is reported as such, with a hint."""
    empty, binary, cut = (tmp_path / name for name in ("empty", "binary", "cut.gz"))
    empty.touch()
    binary.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(4000))
    cut.write_bytes(gzip.compress(crashed.read_bytes())[:200])

    call("splats", tmp_path / "nope").require_error(ExitStatus.USAGE, "nope: No such file")
    call("splats", tmp_path).require_error(ExitStatus.USAGE, "Is a directory")
    call("splats", empty).require_error(ExitStatus.USAGE, "is empty")
    call("splats", binary).require_error(ExitStatus.USAGE, "is not a log", "ELF")
    call("splats", cut).require_error(ExitStatus.USAGE, "is damaged", "gzip --test")
    assert call("splats").status is ExitStatus.USAGE


SOURCE = """\
static inline __attribute__((always_inline)) int demo_inner(int number)
{
	return number * 3 + 1;
}
__attribute__((noinline)) int demo_outer(volatile int *number)
{
	*number = demo_inner(*number);
	return *number;
}
int main(void)
{
	volatile int number = 7;
	return demo_outer(&number);
}
"""


@pytest.mark.skipif(not all(map(shutil.which, ("gcc", "nm", "addr2line"))), reason="needs gcc and binutils")
def test_source_lines(tmp_path: Path) -> None:
    """With debug information, a frame has its line of the source; a function that it does not have has none."""
    source, program, path = (tmp_path / name for name in ("demo.c", "vmlinux", "console.log"))
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-g", "-O1", "-o", program, source], check=True)
    sizes = subprocess.run(["nm", "-S", program], check=True, capture_output=True, text=True).stdout
    size = next(line.split()[1] for line in sizes.splitlines() if line.endswith(" demo_outer"))
    path.write_text(
        log(
            "BUG: kernel NULL pointer dereference, address: 0000000000000008",
            f"RIP: 0010:demo_outer+0x0/0x{int(size, 16):x}",
            "Call Trace:",
            " demo_absent+0x1/0x2",
        )
    )
    told = call("splats", "--vmlinux", program, path)
    lines = told.text.splitlines()

    assert lines[3].strip().startswith("demo_outer+0x0/")
    assert "demo.c:" in lines[4]
    assert lines[5] == "    demo_absent+0x1/0x2"


def test_vmlinux_that_is_missing(crashed: Path, tmp_path: Path) -> None:
    """A missing vmlinux is an error, with the way to a right one."""
    call("splats", "--vmlinux", tmp_path / "nope", crashed).require_error(ExitStatus.USAGE, "nope: no such file")
