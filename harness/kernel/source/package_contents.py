# SPDX-License-Identifier: GPL-2.0-only
"""Read what a package file holds: kernel images with their configs, or a source archive.

dpkg-deb(1) opens Debian's packages; bsdtar(1) of libarchive opens them on other hosts, and RPM, pacman and tar files
everywhere.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import PIPE, Child, find_program, start

_DEB = b"!<arch>\ndebian-binary"
_AR = b"!<arch>\n"
_RPM = b"\xed\xab\xee\xdb"
_TAR_NAME = re.compile(r"\.(?:tar(?:\.[a-z0-9]+)?|tgz|txz|tzst)$")
_BSDTAR_PACKAGE = "libarchive-tools"
_SOURCE = re.compile(r"(?:\./)?usr/src/linux-source-[^/]+\.tar(?:\.[a-z0-9]+)?")
_WANTED_IN_BOOT = re.compile(r"(?:\./)?boot/((?:vmlinu[xz]|Image|config|System\.map)-[^/]+)")
_MODULE = re.compile(r"(?:\./)?(?:usr/)?lib/modules/[^/]+/kernel/.*\.ko(?:\.(?:xz|zst|gz))?")
_DEBUG_KERNEL = re.compile(r"(?:\./)?usr/lib/debug/(?:boot/vmlinux-[^/]+|(?:usr/)?lib/modules/[^/]+/vmlinux)")
_WANTED_IN_MODULES = re.compile(r"(?:\./)?(?:usr/)?lib/modules/([^/]+)/(vmlinu[xz]|Image|config|System\.map)")


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A file of a source archive.

    :param name: as in the archive, with its top folder.
    :param link: where a symbolic link points to, else None.
    """

    name: str
    content: bytes
    is_executable: bool
    link: str | None = None


@contextmanager
def open_source(package: Path, *, deadline: Deadline) -> Iterator[Iterator[SourceEntry]]:
    """Unpack the source archive of a linux-source package and yield its files in order.

    The archive is put beside the package file for the length of the block.

    :raises UsageError: the package holds no source archive.
    :raises HostError: the package file is damaged, or the deadline came; both also while the entries are read.
    """
    place = package.with_suffix(".tar")
    with _damage_of(package):
        with _members(package) as members:
            for archive, member in members:
                if deadline.is_past:
                    raise HostError(f"unpacking {package.name} did not end in time", remedy="run it again")
                if _SOURCE.fullmatch(member.name) and (file := archive.extractfile(member)):
                    with place.open("wb") as copy:
                        shutil.copyfileobj(file, copy, 1 << 20)
                    break
            else:
                raise UsageError(
                    f"the package file {package.name} has no kernel source",
                    evidence="no usr/src/linux-source-*.tar* in it",
                    remedy="give another version, such as deb-src:6.1, or the path of a kernel tree",
                )
        try:
            with _unpacked(place) as archive:
                yield (_entry(archive, member) for member in archive if not member.isdir())
        finally:
            place.unlink()


def extract_kernel(package: Path, folder: Path, *, deadline: Deadline) -> list[str]:
    """Put images, configs and symbol maps of a package into a folder; return their names, sorted.

    They are in ``/boot``, or in ``/usr/lib/modules/VERSION`` as in Debian since 6.19, Fedora and Arch, and get the
    names that they have in ``/boot``. /boot is the first folder of a Debian package: reading ends behind it, which
    spares 100 MB of modules.

    :raises HostError: the package file is damaged, or the deadline came.
    """
    names, has_boot = [], False
    with _damage_of(package), _members(package) as members:
        for archive, member in members:
            if deadline.is_past:
                raise HostError(f"unpacking {package.name} did not end in time", remedy="run it again")
            name = _name_in_boot(member.name)
            if name and member.isreg() and (file := archive.extractfile(member)):
                with (folder / name).open("wb") as copy:
                    shutil.copyfileobj(file, copy, 1 << 20)
                names.append(name)
                has_boot = has_boot or (is_debian(package) and _WANTED_IN_BOOT.fullmatch(member.name) is not None)
            elif has_boot and not member.name.removeprefix("./").startswith("boot"):
                break
    return sorted(names)


def extract_modules(package: Path, folder: Path, *, deadline: Deadline) -> None:
    """Put all modules of a package into a folder, without the folders that they are in.

    :raises HostError: the package file is damaged, or the deadline came.
    """
    with _damage_of(package), _members(package) as members:
        for archive, member in members:
            if deadline.is_past:
                raise HostError(f"unpacking {package.name} did not end in time", remedy="run it again")
            if _MODULE.fullmatch(member.name) and member.isreg() and (file := archive.extractfile(member)):
                with (folder / Path(member.name).name).open("wb") as copy:
                    shutil.copyfileobj(file, copy, 1 << 20)


