# SPDX-License-Identifier: GPL-2.0-only
"""Find the compiler and linker of this host, and the adjustments that a tree needs with them."""

from __future__ import annotations

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
)

_PACKAGES = {Tool.GCC: "gcc", Tool.LD: "binutils"}


def find_toolchain(*, deadline: Deadline) -> Toolchain:
    """Return the versions of the tools on this host, found as make in the sandbox finds them.

    :raises HostError: no working compiler or linker.
    """
    lines = []
    for tool in Tool:
        try:
            result = run([tool.value, "--version"], deadline=deadline, within=Surroundings(env=REPRODUCIBLE))
        except HostError as error:
            raise HostError(
                f"kernels cannot be built on this host: {tool.value} does not work",
                evidence=f"{error.what}\n{error.evidence}",
                remedy=f"apt install {_PACKAGES[tool]}",
            ) from None
        lines.append((tool, result.text.partition("\n")[0]))
    return Toolchain(tuple(lines))


def find_adjustments(repository: Repository, commit: str, toolchain: Toolchain, *, deadline: Deadline) -> Adjustments:
    """Return the adjustments that a commit needs with these tools; no work tree is needed.

    :raises HostError: git failed.
    """
    makefile = repository.git("cat-file", "blob", f"{commit}:Makefile", deadline=deadline, check=False)
    path = paths.COMPILERS.relative_to(paths.ROOT).as_posix()
    rows = parse_compilers(paths.COMPILERS.read_text(), path=path)
    return adjust(rows, parse_kernel_version(makefile.text), toolchain)
