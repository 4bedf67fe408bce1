# SPDX-License-Identifier: GPL-2.0-only
"""Define a variant of a kernel: the same source with other options, another compiler, or other parameters. Pure."""

from __future__ import annotations

from dataclasses import dataclass

PLAIN = "plain"
"""The name of the kernel without a variant, in tables and records."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of a kernel.

    :param name: its name; empty for the plain kernel.
    :param fragments: the config fragments, by name or path; their options win over the default fragments.
    :param make: variables of make that choose compiler and linker.
    :param append: parameters for the kernel.
    :param requires: the options without which a kernel does not have the variant.
    :param processors: the number of processors of its machines; 0 for that of the machine type.
    :param is_shipped: whether it ships with the harness or the suite. Its other options are then wishes, and a kernel
        that does not grant a required one is a kernel without this variant, not an error of the user.
    """

    name: str = ""
    fragments: tuple[str, ...] = ()
    make: tuple[str, ...] = ()
    append: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    processors: int = 0
    is_shipped: bool = True

    def __bool__(self) -> bool:
        """Return whether it is a variant, and not the plain kernel."""
        return bool(self.name)


NO_VARIANT = Variant()
