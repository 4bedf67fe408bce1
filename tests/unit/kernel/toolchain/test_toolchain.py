# SPDX-License-Identifier: GPL-2.0-only
"""The compiler and linker that the user chooses, found on this host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import find_program
from harness.kernel.build.ccache import CompilerCache
from harness.kernel.build.options import check_choice
from harness.kernel.toolchain.compilers import Tool, ToolPrograms, adjust, tool_programs
from harness.kernel.toolchain.toolchain import find_toolchain
from tests.unit.kernel.toolchain.test_compilers import ROWS


def soon() -> Deadline:
    return Deadline.after(120)


@pytest.mark.parametrize(
    ("variables", "programs"),
    [
        ((), ToolPrograms("gcc", "ld")),
        (("CC=gcc-13",), ToolPrograms("gcc-13", "ld")),
        (("CC=gcc -fno-pie",), ToolPrograms("gcc", "ld")),
        (("LLVM=1",), ToolPrograms("clang", "ld.lld", "")),
        (("LLVM=-15", "LD=ld.bfd"), ToolPrograms("clang-15", "ld.bfd", "-15")),
        (("LLVM=0",), ToolPrograms("gcc", "ld")),
    ],
)
def test_the_programs_of_a_choice(variables: tuple[str, ...], programs: ToolPrograms) -> None:
    """As in Documentation/kbuild/llvm.rst."""
    assert tool_programs(variables) == programs


@pytest.mark.parametrize("choice", ["LLVM=1", "LLVM=-15", "CC=gcc-13", "CC=x86_64-linux-gnu-gcc", "LD=ld.lld"])
def test_a_choice_of_tools(choice: str) -> None:
    """A program of PATH; the build runs it in the sandbox."""
    check_choice([choice])


@pytest.mark.parametrize(
    "choice", ["LLVM=yes", "CC=/tmp/cc", "CC=gcc -O0", "CC=", "KCFLAGS=-O0", "LD", "CC=$(sh)", "CC=-x"]
)
def test_what_is_no_choice_of_tools(choice: str) -> None:
    """Other variables of make could run any command."""
    with pytest.raises(UsageError, match=r"not a choice of compiler or linker"):
        check_choice([choice])


@pytest.mark.skipif(find_program("gcc-12") is None, reason="the host has no gcc-12")
def test_a_named_compiler_is_found() -> None:
    """Its version is in the record and in the key, and it is what make gets."""
    toolchain = find_toolchain(["CC=gcc-12", "KAFLAGS=-x"], deadline=soon())

    assert toolchain.lines[0][1].startswith("gcc-12 ")
    assert toolchain.choice == ("CC=gcc-12",)
    assert adjust(ROWS, (6, 1), toolchain).assignments == ("CC=gcc-12",)


def test_a_flag_of_an_adjustment_follows_the_chosen_compiler() -> None:
    """4.4 needs a flag in CC with binutils of today."""
    toolchain = find_toolchain(["CC=gcc"], deadline=soon())
    words = dict(word.split("=", 1) for word in adjust(ROWS, (4, 4), toolchain).assignments)

    assert toolchain.version(Tool.GCC) > (5, 0)
    assert re.fullmatch(r"gcc -Wa,\S+", words["CC"])


@pytest.mark.parametrize(
    ("variables", "package"),
    [(["LLVM=-3"], "clang-3"), (["CC=gcc-3"], "gcc-3"), (["LD=ld.lld-3"], "lld-3")],
)
def test_a_missing_tool_is_named_with_its_package(variables: list[str], package: str) -> None:
    """The remedy installs the very version that was asked for."""
    with pytest.raises(HostError, match="kernels cannot be built on this host") as caught:
        find_toolchain(variables, deadline=soon())

    assert caught.value.remedy == f"apt install {package}"
    assert caught.value.packages == (package,)


@pytest.mark.skipif(find_program("clang") is not None, reason="the host has clang")
def test_llvm_on_a_host_without_it() -> None:
    """The compiler is missing first."""
    with pytest.raises(HostError, match="clang does not work"):
        find_toolchain(["LLVM=1"], deadline=soon())


@pytest.mark.parametrize(
    ("assignments", "compiler"),
    [([], "gcc"), (["CC=gcc-12"], "gcc-12"), (["LLVM=1"], "clang"), (["LLVM=-15"], "clang-15")],
)
def test_ccache_runs_the_chosen_compiler(assignments: list[str], compiler: str) -> None:
    """CC= overrides what LLVM= would choose, so it has to name the same compiler."""
    assert CompilerCache(Path("/cache"), is_writable=True).assign(assignments)[-1] == f"CC=ccache {compiler}"