def extract_debug_kernel(package: Path, file: Path, *, deadline: Deadline) -> None:
    """Write the kernel of a package of debug symbols to a file; reading ends behind it, before those of modules.

    :raises UsageError: the package holds no kernel.
    :raises HostError: the package file is damaged, or the deadline came.
    """
    with _damage_of(package), _members(package) as members:
        for archive, member in members:
            if deadline.is_past:
                raise HostError(f"unpacking {package.name} did not end in time", remedy="run it again")
            if _DEBUG_KERNEL.fullmatch(member.name) and member.isreg() and (content := archive.extractfile(member)):
                with file.open("wb") as copy:
                    shutil.copyfileobj(content, copy, 1 << 20)
                return
    raise UsageError(
        f"the package file {package.name} has no kernel with debug information",
        evidence="no usr/lib/debug/boot/vmlinux-* in it",
    )


def _name_in_boot(path: str) -> str:
    """Return the name that a file of a package has, or would have, in /boot; empty for a file of no interest."""
    if found := _WANTED_IN_BOOT.fullmatch(path):
        return found[1]
    found = _WANTED_IN_MODULES.fullmatch(path)
    return f"{found[2]}-{found[1]}" if found else ""


@contextmanager
def _members(package: Path) -> Iterator[Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]]:
    """Read the members of a package file in order; unpacking stops at the end of the block."""
    with _as_tar(package) as child, tarfile.open(fileobj=child.stdout, mode="r|") as archive:
        yield _until_end(archive, child)


def _until_end(archive: tarfile.TarFile, child: Child) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members, and find out at the end whether the program read the whole package."""
    for member in archive:
        yield archive, member
    _require_end(child)


@contextmanager
def _as_tar(package: Path) -> Iterator[Child]:
    """Start the program that writes the files of a package as a tar archive."""
    dpkg_deb = find_program("dpkg-deb") if is_debian(package) else None
    if dpkg_deb is not None:
        with start([dpkg_deb, "--fsys-tarfile", package], stdout=PIPE) as child:
            yield child
        return
    bsdtar = find_program("bsdtar")
    if bsdtar is None:
        raise HostError(
            f"bsdtar is missing on this host; it opens {package.name}",
            remedy=f"sudo apt-get install {_BSDTAR_PACKAGE}",
            packages=[_BSDTAR_PACKAGE],
        )
    convert = [str(bsdtar), "-c", "-f", "-", "--format", "pax"]
    if not is_debian(package):
        with start([*convert, f"@{package.absolute()}"], stdout=PIPE) as child:
            yield child
        return
    # The files of a Debian package are in an archive inside the archive.
    with (
        start([bsdtar, "-x", "-O", "-f", package, "data.tar*"], stdout=PIPE) as outer,
        start([*convert, "@-"], stdin=outer.stdout.fileno() if outer.stdout else None, stdout=PIPE) as child,
    ):
        yield child


def is_debian(package: Path) -> bool:
    """Return whether a package file is one of Debian, by its first bytes."""
    return _starts_with(package, _AR)


def is_package(path: Path) -> bool:
    """Return whether a file is a package or an archive that may have a kernel.

    Packages of Debian and RPM are known by their first bytes, tar files by their names: a compressed file may also be a
    kernel image.
    """
    return _starts_with(path, _DEB, _RPM) or _TAR_NAME.search(path.name) is not None


def _starts_with(path: Path, *magics: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(max(map(len, magics))).startswith(magics)


@contextmanager
def _unpacked(archive: Path) -> Iterator[tarfile.TarFile]:
    """Open a tar file of any compression. xz(1) unpacks in a process of its own, on all processors."""
    with archive.open("rb") as file:
        is_xz = file.read(6) == b"\xfd7zXZ\0"
    program = find_program("xz") if is_xz else None
    if program is None:
        with tarfile.open(archive, mode="r|*") as whole:
            yield whole
        return
    with (
        start([program, "-dc", "-T0", archive], stdout=PIPE) as child,
        tarfile.open(fileobj=child.stdout, mode="r|") as whole,
    ):
        yield whole
        _require_end(child)


def _require_end(child: Child) -> None:
    """Raise an error if the program failed: an archive that ends between two files looks whole to tarfile."""
    assert child.stdout
    shutil.copyfileobj(child.stdout, io.BytesIO())
    if child.wait() != 0:
        name = Path(os.fsdecode(child.args[0] if isinstance(child.args, list | tuple) else b"")).name
        raise tarfile.ReadError(f"{name} ended with status {child.returncode}")


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> SourceEntry:
    if member.issym():
        return SourceEntry(member.name, b"", is_executable=False, link=member.linkname)
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise tarfile.ExtractError(f"{member.name} is neither a file nor a symbolic link (type {member.type!r})")
    return SourceEntry(member.name, file.read(), is_executable=bool(member.mode & 0o100))


@contextmanager
def _damage_of(package: Path) -> Iterator[None]:
    """Turn what tarfile complains of within the block into an error about the package file."""
    try:
        yield
    except tarfile.TarError as error:
        raise HostError(
            f"the package file {package.name} cannot be unpacked", evidence=str(error), remedy="run it again"
        ) from None
