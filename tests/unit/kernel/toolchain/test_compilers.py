# SPDX-License-Identifier: GPL-2.0-only
"""Adjustments of make for old kernels and new compilers."""

from __future__ import annotations

import re

import pytest

from harness.base import paths
from harness.base.errors import HostError
from harness.kernel.toolchain.compilers import (
    Adjustments,
    Tool,
    Toolchain,
    adjust,
    parse_compilers,
    parse_kernel_version,
)

ROWS = parse_compilers(paths.COMPILERS.read_text(), path="kconfigs/compilers.toml")
BOOKWORM = Toolchain(
    ((Tool.GCC, "gcc (Debian 12.2.0-14+deb12u1) 12.2.0"), (Tool.LD, "GNU ld (GNU Binutils for Debian) 2.40"))
)
OLD = Toolchain(((Tool.GCC, "gcc (Debian 4.9.2-10) 4.9.2"), (Tool.LD, "GNU ld (GNU Binutils for Debian) 2.25")))


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0", (12, 2)),
        ("gcc-13 (Ubuntu 13.2.0-4ubuntu3) 13.2.0", (13, 2)),
        ("GNU ld (GNU Binutils for Debian) 2.40", (2, 40)),
        ("GNU ld version 2.41.0-1.fc39", (2, 41)),
        ("gcc (GCC) 14.1.1 20240522 (Red Hat 14.1.1-4)", (14, 1)),
        ("nonsense", (0, 0)),
    ],
)
def test_the_version_is_in_the_line(line: str, version: tuple[int, int]) -> None:
    """What each distribution's tools say of themselves is understood."""
    assert Toolchain(((Tool.GCC, line),)).version(Tool.GCC)[0] == version[0]


@pytest.mark.parametrize("kernel", [(3, 18), (4, 4)])
def test_old_kernels_get_the_flags_that_are_known_to_work(kernel: tuple[int, int]) -> None:
    """3.18 and 4.4 were built with gcc 12 and binutils 2.40, and booted, with these flags."""
    adjustments = adjust(ROWS, kernel, BOOKWORM)

    words = dict(word.split("=", 1) for word in adjustments.assignments)
    assert set(words["HOSTCFLAGS"].split()) == {"-fcommon", "-w", "-O2"}
    assert set(words["KCFLAGS"].split()) == {
        *("-fno-pie", "-fno-pic", "-fcf-protection=none", "-fno-stack-protector", "-w")
    }
    assert words["KAFLAGS"] == "-fno-pie"
    assert words["CC"] == "gcc -Wa,-mrelax-relocations=no"
    assert all("commit" in note or "none" in note for note in adjustments.notes)


@pytest.mark.parametrize(("kernel", "toolchain"), [((6, 1), BOOKWORM), ((5, 6), BOOKWORM), ((4, 4), OLD)])
def test_others_get_none(kernel: tuple[int, int], toolchain: Toolchain) -> None:
    """A kernel of today, or a compiler of its own time, needs nothing."""
    assert adjust(ROWS, kernel, toolchain) == Adjustments()


def test_each_row_ends_where_it_was_mended() -> None:
    """The commit's version is the one behind the last kernel of the row."""
    for row in ROWS:
        if "(in v" in row.fixed_by:
            major, minor = re.findall(r"\(in v(\d+)\.(\d+)", row.fixed_by)[0]
            assert (int(major), int(minor)) == (row.last[0], row.last[1] + 1)


@pytest.mark.parametrize(
    ("kernel", "header"),
    [((3, 16), "linux/compiler-gcc4.h"), ((3, 18), "linux/compiler-gcc5.h"), ((4, 1), "linux/compiler-gcc5.h")],
)
def test_compilers_that_a_kernel_did_not_know_get_the_newest_header(kernel: tuple[int, int], header: str) -> None:
    """Kernels before 4.2 include a header that is named after gcc's version."""
    assert adjust(ROWS, kernel, BOOKWORM).headers == (("include/linux/compiler-gcc12.h", f"#include <{header}>\n"),)
    assert not adjust(ROWS, (4, 2), BOOKWORM).headers


def test_a_row_about_nothing() -> None:
    """A row that changes nothing is a slip."""
    text = '[[row]]\nkernels = ".."\ntool = "gcc"\nsince = "6"\nreason = "a"\nmended = "b"\n'
    with pytest.raises(HostError, match=r"row\[0\]: both flags and headers are missing"):
        parse_compilers(text, path="x.toml")


@pytest.mark.parametrize(
    ("makefile", "version"),
    [
        ("# SPDX\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\n", (6, 1)),
        ("VERSION = 3\nPATCHLEVEL = 18\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\n", (3, 18)),
        ("all:\n", (0, 0)),
    ],
)
def test_a_tree_tells_its_version(makefile: str, version: tuple[int, int]) -> None:
    """The Makefile's first lines say which kernel it is."""
    assert parse_kernel_version(makefile) == version


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kernels = "..5.5"', 'kernels = "5.5"'),
        ('tool = "gcc"', 'tool = "tcc"'),
        ("fixed_by =", "fixed_bi ="),
        ("[[", "["),
    ],
)
def test_a_damaged_table_is_told(old: str, new: str) -> None:
    """What is not understood is an error with the place, not a row less."""
    with pytest.raises(HostError, match=r"compilers\.toml"):
        parse_compilers(paths.COMPILERS.read_text().replace(old, new, 1), path="compilers.toml")
