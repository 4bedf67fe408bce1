# SPDX-License-Identifier: GPL-2.0-only
"""Read the definition of a guest that is a whole system, such as ``qemu/guests/debian.toml``. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from harness.base.errors import UsageError
from harness.guest import cpio
from harness.guest.definition import read_entries, read_tables


@dataclass(frozen=True, slots=True)
class KernelOption:
    """An option of the kernel that the guest needs.

    :param name: the option.
    :param module: the module that provides it when it is ``m``; empty if it must be built in.
    :param is_optional: whether the guest boots without it.
    :param reason: what needs it.
    """

    name: str
    module: str
    is_optional: bool
    reason: str


@dataclass(frozen=True, slots=True)
class SystemDefinition:
    """The definition of a guest with an init of its own, made from packages of a distribution.

    :param name: the name of the guest.
    :param title: what it is, in one line.
    :param release: the release of the distribution, such as ``bookworm``.
    :param init: name of the script of its initramfs, beside the definition.
    :param machine: name of its machine type.
    :param boot_seconds: time limit of its boot.
    :param fragments: config fragments for kernels that are built for it.
    :param shared_files: paths of files that it has in common with the small guest.
    :param packages: names of its packages, sorted.
    :param options: the options of the kernel that it needs.
    :param entries: its files and links.
    """

    name: str
    title: str
    release: str
    init: str
    machine: str
    boot_seconds: float
    fragments: tuple[str, ...]
    shared_files: tuple[str, ...]
    packages: tuple[str, ...]
    options: tuple[KernelOption, ...]
    entries: tuple[cpio.Entry, ...]

    @property
    def modules(self) -> tuple[str, ...]:
        """Return the modules that provide options, in the order of the file."""
        return tuple(option.module for option in self.options if option.module)


def parse_system(text: str, *, name: str, path: str) -> SystemDefinition:
    """Parse the text of a definition.

    :param name: the name of the guest.
    :param path: path of the file, for errors.
    :raises UsageError: the text is not TOML, or a key is unknown, missing or of a wrong type.
    """
    reader = read_tables(text, name=path)
    head = reader.head("title", "release", "init", "machine", "boot_seconds", "fragments", "shared_files")
    packages = []
    for row in reader.rows("package"):
        row.text("reason")  # not used, but each package must give a reason
        packages.append(row.text("name"))
    options = tuple(
        KernelOption(row.text("name"), row.text("module", ""), row.flag("optional"), row.text("reason"))
        for row in reader.rows("option")
    )
    definition = SystemDefinition(
        name=name,
        title=head.text("title"),
        release=head.text("release"),
        init=head.text("init"),
        machine=head.text("machine"),
        boot_seconds=float(head.number("boot_seconds")),
        fragments=head.texts("fragments"),
        shared_files=head.texts("shared_files"),
        packages=tuple(sorted(packages)),
        options=options,
        entries=tuple(read_entries(reader)),
    )
    reader.finish()
    if twice := sorted({one for one in packages if packages.count(one) > 1}):
        raise UsageError(
            f"{path} is not a valid guest definition",
            evidence=f"two [[package]] have the name {', '.join(twice)}",
            remedy="remove one of them",
        )
    return definition
