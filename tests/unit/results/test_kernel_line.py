"""Which builds are of one line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.run_record import BuildRecord, KernelRecord
from harness.results.kernel_line import kernel_line
from tests.unit.report.sample import KERNEL

BUILT = BuildRecord(source="linux-source-6.1 6.1.192-2", base="b", commit="c")


@pytest.mark.parametrize(
    ("kernel", "line"),
    [
        (KERNEL, "deb 6.1"),
        (replace(KERNEL, spec="deb:linux-image-x=6.1.1", release="6.1.1"), "deb:linux-image-x 6.1"),
        (replace(KERNEL, spec="bzImage", origin="/b/bzImage", release="6.6.0-rc1+"), "/b/bzImage 6.6"),
        (replace(KERNEL, spec="deb-src:6.1", build=BUILT), "linux-source-6.1 6.1"),
        (replace(KERNEL, spec="x", build=replace(BUILT, series="t", series_version=3)), "linux-source-6.1 + t 6.1"),
        (replace(KERNEL, build=replace(BUILT, source="/u/linux at v6.6-1-gabc")), "/u/linux 6.1"),
        (replace(KERNEL, spec="nonsense", origin="nonsense", release="unknown"), "nonsense"),
    ],
)  # fmt: skip
def test_the_line_of_a_kernel(kernel: KernelRecord, line: str) -> None:
    """Version, revision and version of the series are left out; where it comes from and the release stay."""
    assert kernel_line(kernel) == line
