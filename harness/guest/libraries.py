# SPDX-License-Identifier: GPL-2.0-only
"""Find the libraries that a program needs in the guest, without running the program or its loader.

``ld.so --list`` runs the interpreter that the program names, and the audit libraries that it asks for: those of a
program of others may be anything.
"""

from __future__ import annotations

import re
from collections import deque
from functools import lru_cache
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.process import Surroundings, find_program, run
from harness.guest.definition import GuestFile
from harness.guest.elf import LoadFacts, read_load_facts

_CACHED = re.compile(r"\s*(\S+) \([^)]*x86-64[^)]*\) => (/.*)")
_FOLDERS = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib")
"""Where the loader looks without a cache; the guest has none."""
_SECONDS = 60.0
_MODE = 0o755


def find_libraries(program: Path) -> tuple[GuestFile, ...]:
    """Find the loader and all libraries of a program on this host, with their paths in the guest.

    :param program: the program.
    :raises UsageError: it is no program for x86-64, or a library is missing on this host.
    """
    facts = _facts(program, wanted_by=program)
    found: dict[str, GuestFile] = {}
    if facts.interpreter:
        loader = Path(facts.interpreter)
        if not loader.is_file() or not loader.resolve().is_relative_to("/usr"):
            raise UsageError(
                f"{program} cannot be run in the guest: this host has no loader {loader}",
                remedy=f"build it statically, or install the loader; 'readelf -l {program}' shows its name",
            )
        found[loader.name] = GuestFile(str(loader), loader, _MODE)
    queue = deque([(program, facts)])
    while queue:
        owner, facts = queue.popleft()
        for name in facts.needed:
            if name in found:
                continue
            path = _find(name, owner, facts)
            if path is None:
                raise UsageError(
                    f"{program} cannot be run in the guest: this host has no library {name}",
                    evidence=f"needed by {owner}",
                    remedy="install the library's package, or build the program statically",
                )
            folder = str(path.parent) if str(path.parent) in _FOLDERS else "/usr/lib"
            found[name] = GuestFile(f"{folder}/{name}", path, _MODE)
            queue.append((path, _facts(path, wanted_by=program)))
    return tuple(found.values())


def _facts(path: Path, *, wanted_by: Path) -> LoadFacts:
    try:
        return read_load_facts(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{wanted_by} is not a program that the guest can run",
            evidence=f"{path}: {error}",
            remedy="give a program for x86-64; for a shell script, --suite script:FILE; for a C source, repro:FILE.c",
        ) from None


def _find(name: str, owner: Path, facts: LoadFacts) -> Path | None:
    folders = [
        one.replace("$ORIGIN", str(owner.parent)).replace("${ORIGIN}", str(owner.parent)) for one in facts.folders
    ]
    paths = [Path(name)] if "/" in name else [Path(folder) / name for folder in folders]
    paths += [Path(one) for one in _cached().get(name, ())] + [Path(folder) / name for folder in _FOLDERS]
    return next((path for path in paths if path.is_file() and _is_loadable(path)), None)


def _is_loadable(path: Path) -> bool:
    try:
        read_load_facts(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True


@lru_cache(maxsize=1)
def _cached() -> dict[str, tuple[str, ...]]:
    """Return the paths of the libraries in the loader's cache, by name, ldconfig(8)."""
    program = find_program("ldconfig") or next((one for one in (Path("/sbin/ldconfig"),) if one.is_file()), None)
    if program is None:
        return {}
    listed = run(
        [program, "-p"], deadline=Deadline.after(_SECONDS), check=False, within=Surroundings(env={"LC_ALL": "C"})
    )
    found: dict[str, tuple[str, ...]] = {}
    for line in listed.text.splitlines():
        if entry := _CACHED.match(line):
            found[entry[1]] = (*found.get(entry[1], ()), entry[2])
    return found
