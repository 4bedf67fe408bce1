# SPDX-License-Identifier: GPL-2.0-only
"""Name the line that a kernel belongs to; builds of one line are compared over time. Pure."""

from __future__ import annotations

import re
import string

from harness.base.kernel_release import Release
from harness.model.origin import OriginKind
from harness.model.run_record import KernelRecord


def kernel_line(kernel: KernelRecord) -> str:
    """Return the line of a kernel: its origin, the series applied to it, and major and minor release.

    For example ``deb 6.1``, ``linux-source-6.1 + mm: a title 6.1``, ``/home/u/linux 6.6``. The version of a package,
    the revision of a tree and the version of a series are not part of it; the variant and the parameters of
    ``--append`` are.
    """
    build = kernel.build
    if build.commit:
        where = kernel.came_from.path or kernel.spec
        where += f" + {build.series}" if build.series else ""
    elif kernel.came_from.kind is OriginKind.IMAGE:
        where = kernel.came_from.path
    else:
        where = re.sub(r"=[^@]*", "", kernel.spec)
    release = Release.parse(kernel.release)
    line = f"{where} {'.'.join(map(str, release.numbers[:2]))}" if release else where
    line = f"{line} as {kernel.variant}" if kernel.variant else line
    return f"{line} with {' '.join(kernel.parameters)}" if kernel.parameters else line


def kernel_letters(number: int) -> list[str]:
    """Return A, B, ... Z, AA, AB, ...: short names for kernels, as a KERNEL argument can be long."""
    single = string.ascii_uppercase
    return [single[at] if at < len(single) else single[at // 26 - 1] + single[at % 26] for at in range(number)]
