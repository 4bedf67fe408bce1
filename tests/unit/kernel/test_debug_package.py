# SPDX-License-Identifier: GPL-2.0-only
"""Lines of a kernel from its package of debug symbols: a real apt, and a program as the kernel."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.store import Store
from harness.coverage.bitmap import BASE, PAGE_BYTES, Bitmap
from harness.coverage.functions import RunCoverage
from harness.coverage.lines import line_coverage
from harness.coverage.symbols import Function, Symbols
from harness.kernel.debug_package import fetch_debug_kernel, read_debug_units
from harness.model.origin import Origin, OriginKind
from tests.unit.kernel.repository import Repository

ONE = """int other(int);
int twice(int number)
{
	if (number > 7)
		number = other(number);
	return 2 * number;
}
int main(int count, char **words)
{
	return twice(count);
}
"""
TWO = "int other(int number)\n{\n\treturn number - 3;\n}\n"
ORIGIN = Origin(OriginKind.IMAGE_PACKAGE, "linux-image-9.9-amd64", "9.9-1")
BUILT_IN = "/build/reproducible-path/linux-9.9"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of two files, compiled as Debian compiles: in a folder that is not that of the reader."""
    folder = tmp_path_factory.mktemp("linux")
    (folder / "kernel").mkdir()
    (folder / "kernel/one.c").write_text(ONE)
    (folder / "kernel/two.c").write_text(TWO)
    folder.chmod(0o755)
    flags = ["-g", "-O1", "-fno-inline", "-fno-pic", "-mcmodel=kernel", f"-ffile-prefix-map={folder}={BUILT_IN}"]
    flags += ["-nostdlib", "-static", "-Wl,-Ttext=0xffffffff81000000", "-Wl,--build-id=none", "-Wl,-emain"]
    files = [str(folder / f"kernel/{name}.c") for name in ("one", "two")]
    subprocess.run(["gcc", *flags, "-o", "vmlinux", *files], cwd=folder, check=True)
    return folder / "vmlinux"


def symbols_of(program: Path) -> Symbols:
    """The functions of the program, as the guest's kallsyms has those of the kernel."""
    text = subprocess.run(["nm", "-n", "-S", program], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^([0-9a-f]{16}) ([0-9a-f]{16}) [tT] (\w+)$", text, re.MULTILINE)
    return Symbols(tuple(Function(name, int(at, 16), int(at, 16) + int(size, 16)) for at, size, name in found))


def all_of(function: Function) -> Bitmap:
    """Coverage in which a function was run, all of it."""
    bits = bytearray(PAGE_BYTES)
    for at in range(function.start - BASE, function.end - BASE):
        bits[at // 8 % PAGE_BYTES] |= 1 << at % 8
    return Bitmap({(function.start - BASE) // (8 * PAGE_BYTES): bytes(bits)})


def make_context(tmp_path: Path) -> Context:
    """A context with an empty store."""
    return Context(Store(tmp_path / "store"), Deadline.after(120))


def test_the_lines_of_a_file(tmp_path: Path, program: Path) -> None:
    """The package is fetched, the kernel in it unpacked, and each line has its code where the kernel has it."""
    repository = Repository(tmp_path / "repository")
    repository.add(
        f"{ORIGIN.path}-dbg",
        ORIGIN.revision,
        files={
            "usr/lib/debug/boot/System.map-9.9-amd64": b"no kernel",
            "usr/lib/debug/boot/vmlinux-9.9-amd64": program.read_bytes(),
        },
    )
    repository.update()
    context, symbols = make_context(tmp_path), symbols_of(program)
    vmlinux = fetch_debug_kernel(context, ORIGIN, apt=repository.apt)
    (unit,) = read_debug_units(context, vmlinux, symbols, ["kernel/one.c"])
    both = read_debug_units(context, vmlinux, symbols, ["kernel/"])
    (main,) = symbols.by_name["main"]
    lines = line_coverage(RunCoverage(symbols, {"case": all_of(main)}), [unit])

    assert vmlinux.read_bytes() == program.read_bytes()
    assert {one.file for one in lines} == {"kernel/one.c"}
    assert {5, 6, 10} <= {one.line for one in lines} <= set(range(1, 12))
    assert {one.line for one in lines if one.is_run} == {9, 10, 11}
    assert sorted(one.object for one in both) == ["kernel/one.c", "kernel/two.c"]


def test_a_package_that_is_gone(tmp_path: Path) -> None:
    """The archive drops the symbols of a kernel together with it."""
    repository = Repository(tmp_path / "repository")
    repository.update()
    with pytest.raises(UsageError, match=r"have no linux-image-9.9-amd64-dbg 9.9-1"):
        fetch_debug_kernel(make_context(tmp_path), ORIGIN, apt=repository.apt)


def test_a_package_without_a_kernel(tmp_path: Path) -> None:
    """Another layout than the known ones."""
    repository = Repository(tmp_path / "repository")
    repository.add(f"{ORIGIN.path}-dbg", ORIGIN.revision, files={"usr/lib/debug/readme": b""})
    repository.update()
    with pytest.raises(UsageError, match="has no kernel with debug information"):
        fetch_debug_kernel(make_context(tmp_path), ORIGIN, apt=repository.apt)


def test_a_kernel_of_no_package(tmp_path: Path) -> None:
    """The harness built it, or it was given as a file."""
    with pytest.raises(UsageError, match="not from an image package"):
        fetch_debug_kernel(
            make_context(tmp_path), Origin(OriginKind.IMAGE, "/boot/vmlinuz"), apt=Repository(tmp_path).apt
        )


def test_a_file_that_is_not_in_the_kernel(tmp_path: Path, program: Path) -> None:
    """The error names files of that name in other folders."""
    with pytest.raises(UsageError, match=r"no function of this kernel is of two\.c") as error:
        read_debug_units(make_context(tmp_path), program, symbols_of(program), ["two.c"])

    assert "kernel/two.c" in error.value.evidence
