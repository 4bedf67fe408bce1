# SPDX-License-Identifier: GPL-2.0-only
"""Describe a disk of a machine type. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FileSystem(StrEnum):
    """What a new disk holds."""

    EXT4 = "ext4"
    SWAP = "swap"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Disk:
    """A virtio disk of a machine type; the guest sees its name as the disk's serial number.

    :param name: its name.
    :param holds: what it holds when the guest boots.
    """

    name: str
    holds: FileSystem
    mebibytes: int

    @property
    def file_name(self) -> str:
        """Return the name of its image, in the folder of a machine or a template."""
        return f"{self.name}.disk"
