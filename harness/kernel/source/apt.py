# SPDX-License-Identifier: GPL-2.0-only
"""What apt knows of the distribution's packages, asked without root: apt-cache(8), apt-get(8) download."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
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
class Archive:
    """Debian's archive: where suites are fetched from, unless the host has mirrors of its own.

    :param mirror: the mirror of the current suites.
    :param security: the mirror of ``*-security`` suites.
    :param old: the archive of old releases, where a suite moves at the end of its support.
    :param keyring: the keys that sign the lists.
    :param removed_keys: the keys that signed old releases.
    """

    mirror: str = "http://deb.debian.org/debian/"
    security: str = "http://deb.debian.org/debian-security/"
    old: str = "http://archive.debian.org/debian/"
    keyring: Path = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    removed_keys: Path = Path("/usr/share/keyrings/debian-archive-removed-keys.gpg")


DEBIAN = Archive()


@dataclass(frozen=True, slots=True)
class Apt:
    """The host's apt, or apt with the lists of one suite; see ``harness/kernel/source/archive.py``.

    :param lists: the folder that 'apt-get update' fills.
    :param settings: the folder of sources and preferences.
    :param config: a configuration file to be read first (``APT_CONFIG`` of apt.conf(5)); None for the host's own.
    :param suite: the suite whose packages the lists have; empty for the suites that the host uses.
    :param archive: the archive of all suites.
    """

    lists: Path = Path("/var/lib/apt/lists")
    settings: Path = Path("/etc/apt")
    config: Path | None = None
    suite: str = ""
    archive: Archive = DEBIAN

    @property
    def lists_name(self) -> str:
        """Return the name of the lists, for errors."""
        return f"the package lists of {self.suite}" if self.suite else "apt's package lists"

    @property
    def list_command(self) -> str:
        """Return the command that shows the kernels of the lists."""
        return f"harness kernels --from {self.suite}" if self.suite else "harness kernels"

    @property
    def update_command(self) -> str:
        """Return the command that refreshes the lists."""
        return f"harness kernels --update --from {self.suite}" if self.suite else update_command()

    def word(self, kind: str, name: str, version: str = "") -> str:
        """Return the KERNEL argument for a package of these lists.

        :param kind: ``deb`` or ``deb-src``.
        """
        return f"{kind}:{name}{'=' if version else ''}{version}{'@' if self.suite else ''}{self.suite}"

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
            raise HostError("apt cannot read its package lists", evidence=_complaint(said), remedy=self.update_command)
        return next((record for record in _records(said.text) if record.package == package), None)

    def find_all(self, packages: Sequence[str], *, deadline: Deadline) -> list[PackageRecord]:
        """Return the version of each package that apt would install, without packages that the lists do not have.

        :raises HostError: apt is missing, or cannot read its own files.
        """
        if not packages:
            return []
        words = ["apt-cache", "show", "--no-all-versions", *packages]
        return list(_records(self._ask(*words, deadline=deadline, check=False).text))

    def update(self, *, deadline: Deadline) -> Completed:
        """Run ``apt-get update``; the caller reads the complaints of a failure.

        :raises HostError: apt is missing.
        """
        return self._ask("apt-get", "-q", "update", deadline=deadline, check=False)

    def settings_of(self, prefixes: Sequence[str], *, deadline: Deadline) -> list[str]:
        """Return the lines of the configuration whose names start with one of the prefixes, as apt.conf(5) has them.

        :raises HostError: apt is missing.
        """
        lines = self._ask("apt-config", "dump", deadline=deadline, check=False).text.splitlines()
        return [line for line in lines if line.startswith(tuple(prefixes))]

    def index_targets(self, form: str, *, deadline: Deadline) -> list[str]:
        """Return one line for each package list of the sources, in a format of apt-get(8) indextargets.

        :raises HostError: apt is missing.
        """
        words = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
        return self._ask(*words, deadline=deadline, check=False).text.splitlines()

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
                remedy=f"check the network; if the package lists are old: {self.update_command}",
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
            remedy=self.update_command,
        )


def update_command() -> str:
    """Return the command that refreshes the package lists, with ``sudo`` where the current user needs it."""
    return "apt-get update" if os.geteuid() == 0 else "sudo apt-get update"


def _records(stanzas: str) -> Iterator[PackageRecord]:
    for stanza in stanzas.split("\n\n"):
        fields = dict(_FIELD.findall(stanza))
        if "Package" in fields:
            yield PackageRecord(*(fields.get(name, "") for name in ("Package", "Version", "Architecture", "Depends")))


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
