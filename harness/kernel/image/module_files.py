# SPDX-License-Identifier: GPL-2.0-only
"""Find the files of a kernel's modules: in the packages of its image, or in the folder of an installed kernel.

The image package is fetched without its modules, which are most of its size. They are fetched when a guest needs them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError
from harness.base.store import digest_of
from harness.kernel.image.examine import unpack_payload
from harness.kernel.image.modules import module_name
from harness.kernel.source.apt import Apt
from harness.kernel.source.archive import suite_lists
from harness.kernel.source.image_package import module_packages
from harness.kernel.source.package_contents import extract_modules, is_package
from harness.kernel.source.package_file import find_belonging
from harness.model.origin import Origin, OriginKind

KIND = "kernel-modules"
"""The kind of these products in the store."""
_FORMAT = "1"
_HOST_APT = Apt()
_INSTALLED = ("lib/modules", "usr/lib/modules")


@dataclass(frozen=True, slots=True)
class ModuleFiles:
    """The files of a kernel's modules.

    :param files: the file of each module, by the module's name.
    """

    files: dict[str, Path]

    def read(self, name: str, *, deadline: Deadline) -> bytes | None:
        """Return the content of a module, not compressed; None for a module that has no file.

        :raises HostError: the file cannot be read or unpacked.
        """
        path = self.files.get(name)
        if path is None:
            return None
        try:
            unpacked = unpack_payload(path.read_bytes(), deadline=deadline)
        except OSError as error:
            raise HostError(f"the module {path} cannot be read", evidence=str(error), remedy="retry") from None
        if not unpacked.data:
            raise HostError(
                f"the module {path.name} cannot be unpacked",
                evidence=unpacked.reason,
                remedy="install zstd: apt-get install zstd" if "zstd" in unpacked.reason else "run it again",
                packages=["zstd"] if "zstd" in unpacked.reason else [],
            )
        return unpacked.data


NO_MODULES = ModuleFiles({})
"""Those of a kernel whose modules are not known."""


def find_module_files(
    context: Context, origin: Origin, *, image: Path, release: str, apt: Apt = _HOST_APT
) -> ModuleFiles:
    """Return the modules of a kernel; none where they are not known, as for an image that was built from source.

    :param origin: where the kernel comes from.
    :param image: its image.
    :param release: its release, as ``uname -r`` prints it.
    :param apt: the host's apt.
    :raises HostError: a package cannot be fetched or unpacked.
    """
    if origin.kind is OriginKind.IMAGE_PACKAGE:
        return _of_package(context, origin, apt=apt)
    if origin.kind is not OriginKind.IMAGE:
        return NO_MODULES
    path = Path(origin.path)
    if path.is_file() and is_package(path):
        return _of_files(context, find_belonging(path))
    for top in (image.parent, *image.parent.parents[:2]):
        for folder in (top, *(top / inner / release for inner in _INSTALLED)):
            if (folder / "kernel").is_dir() and folder.name == release:
                return ModuleFiles(_modules(folder.rglob("*.ko*")))
    return NO_MODULES


def _of_package(context: Context, origin: Origin, *, apt: Apt) -> ModuleFiles:
    """Return the modules of an image package, which are in it or in a package that it depends on."""
    chosen = suite_lists(context.store, origin.suite).apt if origin.suite else apt
    key = digest_of(_FORMAT, origin.path, origin.revision, origin.suite)

    def fill(folder: Path) -> None:
        for record in module_packages(chosen, origin.path, origin.revision, deadline=context.deadline):
            downloads = folder / "download"
            downloads.mkdir()
            file, _ = chosen.download(record, downloads, deadline=context.deadline)
            extract_modules(file, folder, deadline=context.deadline)
            shutil.rmtree(downloads)

    try:
        folder = context.store.make(KIND, key, fill, deadline=context.deadline)
    except HarnessError as error:
        raise HostError(
            f"the modules of {origin.path} {origin.revision} cannot be fetched",
            evidence="\n".join(filter(None, [error.what, error.evidence])),
            remedy=error.remedy,
        ) from None
    return ModuleFiles(_modules(folder.glob("*.ko*")))


def _of_files(context: Context, packages: list[Path]) -> ModuleFiles:
    """Return the modules of package files of the user."""
    key = digest_of(_FORMAT, *packages)

    def fill(folder: Path) -> None:
        for package in packages:
            extract_modules(package, folder, deadline=context.deadline)

    folder = context.store.make(KIND, key, fill, deadline=context.deadline)
    return ModuleFiles(_modules(folder.glob("*.ko*")))


def _modules(files: Iterable[Path]) -> dict[str, Path]:
    return {name: path for path in sorted(files) if (name := module_name(path.name))}
