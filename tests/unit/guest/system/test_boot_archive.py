# SPDX-License-Identifier: GPL-2.0-only
"""The initramfs of a guest that is a whole system: what is in it, and what makes another one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError
from harness.base.store import Store
from harness.guest.definition import NO_ADDITIONS, GuestAdditions, GuestFile
from harness.guest.image import GuestImage
from harness.guest.system.boot_archive import find_system, make_boot_archive
from harness.guest.system.root_image import RootImage
from harness.kernel.image.module_files import NO_MODULES, ModuleFiles
from tests.unit.kernel.image.test_modules import module

DEBIAN = find_system("debian")


class Workshop:
    """Makes archives in a store.

    :param folder: holds the store, modules and files of a suite.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.context = Context(Store(folder / "store"), Deadline.after(120))

    def modules(self, **contents: bytes) -> ModuleFiles:
        for name, content in contents.items():
            (self.folder / f"{name}.ko").write_bytes(content)
        return ModuleFiles({name: self.folder / f"{name}.ko" for name in contents})

    def make(
        self, *, modules: ModuleFiles = NO_MODULES, additions: GuestAdditions = NO_ADDITIONS, root: str = "r"
    ) -> GuestImage:
        image = RootImage(self.folder / "root.squashfs", root, ())
        return make_boot_archive(self.context, DEBIAN, image, modules, additions)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def listed(image: GuestImage) -> list[str]:
    """The names in an archive."""
    with image.path.open("rb") as content:
        done = subprocess.run(["busybox", "cpio", "-t"], stdin=content, capture_output=True, check=True)
    return done.stdout.decode().split()


def test_archive_has_modules_in_their_order(workshop: Workshop) -> None:
    """The init loads them by name: each after those that it depends on; those that no option names are left out."""
    modules = workshop.modules(
        virtio_blk=module(depends="virtio"), virtio=module(), overlay=module(), other=module(), squashfs=module()
    )
    names = [name for name in listed(workshop.make(modules=modules)) if name.endswith(".ko")]
    assert names == [
        f"modules/00{at}-{one}.ko" for at, one in enumerate(["virtio", "virtio_blk", "squashfs", "overlay"])
    ]


def test_archive_has_files_of_guest_and_suite(workshop: Workshop) -> None:
    """The units of the consoles, the prompts of the small guest, its helper, and what a suite adds."""
    (workshop.folder / "conf").write_text("x")
    additions = GuestAdditions(files=(GuestFile("/etc/own.conf", workshop.folder / "conf", 0o600),))
    image = workshop.make(additions=additions)
    wanted = ["init", "bin/busybox", "guest/etc/bash.bashrc", "guest/usr/bin/nsctl", "guest/etc/own.conf"]
    assert set(wanted) <= set(listed(image))
    assert "guest/etc/systemd/system/multi-user.target.wants/harness-admin.service" in listed(image)
    assert image.disk == workshop.folder / "root.squashfs"


def test_digest_depends_on_all_parts(workshop: Workshop) -> None:
    """Templates are named by it: another root file system, module or file is another guest; the same is the same."""
    (workshop.folder / "conf").write_text("x")
    additions = GuestAdditions(files=(GuestFile("/etc/own.conf", workshop.folder / "conf", 0o600),))
    digests = [
        workshop.make().digest,
        workshop.make(root="other").digest,
        workshop.make(additions=additions).digest,
        workshop.make(modules=workshop.modules(overlay=module())).digest,
    ]
    assert len(set(digests)) == len(digests)
    assert workshop.make().digest == digests[0]


def test_missing_file_of_a_suite_is_reported(workshop: Workshop) -> None:
    """The message names it."""
    additions = GuestAdditions(files=(GuestFile("/etc/own.conf", workshop.folder / "gone", 0o600),))
    with pytest.raises(CaseError, match=r"the suite's file .*/gone cannot be read"):
        workshop.make(additions=additions)
