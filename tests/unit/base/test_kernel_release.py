# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/base/kernel_release.py``."""

from __future__ import annotations

import pytest

from harness.base.kernel_release import Release, stable_version


@pytest.mark.parametrize(
    ("text", "numbers", "candidate"),
    [
        ("6.1.0-56-cloud-amd64", (6, 1, 0), ""),
        ("6.18.44", (6, 18, 44), ""),
        ("4.4", (4, 4, 0), ""),
        ("5.17.0-rc3+", (5, 17, 0), "-rc3"),
        ("5.17-rc3", (5, 17, 0), "-rc3"),
        ("2.6.32.71", (2, 6, 32), ""),
        ("3.18.0-00123-gdeadbeef", (3, 18, 0), ""),
    ],
)
def test_parse_reads_release_strings(text: str, numbers: tuple[int, int, int], candidate: str) -> None:
    """The first three numbers are the release; additions of a distribution or of git are ignored."""
    release = Release.parse(text)

    assert release == Release(numbers, candidate)


@pytest.mark.parametrize("text", ["", "unknown", "v6.1", "6", "6.x", "linux-6.1", "6.99999999999999"])
def test_parse_refuses_other_texts(text: str) -> None:
    """A text that does not start with a release gives None."""
    assert Release.parse(text) is None


@pytest.mark.parametrize("text", ["6.1", "6.18.44", "5.17-rc3"])
def test_str_reads_back(text: str) -> None:
    """The text of a release is parsed to the same release."""
    release = Release.parse(text)

    assert str(release) == text


@pytest.mark.parametrize(
    ("release", "first", "carries"),
    [("5.15.14", "5.15.14", True), ("5.15.13", "5.15.14", False), ("5.16.20", "5.15.14", False)],
)
def test_carries_stays_in_the_stable_series(release: str, first: str, carries: bool) -> None:
    """A backport is in the later releases of its own stable series, and in no other series."""
    one, other = Release.parse(release), Release.parse(first)
    assert one is not None
    assert other is not None

    assert one.carries(other) is carries


@pytest.mark.parametrize(
    ("release", "banner", "stable"),
    [
        (
            "6.1.0-57-cloud-amd64",
            "6.1.0-57-cloud-amd64 (debian-kernel@x) #1 SMP Debian 6.1.192-3 (2026-10-01)",
            "6.1.192",
        ),
        ("6.12.117+deb13-amd64", "6.12.117+deb13-amd64 (d@x) #1 SMP Debian 6.12.117-1 (2026-11-01)", ""),
        ("6.1.0", "6.1.0 (me@host) #1 SMP", ""),
        ("6.1.0", "6.1.0 (me@host) (gcc (Debian 12.2.0-14) 12.2.0) #1 SMP", ""),
        ("6.1.0-5", "6.1.0-5 (d@x) (gcc (Debian 12.2.0-14) 12.2.0) #1 SMP Debian 6.1.10-1", "6.1.10"),
        ("unknown", "", ""),
    ],
)
def test_a_banner_names_the_stable_version(release: str, banner: str, stable: str) -> None:
    """Debian's release stays that of the first stable version; the version of its compiler is another matter."""
    assert stable_version(release, banner) == stable
