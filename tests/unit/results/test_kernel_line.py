# SPDX-License-Identifier: GPL-2.0-only
"""Group builds into kernel lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.origin import UNKNOWN_ORIGIN, Origin, OriginKind
from harness.model.run_record import BuildRecord, KernelRecord
from harness.results.kernel_line import kernel_line
from tests.unit.report.sample import KERNEL

BUILT = BuildRecord(source="whatever this sentence says", base="b", commit="c")
SERIES = replace(BUILT, series="t", series_version=3)
PACKAGE = Origin(OriginKind.SOURCE_PACKAGE, "linux-source-6.1", "6.1.192-2")
TREE = Origin(OriginKind.TREE, "/u/linux at home", "v6.6-1-gabc", 2)
FILES = Origin(OriginKind.FILES, "/u/linux")
IMAGE = Origin(OriginKind.IMAGE, "/b/bzImage")


@pytest.mark.parametrize(
    ("kernel", "line"),
    [
        (KERNEL, "deb 6.1"),
        (replace(KERNEL, spec="deb:linux-image-x=6.1.1", release="6.1.1"), "deb:linux-image-x 6.1"),
        (replace(KERNEL, spec="deb:linux-image-x=6.1.1@sid", release="6.1.1"), "deb:linux-image-x@sid 6.1"),
        (replace(KERNEL, parameters=("cgroup_no_v1=all", "a=b")), "deb 6.1 with cgroup_no_v1=all a=b"),
        (replace(KERNEL, spec="bzImage", came_from=IMAGE, release="6.6.0-rc1+"), "/b/bzImage 6.6"),
        (replace(KERNEL, spec="deb-src:6.1", build=BUILT, came_from=PACKAGE), "linux-source-6.1 6.1"),
        (replace(KERNEL, spec="x", build=SERIES, came_from=PACKAGE), "linux-source-6.1 + t 6.1"),
        (replace(KERNEL, build=BUILT, came_from=TREE), "/u/linux at home 6.1"),
        (replace(KERNEL, build=BUILT, came_from=FILES), "/u/linux 6.1"),
        (replace(KERNEL, spec="nonsense", came_from=UNKNOWN_ORIGIN, release="unknown"), "nonsense"),
    ],
)  # fmt: skip
def test_the_line_of_a_kernel(kernel: KernelRecord, line: str) -> None:
    """Package version, revision and version of the series are left out; origin and release stay."""
    assert kernel_line(kernel) == line
