"""What this host lacks for a build, as an error: what the build said, held against what is here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.base.errors import HostError
from harness.base.process import find_program
from harness.kernel.toolchain.missing import MissingTool, find_lack

_INCLUDES = (Path("/usr/include"), Path("/usr/local/include"))


def find_host_lack(lines: Iterable[str]) -> HostError | None:
    """The error when it is this machine that lacks a program or a header; the lines are looked at, not believed.

    :param lines: what make said.
    """
    lack = find_lack(lines)
    if lack is None or not _is_missing(lack):
        return None
    return HostError(
        f"this host lacks {lack.program or f'the header {lack.header}'}, which the kernel's build needs",
        evidence=lack.line,
        remedy=f"apt install {lack.package}",
    )


def _is_missing(lack: MissingTool) -> bool:
    if lack.program:
        return find_program(lack.program) is None
    # Multiarch headers are in a folder named after the machine, e.g. x86_64-linux-gnu.
    folders = [folder for include in _INCLUDES for folder in (include, *include.glob("*-linux-gnu*"))]
    return not any((folder / lack.header).is_file() for folder in folders)
