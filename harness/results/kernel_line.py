"""The line that a kernel belongs to: builds of one line are compared over time. Pure."""

from __future__ import annotations

import string

from harness.base.kernel_release import Release
from harness.model.origin import OriginKind
from harness.model.run_record import KernelRecord


def kernel_line(kernel: KernelRecord) -> str:
    """What a kernel and its predecessors share: where it comes from, the series on it, and major and minor release.

    ``deb 6.1``, ``linux-source-6.1 + mm: a title 6.1``, ``/home/u/linux 6.6``: without the version of a package,
    the revision of a tree, and the version of a series.
    """
    build = kernel.build
    if build.commit:
        where = kernel.came_from.path or kernel.spec
        where += f" + {build.series}" if build.series else ""
    elif kernel.came_from.kind is OriginKind.IMAGE:
        where = kernel.came_from.path
    else:
        where = kernel.spec.partition("=")[0]
    release = Release.parse(kernel.release)
    return f"{where} {'.'.join(map(str, release.numbers[:2]))}" if release else where


def kernel_letters(number: int) -> list[str]:
    """A, B, ... Z, AA, AB, ...: short names, as a KERNEL word can be long."""
    single = string.ascii_uppercase
    return [single[at] if at < len(single) else single[at // 26 - 1] + single[at % 26] for at in range(number)]
