# SPDX-License-Identifier: GPL-2.0-only
"""Take a kernel from package files of the user, and from the folders that they are unpacked to.

A package file is of Debian, RPM or pacman, or a tar file as ``make tar-pkg`` writes it. Where a distribution has image
and config in several packages, those of one build are found by their names in the folder of the given one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.errors import HostError, UsageError
from harness.base.json_records import dump_value, read_facts
from harness.base.store import digest_of
from harness.kernel.source.locate import cannot_read
from harness.kernel.source.package_contents import extract_kernel

_PRODUCT = "kernel-package"
_FACTS = "package.json"
_VERSION = "1"
# Debian since 6.19, linux-KIND-VERSION_REVISION_ARCH.deb; Fedora, kernel-KIND-VERSION.ARCH.rpm.
_NAMES = (
    re.compile(r"linux-(?:image(?:-unsigned)?|binary(?:-unsigned)?|base|modules)-([0-9].*\.deb)"),
    re.compile(r"kernel-(?:core-|modules-core-|modules-)?([0-9].*\.rpm)"),
)
# In the order in which image and config are looked for.
_SIBLINGS = (
    (
        "linux-image-",
        "linux-image-unsigned-",
        "linux-binary-",
        "linux-binary-unsigned-",
        "linux-base-",
        "linux-modules-",
    ),
    ("kernel-core-", "kernel-"),
)
_IMAGE_NAMES = ("vmlinuz-", "Image-", "vmlinux-")
_IMAGES_IN_FOLDER = (
    *("vmlinuz", "vmlinuz-*", "boot/vmlinuz-*", "lib/modules/*/vmlinuz", "usr/lib/modules/*/vmlinuz"),
    *("bzImage", "Image-*", "boot/Image-*"),
)
_PACKAGES_IN_FOLDER = (
    "linux-image-*.deb",
    "linux-binary-*.deb",
    "kernel-core-*.rpm",
    "kernel-[0-9]*.rpm",
    "*.pkg.tar.*",
)
_NO_IMAGE = re.compile(r"-(?:dbg|dbgsym|debuginfo)[-_]|-headers-")
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class PackagedKernel:
    """An image from package files, in the store.

    :param files: the names of the package files.
    """

    image: Path
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    image: str
    files: tuple[str, ...]


def unpack_kernel(context: Context, package: Path, *, name: str) -> PackagedKernel:
    """Put image and config of a package file, and of the files that belong to it, into the store.

    :param name: the name that the user gave, for errors.
    :raises UsageError: a file cannot be read, or none has an image.
    :raises HostError: a program is missing, or the file is damaged.
    """
    files = find_belonging(package)
    try:
        key = digest_of(_VERSION, *(part for file in files for part in (file.name, file)))
    except OSError as error:
        raise cannot_read(name, error) from None

    def fill(folder: Path) -> None:
        names: list[str] = []
        used: list[str] = []
        for file in files:
            found = [] if _is_complete(names) else extract_kernel(file, folder, deadline=context.deadline)
            names += found
            used += [file.name] if found else []
        images = sorted((one for one in names if one.startswith(_IMAGE_NAMES)), key=_image_rank)
        if not images:
            raise _no_image(package, files, name)
        (folder / _FACTS).write_text(dump_value(_Facts(images[0], tuple(used))))

    folder = context.store.make(_PRODUCT, key, fill, deadline=context.deadline)
    facts = read_facts(_Facts, (folder / _FACTS).read_bytes())
    if facts is None or not (folder / facts.image).is_file():
        context.store.forget(_PRODUCT, key)
        raise HostError(f"the kernel of {name} in the store is damaged", evidence=str(folder), remedy="run it again")
    return PackagedKernel(folder / facts.image, facts.files)


def find_in_folder(folder: Path) -> Path | None:
    """Find the image, or the package file with it, in a folder that is not a kernel tree.

    The folder may be ``/boot``, ``/usr/lib/modules/VERSION``, an unpacked package, or a folder of package files.

    :return: None if there is neither.
    :raises UsageError: there are several, of which the user must choose one.
    """
    for patterns in (_IMAGES_IN_FOLDER, _PACKAGES_IN_FOLDER):
        found = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
        found = [path for path in found if not _NO_IMAGE.search(path.name)]
        if patterns is _PACKAGES_IN_FOLDER:
            found = list({_rest(path): path for path in found}.values())
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                f"{folder} has several kernels",
                evidence="\n".join(["it has:", *map(str, found[:_SHOWN]), *(["..."] if found[_SHOWN:] else [])]),
                remedy=f"give one of them, e.g. {found[-1]}",
            )
    return None


def find_belonging(package: Path) -> list[Path]:
    """Return the package files of the same build in the folder, those with an image first; the given one if unknown."""
    for pattern, starts in zip(_NAMES, _SIBLINGS, strict=True):
        if found := pattern.fullmatch(package.name):
            files = [package.with_name(start + found[1]) for start in starts]
            return list(dict.fromkeys([*(file for file in files if file.is_file()), package]))
    return [package]


def _rest(package: Path) -> str:
    """Return what the names of package files of one build have in common."""
    for pattern in _NAMES:
        if found := pattern.fullmatch(package.name):
            return found[1]
    return package.name


def _is_complete(names: list[str]) -> bool:
    return any(one.startswith(_IMAGE_NAMES) for one in names) and any(one.startswith("config-") for one in names)


def _image_rank(name: str) -> int:
    """Return the place of a name in the order of preference: a vmlinux beside a vmlinuz is for debuggers."""
    return next(at for at, start in enumerate(_IMAGE_NAMES) if name.startswith(start))


def _no_image(package: Path, files: list[Path], name: str) -> UsageError:
    remedy = "give a package of a kernel image, or the path of an image"
    if found := _NAMES[0].fullmatch(package.name):
        remedy = f"since Debian's 6.19 the image is in linux-binary-{found[1]}: put it into the same folder"
    return UsageError(
        f"{name} has no kernel image",
        evidence="no boot/vmlinuz-* and no usr/lib/modules/*/vmlinuz in " + ", ".join(file.name for file in files),
        remedy=remedy,
    )
