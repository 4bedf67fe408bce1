# SPDX-License-Identifier: GPL-2.0-only
"""List the kernels in package lists, and find the newest of a kernel version."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import run
from harness.kernel.source.apt import Apt, PackageRecord

_IMAGE = "linux-image-"
_SOURCE = "linux-source-"
_SHOWN = 8
# linux-image-5.10.0-32-cloud-amd64, linux-image-7.3.4+deb13-cloud-amd64, linux-image-6.8.0-31-generic
_NAME = re.compile(r"linux-image-([0-9][0-9a-z.+~]*(?:-[0-9][0-9a-z.+~]*)?)-([a-z][a-z0-9-]*)")
_UPSTREAM = re.compile(r"(?:[0-9]+:)?([0-9]+(?:\.[0-9]+)*)")


@dataclass(frozen=True, slots=True)
class OfferedKernel:
    """A kernel that can be fetched.

    :param word: the KERNEL argument.
    """

    word: str
    version: str
    package: str


def offered(apt: Apt, *, all_packages: bool = False, deadline: Deadline) -> list[OfferedKernel]:
    """List the kernels and kernel sources of package lists, newest first.

    :param all_packages: all flavors and versions, in place of the newest cloud kernel of each kernel version.
    :raises HostError: apt is missing, its lists are empty, or it cannot read its own files.
    """
    _require_lists(apt, "apt has no kernels")
    images = list_images(apt, deadline=deadline)
    found = []
    if all_packages:
        found = [OfferedKernel(apt.word("deb", of.package), of.version, of.package) for of in reversed(images)]
    else:
        newest = {}
        for of in of_flavor(images, apt.architecture(deadline=deadline)):
            newest[".".join(upstream_version(of.version).split(".")[:2])] = of
        for version, of in reversed(newest.items()):
            found.append(OfferedKernel(apt.word("deb", version), of.version, of.package))
    for of in reversed(list_sources(apt, deadline=deadline)):
        version = of.package.removeprefix(_SOURCE)
        found.append(OfferedKernel(apt.word("deb-src", version), of.version, of.package))
    return found


def list_images(apt: Apt, *, deadline: Deadline) -> list[PackageRecord]:
    """Return the image packages in the lists, without meta-packages and debug symbols, oldest version first.

    :raises HostError: apt is missing, or cannot read its own files.
    """
    names = [name for name in apt.names(_IMAGE, deadline=deadline) if _flavor(name)]
    return _sorted(apt.find_all(names, deadline=deadline), deadline=deadline)


def list_sources(apt: Apt, *, deadline: Deadline) -> list[PackageRecord]:
    """Return the packages of kernel sources in the lists, oldest version first.

    :raises HostError: apt is missing, or cannot read its own files.
    """
    names = [name for name in apt.names(_SOURCE, deadline=deadline) if name.removeprefix(_SOURCE)[:1].isdigit()]
    return _sorted(apt.find_all(names, deadline=deadline), deadline=deadline)


def of_flavor(records: Sequence[PackageRecord], architecture: str) -> list[PackageRecord]:
    """Return the packages of the smallest flavor: cloud, else plain, else Ubuntu's generic."""
    for wanted in (f"cloud-{architecture}", architecture, "generic"):
        if found := [record for record in records if _flavor(record.package) == wanted]:
            return found
    return []


def newest_image(apt: Apt, version: str, *, deadline: Deadline) -> PackageRecord:
    """Return the newest image package of a kernel version, such as 6.1 or 5.10.223.

    :raises UsageError: the lists have no kernel of that version.
    :raises HostError: apt is missing, its lists are empty, or it cannot read its own files.
    """
    _require_lists(apt, f"apt has no kernel {version}")
    every = list_images(apt, deadline=deadline)
    fitting = [record for record in every if _is_of(record.version, version)]
    found = of_flavor(fitting, apt.architecture(deadline=deadline))
    if not found:
        have = list(dict.fromkeys(upstream_version(record.version) for record in reversed(every)))
        raise UsageError(
            f"{apt.lists_name} have no kernel {version}",
            evidence=f"they have {', '.join(have[:_SHOWN]) or 'no linux-image-* at all'}",
            remedy=f"list the kernels of a suite with: {apt.list_command}",
        )
    return found[-1]


def _require_lists(apt: Apt, what: str) -> None:
    if not apt.has_lists():
        evidence = f"no *_Packages file in {apt.lists}"
        raise HostError(f"{what}: its package lists are empty", evidence=evidence, remedy=apt.update_command)


def upstream_version(version: str) -> str:
    """Return the kernel version in a package version, e.g. 6.1.192 of 6.1.192-2."""
    found = _UPSTREAM.match(version)
    return found[1] if found else version


def _flavor(package: str) -> str:
    """Return the flavor of an image package, e.g. ``cloud-amd64``; empty for any other package."""
    found = _NAME.fullmatch(package)
    return "" if found is None or found[2].endswith(("-dbg", "-dbgsym", "-unsigned", "-signed-template")) else found[2]


def _is_of(package_version: str, version: str) -> bool:
    """Return whether a package is of a kernel version: 5.10.223-1 is of 5.10, 7.3~rc7-1 of 7.3, 7.30 not of 7.3."""
    return f"{upstream_version(package_version)}.".startswith(f"{version}.")


def _sorted(records: Sequence[PackageRecord], *, deadline: Deadline) -> list[PackageRecord]:
    """Return packages in the order of their versions; dpkg knows that 7.3~rc7 is older than 7.3."""

    def compare(one: PackageRecord, other: PackageRecord) -> int:
        if one.version == other.version:
            return 0
        words = ["dpkg", "--compare-versions", one.version, "lt", other.version]
        return -1 if run(words, deadline=deadline, check=False).status == 0 else 1

    return sorted(records, key=functools.cmp_to_key(compare))
