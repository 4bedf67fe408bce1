# SPDX-License-Identifier: GPL-2.0-only
"""Find the compiler and linker of this host, and the adjustments that a tree needs with them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import Surroundings, run
from harness.kernel.git.repository import Repository
from harness.kernel.sandbox.sandbox import REPRODUCIBLE
from harness.kernel.toolchain.compilers import (
    Adjustments,
    Tool,
    Toolchain,
    adjust,
    parse_compilers,
    parse_kernel_version,
    tool_programs,
)

_PACKAGES = {"gcc": "gcc", "ld": "binutils", "clang": "clang", "ld.lld": "lld", "llvm-ar": "llvm"}
"""The Debian package of a program, without its version suffix."""


def find_toolchain(assignments: Sequence[str] = (), *, deadline: Deadline) -> Toolchain:
    """Return the versions of the tools on this host, found as make in the sandbox finds them.

    :param assignments: variables of make, of which CC, LD and LLVM choose the tools.
    :raises HostError: no working compiler or linker.
    """
    programs = tool_programs(assignments)
    lines = []
    for program, gnu, llvm in ((programs.compiler, Tool.GCC, Tool.CLANG), (programs.linker, Tool.LD, Tool.LLD)):
        line = _version_line(program, deadline=deadline)
        lines.append((llvm if "clang" in line or "LLD" in line else gnu, line))
    if programs.suffix is not None:
        _version_line(f"llvm-ar{programs.suffix}", deadline=deadline)
    choice = tuple(one for one in assignments if one.partition("=")[0] in ("CC", "LD", "LLVM"))
    return Toolchain(tuple(lines), choice)


_KNOWN_LINES: dict[str, str] = {}
"""The version lines of this process: a build asks for them several times."""


def _version_line(program: str, *, deadline: Deadline) -> str:
    if program not in _KNOWN_LINES:
        _KNOWN_LINES[program] = _read_version_line(program, deadline=deadline)
    return _KNOWN_LINES[program]


def _read_version_line(program: str, *, deadline: Deadline) -> str:
    try:
        result = run([program, "--version"], deadline=deadline, within=Surroundings(env=REPRODUCIBLE))
    except HostError as error:
        package = _package(program)
        raise HostError(
            f"kernels cannot be built on this host: {program} does not work",
            evidence=f"{error.what}\n{error.evidence}",
            remedy=f"apt install {package}",
            packages=[package],
        ) from None
    return result.text.partition("\n")[0]


def _package(program: str) -> str:
    """Return the Debian package of a program: clang-15 is in clang-15, ld.lld-15 in lld-15."""
    name, suffix = re.fullmatch(r"(.*?)((?:-[0-9]+)?)", program).groups()  # type: ignore[union-attr]  # always matches
    return f"{_PACKAGES.get(name, name)}{suffix}"


def find_adjustments(repository: Repository, commit: str, toolchain: Toolchain, *, deadline: Deadline) -> Adjustments:
    """Return the adjustments that a commit needs with these tools; no work tree is needed.

    :raises HostError: git failed.
    """
    makefile = repository.makefile(commit, deadline=deadline).decode(errors="replace")
    path = paths.COMPILERS.relative_to(paths.ROOT).as_posix()
    rows = parse_compilers(paths.COMPILERS.read_text(), path=path)
    return adjust(rows, parse_kernel_version(makefile), toolchain)
