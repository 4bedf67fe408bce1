# SPDX-License-Identifier: GPL-2.0-only
"""Make the root file system of a guest from packages of a distribution, once, without root where that is possible.

mmdebstrap(1) installs the packages in a user namespace and writes a tar file; apt verifies them with the archive
keyring of this host. sqfstar(1) makes a read-only file system of the tar file. It is not compressed: the guest would
decompress each page under emulation, and templates and clones share its pages in the page cache of this host.

An image is kept until it is removed from the store: a newer package on the mirror does not change the guest, so that
two kernels are compared in the same one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, HostError
from harness.base.events import PhaseStarted
from harness.base.json_records import dump_value, read_facts
from harness.base.scratch import remove_tree, scratch_folder
from harness.base.store import digest_of
from harness.guest.system.definition import SystemDefinition
from harness.kernel.source.apt import Apt, Archive
from harness.kernel.source.archive import host_archive

KIND = "guest-root"
"""The kind of these products in the store."""
PROGRAMS = {"mmdebstrap": "mmdebstrap", "sqfstar": "squashfs-tools"}
"""The programs that make an image, and the Debian package of each; the same list is in ./bootstrap."""
_FORMAT = "1"
_IMAGE = "root.squashfs"
_FACTS = "image.json"
_SECONDS = 900.0
_REMOVE_SECONDS = 60.0
_ARCHITECTURE = "amd64"
# Of all files, so that the same packages make the same image: 2023-06-10, the release of Debian 12.
_EPOCH = "1686355200"
# Documentation and translations are a third of the files, and no case reads them.
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")
_NO_PACKAGE = re.compile(
    r"^E: Unable to locate package (\S+)|^E: Package '?([^' ]+)'? has no installation candidate", re.MULTILINE
)
_NO_NAMESPACE = re.compile(r"unshare|subuid|subgid|newuidmap|user namespace", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"Temporary failure|Could not (?:resolve|connect)|Unable to connect|Failed to fetch|Connection (?:refused|timed)"
)
_FIELD = re.compile(r"^(Package|Status|Version): (.*)$", re.MULTILINE)


_HOST_APT = Apt()


@dataclass(frozen=True, slots=True)
class RootImage:
    """A root file system in the store.

    :param path: the image.
    :param digest: sha256 of the image.
    :param packages: name and version of each package in it, as ``NAME VERSION``.
    """

    path: Path
    digest: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    digest: str
    size_bytes: int
    packages: tuple[str, ...]


def root_key(definition: SystemDefinition, packages: Sequence[str]) -> str:
    """Return the key of an image: a digest of what it is made from.

    :param packages: the packages that a suite adds.
    """
    names = sorted({*definition.packages, *packages})
    return digest_of(_FORMAT, definition.release, _ARCHITECTURE, _EPOCH, *_LEFT_OUT, *names)


def make_root_image(
    context: Context, definition: SystemDefinition, packages: Sequence[str], *, apt: Apt = _HOST_APT
) -> RootImage:
    """Return the root file system of a guest; it is made if the store does not have it.

    :param packages: the packages that a suite adds.
    :param apt: the host's apt, for its mirror and proxies.
    :raises HostError: a program or the keyring is missing, or the mirror cannot be read.
    :raises CaseError: the distribution has no package of such a name.
    """
    key = root_key(definition, packages)

    def fill(folder: Path) -> None:
        context.report(PhaseStarted(f"making the image of the guest {definition.name}, once"))
        names = sorted({*definition.packages, *packages})
        tar = folder / "root.tar"
        deadline = context.deadline.sooner(_SECONDS)
        _bootstrap(definition, names, tar, host_archive(apt, deadline=deadline), deadline=deadline)
        image = folder / _IMAGE
        _make_file_system(tar, image, deadline)
        with image.open("rb") as made:
            digest = hashlib.file_digest(made, "sha256").hexdigest()
        facts = _Facts(digest, image.stat().st_size, _installed(tar))
        tar.unlink()
        (folder / _FACTS).write_text(dump_value(facts))

    folder = context.store.make(KIND, key, fill, deadline=context.deadline)
    found = _load(folder)
    if found is None:  # damaged, for example by a full disk: make it again
        context.store.forget(KIND, key)
        found = _load(context.store.make(KIND, key, fill, deadline=context.deadline))
    if found is None:
        raise HostError(
            f"the image of the guest {definition.name} cannot be kept in the store",
            evidence=str(folder),
            remedy="free some space; 'harness clean' lists the content of the store",
        )
    return found


def bootstrap_command(
    mode: str, definition: SystemDefinition, packages: Sequence[str], tar: Path, archive: Archive
) -> list[str]:
    """Return the command that installs packages into a tar file.

    :param mode: how it becomes root in the tree: ``unshare``, ``fakechroot`` or ``root``.
    :param archive: the archive of the distribution, with the mirrors of this host.
    """
    release = definition.release
    sources = [
        (archive.mirror, release),
        (archive.mirror, f"{release}-updates"),
        (archive.security, f"{release}-security"),
    ]
    return [
        "mmdebstrap",
        "--quiet",
        f"--mode={mode}",
        "--variant=essential",
        f"--architectures={_ARCHITECTURE}",
        f"--include={','.join(packages)}",
        *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT),
        release,
        str(tar),
        *(f"deb [signed-by={archive.keyring}] {uri} {suite} main" for uri, suite in sources),
    ]


def _bootstrap(
    definition: SystemDefinition, packages: Sequence[str], tar: Path, archive: Archive, *, deadline: Deadline
) -> None:
    """Install the packages; in a user namespace, else by the means that this user has."""
    if not archive.keyring.is_file():
        raise HostError(
            f"the keyring of Debian's archive is missing: {archive.keyring}",
            evidence="without it the packages of the guest cannot be verified",
            remedy="sudo apt-get install debian-archive-keyring",
            packages=["debian-archive-keyring"],
        )
    program = _find("mmdebstrap")
    modes = ("unshare", "root" if os.geteuid() == 0 else "fakechroot")
    # mmdebstrap makes its folder in TMPDIR, and leaves it, with a gigabyte of files, when it is killed.
    with scratch_folder("root", remove=remove_leftovers) as scratch:
        # The user that it becomes in its namespace has to reach what is below.
        scratch.chmod(0o755)
        within = process.Surroundings(env={**_environment(), "TMPDIR": str(scratch)}, leads_group=True)
        for mode in modes:
            command = bootstrap_command(mode, definition, packages, tar, archive)
            done = process.run([program, *command[1:]], deadline=deadline, check=False, within=within)
            if done.status == 0:
                return
            complaint = done.stderr.decode(errors="replace")
            if mode == modes[-1] or not _NO_NAMESPACE.search(complaint):
                raise _bootstrap_error(definition, command, complaint)


def remove_leftovers(folder: Path, *, remove: Callable[[Path], None] = remove_tree) -> None:
    """Remove a folder with what mmdebstrap left in it: files of users that only a user namespace of this user has.

    :param remove: removes what this user may remove.
    """
    remove(folder)
    program = process.find_program("mmdebstrap")
    if not folder.is_dir() or program is None:
        return
    command: list[str | Path] = [program, "--unshare-helper", "rm", "-rf", "--one-file-system", "--", *folder.iterdir()]
    with contextlib.suppress(HostError):
        process.run(command, deadline=Deadline.after(_REMOVE_SECONDS), check=False, within=_surroundings())
    remove(folder)


def _bootstrap_error(definition: SystemDefinition, command: Sequence[str], complaint: str) -> HostError | CaseError:
    """Return the error for a failed mmdebstrap."""
    lines = [line for line in complaint.splitlines() if not line.startswith("I: ")]
    evidence = "\n".join([f"$ {' '.join(command)}", *lines[-12:]])
    unknown = [one or other for one, other in _NO_PACKAGE.findall(complaint)]
    if unknown:
        return CaseError(
            f"Debian {definition.release} has no package {', '.join(unknown)}",
            evidence=evidence,
            remedy=f"correct 'packages' in suite.toml; https://packages.debian.org/{definition.release}/ lists them",
        )
    what = f"the image of the guest {definition.name} cannot be made"
    if _NO_NETWORK.search(complaint):
        return HostError(
            f"{what}: the mirror cannot be read",
            evidence=evidence,
            remedy="check the network and the mirror in /etc/apt: apt-get update; then retry",
        )
    return HostError(
        what, evidence=evidence, remedy="run the command above by hand, with --verbose, and read why it fails"
    )


def _find(name: str) -> Path:
    """Find a program that makes an image.

    :raises HostError: it is missing.
    """
    program = process.find_program(name)
    if program is None:
        raise HostError(
            f"{name} is missing on this host; it makes the images of guests",
            remedy=f"install it: apt-get install {' '.join(PROGRAMS.values())}",
            packages=tuple(PROGRAMS.values()),
        )
    return program


def _environment() -> dict[str, str]:
    return {**os.environ, "SOURCE_DATE_EPOCH": _EPOCH, "LC_ALL": "C.UTF-8"}


def _surroundings() -> process.Surroundings:
    return process.Surroundings(env=_environment())


def _make_file_system(tar: Path, image: Path, deadline: Deadline) -> None:
    """Make a file system of a tar file.

    :raises HostError: sqfstar fails, or does not end in time.
    """
    command: list[str | Path] = [_find("sqfstar"), "-quiet", "-no-progress", "-noI", "-noD", "-noF", "-noX", image]
    with (
        tar.open("rb") as content,
        process.start(command, stdin=content.fileno(), stderr=process.PIPE, within=_surroundings()) as child,
    ):
        try:
            _, complaint = child.communicate(timeout=min(deadline.seconds_left, _SECONDS))
        except process.Expired:
            raise HostError("sqfstar did not end in time", remedy="retry on a quieter host") from None
        if child.returncode != 0:
            raise HostError(
                f"sqfstar failed with status {child.returncode}", evidence=complaint.decode(errors="replace")[-2000:]
            )


def _installed(tar: Path) -> tuple[str, ...]:
    """Return name and version of the packages in a tar file, from dpkg's own list."""
    with tarfile.open(tar) as archive:
        for member in archive:
            if member.name.removeprefix("./") == "var/lib/dpkg/status" and (file := archive.extractfile(member)):
                text = file.read().decode(errors="replace")
                stanzas = (dict(_FIELD.findall(stanza)) for stanza in text.split("\n\n"))
                return tuple(sorted(f"{one['Package']} {one['Version']}" for one in stanzas if "Version" in one))
    return ()


def _load(folder: Path) -> RootImage | None:
    """Read the image in a folder of the store; None when it is damaged."""
    image = folder / _IMAGE
    try:
        facts = read_facts(_Facts, (folder / _FACTS).read_bytes())
        if facts is None or image.stat().st_size != facts.size_bytes:
            return None
    except OSError:
        return None
    return RootImage(image, facts.digest, facts.packages)
