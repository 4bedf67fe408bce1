# SPDX-License-Identifier: GPL-2.0-only
"""Find the QEMU of this host and check its version."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.base import process
from harness.base.context import Context
from harness.base.errors import HostError, provided_by
from harness.base.store import digest_of

MINIMUM = (6, 0)
"""``-machine memory-backend=`` is from 5.0, the four options of ``-sandbox`` from 2.11; older versions are untested."""
TOO_OLD = f"too old: version {MINIMUM[0]}.{MINIMUM[1]} or newer is needed"

_PROGRAMS = {"x86_64": "qemu-system-x86_64"}
_PACKAGES = {"x86_64": "qemu-system-x86"}
_VERSION = re.compile(r"QEMU emulator version (\d+)\.(\d+)\S*")


@dataclass(frozen=True, slots=True)
class Emulator:
    """A QEMU program.

    :param version: the version line that it prints, with the distribution's own version.
    """

    program: Path
    version: str


def version_of(line: str) -> tuple[int, int] | None:
    """Return the version that a version line of QEMU names; None if it names none.

    :param line: such as ``QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)``.
    """
    found = _VERSION.search(line)
    return (int(found[1]), int(found[2])) if found else None


def find_emulator(context: Context, *, architecture: str) -> Emulator:
    """Find the QEMU for guests of an architecture.

    The version is read once for a program file and kept in the store: running QEMU for it takes a tenth of a second.

    :param architecture: such as ``x86_64``.
    :raises HostError: QEMU is missing, does not run, or is too old.
    """
    name, package = _PROGRAMS[architecture], _PACKAGES[architecture]
    remedy = f"install it: apt-get install {package}"
    program = process.find_program(name)
    if program is None:
        raise HostError(f"{name} is not installed", remedy=remedy, packages=(package,))
    stat = program.stat()
    key = digest_of(str(program), str(stat.st_size), str(stat.st_mtime_ns), str(stat.st_ino))
    known = context.store.recall("emulator", key)
    version = str(known["version"]) if known else ""
    if not version:
        with provided_by((package,)):
            answer = process.run([program, "--version"], deadline=context.deadline.sooner(20), remedy=remedy).text
        version = answer.strip().partition("\n")[0]
    found = version_of(version)
    if found is None:
        raise HostError(f"{program} does not print its version", evidence=version, remedy=remedy, packages=(package,))
    if found < MINIMUM:
        raise HostError(
            f"{name} is {TOO_OLD}",
            evidence=version,
            remedy=f"install a newer one (Debian 12 has 7.2): apt-get install {package}",
        )
    if not known:
        context.store.remember("emulator", key, {"version": version})
    return Emulator(program, version)
