# SPDX-License-Identifier: GPL-2.0-only
"""What apt knows of the distribution's packages, asked without root: apt-cache(8), apt-get(8) download."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import Completed, Surroundings, find_program, run

_SETTINGS = ("apt.conf", "apt.conf.d", "preferences", "preferences.d", "sources.list", "sources.list.d")
_FIELD = re.compile(r"^([A-Za-z0-9-]+): *(.*)$", re.MULTILINE)
# apt says so when root downloads into a folder of its own; it is harmless.
_HARMLESS = "W: Download is performed unsandboxed"


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """One version of a package, as apt's lists have it.

    :param depends: the field of that name, as it stands.
    """

    package: str
    version: str
    architecture: str
    depends: str = ""


@dataclass(frozen=True, slots=True)
class Apt:
    """The host's apt.

    :param lists: the folder that 'apt-get update' fills.
    :param settings: the folder of sources and preferences.
    :param config: a configuration file to be read first (``APT_CONFIG`` of apt.conf(5)); None for the host's own.
    """

    lists: Path = Path("/var/lib/apt/lists")
    settings: Path = Path("/etc/apt")
    config: Path | None = None

    def mark(self) -> str:
        """Return a digest of what decides which version apt would install; it changes with each update of the lists.

        Asking apt itself takes seconds, this a millisecond.
        """
        whole = hashlib.sha256(str(self.config).encode())
        for folder in (self.lists, *(self.settings / name for name in _SETTINGS)):
            for entry in sorted(_entries(folder)):
                whole.update(repr(entry).encode())
        return whole.hexdigest()

    def has_lists(self) -> bool:
        """Return whether there are any package lists; a fresh container has none."""
        return any("_Packages" in name for name, *_ in _entries(self.lists))

    def architecture(self, *, deadline: Deadline) -> str:
        """Return the distribution's name for the packages' architecture, e.g. ``amd64``.

        :raises HostError: there is no apt.
        """
        return self._ask("apt-config", "shell", "A", "APT::Architecture", deadline=deadline).text.strip()[3:-1]

    def find(self, package: str, version: str = "", *, deadline: Deadline) -> PackageRecord | None:
        """Return the version that apt would install, or the named one; None when its lists have none.

        :raises HostError: there is no apt, or it cannot read its own files.
        """
        word = f"{package}={version}" if version else package
        said = self._ask("apt-cache", "show", "--no-all-versions", word, deadline=deadline, check=False)
        if said.status != 0 and b"No packages found" not in said.stderr:
            raise HostError("apt cannot read its package lists", evidence=_complaint(said), remedy=update_command())
        fields = dict(_FIELD.findall(said.text.partition("\n\n")[0]))
        if fields.get("Package") != package:
            return None
        words = (fields.get(name, "") for name in ("Version", "Architecture", "Depends"))
        return PackageRecord(package, *words)

    def names(self, prefix: str, *, deadline: Deadline) -> list[str]:
        """Return the names of the packages that start with ``prefix``.

        :raises HostError: there is no apt, or it cannot read its own files.
        """
        return sorted(set(self._ask("apt-cache", "pkgnames", prefix, deadline=deadline).text.split()))

    def download(self, record: PackageRecord, folder: Path, *, deadline: Deadline) -> tuple[Path, str]:
        """Fetch the package file into an empty folder; returns it and its sha256. apt has checked it against the lists.

        :raises HostError: it could not be fetched, or is not what the lists say it is.
        """
        word = f"{record.package}={record.version}"
        said = self._ask("apt-get", "-q", "download", word, deadline=deadline, check=False, cwd=folder)
        files = list(folder.glob("*.deb"))
        if said.status != 0 or len(files) != 1:
            raise HostError(
                f"the package {record.package} {record.version} could not be downloaded",
                evidence=_complaint(said),
                remedy=f"check the network; if the package lists are old: {update_command()}",
            )
        with files[0].open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return files[0], digest

    def _ask(self, *words: str, deadline: Deadline, check: bool = True, cwd: Path | None = None) -> Completed:
        program = find_program(words[0])
        if program is None:
            raise HostError(
                f"the program {words[0]} is missing; 'deb' arguments need Debian's package tools",
                remedy="give the path of a kernel image instead",
            )
        env = dict(os.environ, LC_ALL="C.UTF-8")
        if self.config is not None:
            env["APT_CONFIG"] = str(self.config)
        return run(
            [program, *words[1:]],
            deadline=deadline,
            check=check,
            within=Surroundings(cwd=cwd, env=env),
            remedy=update_command(),
        )


def update_command() -> str:
    """Return the command that refreshes the package lists, with ``sudo`` where the current user needs it."""
    return "apt-get update" if os.geteuid() == 0 else "sudo apt-get update"


def _entries(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Return name, size and mtime of a file, or of each file in a folder; nothing for a missing path."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir():
                    status = entry.stat()
                    yield entry.name, status.st_size, status.st_mtime_ns
    except NotADirectoryError:
        status = folder.stat()
        yield folder.name, status.st_size, status.st_mtime_ns
    except OSError:
        return


def _complaint(said: Completed) -> str:
    return "\n".join(line for line in said.complaint.splitlines() if not line.startswith(_HARMLESS))
