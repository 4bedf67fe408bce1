# SPDX-License-Identifier: GPL-2.0-only
"""Unpack the modules that a kernel needs for some devices, in the order to load them in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.base.context import Context
from harness.base.store import digest_of
from harness.kernel.config.kconfig import KernelConfig
from harness.kernel.image.module_files import find_module_files
from harness.kernel.image.modules import load_order
from harness.model.origin import Origin

KIND = "device-modules"
"""The kind of these products in the store."""
_FORMAT = "1"
_OPTIONS = {"virtio_pci": "CONFIG_VIRTIO_PCI", "virtio_blk": "CONFIG_VIRTIO_BLK", "ext4": "CONFIG_EXT4_FS"}
"""The option of each module that machine types name: one that is built in needs no file."""


def find_device_modules(
    context: Context, names: Sequence[str], config: KernelConfig | None, *, origin: Origin, image: Path, release: str
) -> tuple[Path, ...]:
    """Return the files of modules, not compressed, and of those that they depend on, in the order to load them in.

    :param names: the modules; one that the kernel has built in, or does not have, is left out.
    :param config: the kernel's configuration; None if it is unknown.
    :param origin: where the kernel comes from.
    :param image: its image.
    :param release: its release.
    :raises HostError: the package of the modules cannot be fetched.
    """
    wanted = [name for name in names if config is None or config.value(_OPTIONS.get(name, "")) in (None, "m")]
    if not wanted:
        return ()
    key = digest_of(_FORMAT, str(origin), str(image), release, *wanted)

    def fill(folder: Path) -> None:
        modules = find_module_files(context, origin, image=image, release=release)

        def content(name: str) -> bytes | None:
            return modules.read(name, deadline=context.deadline)

        for place, name in enumerate(load_order(wanted, content)):
            (folder / f"{place:03}-{name}.ko").write_bytes(content(name) or b"")

    return tuple(sorted(context.store.make(KIND, key, fill, deadline=context.deadline).glob("*.ko")))
