# SPDX-License-Identifier: GPL-2.0-only
"""Parse and compare kernel releases: three numbers, and the release candidate. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_IN_BANNER = re.compile(r"\bDebian (\d+\.\d+\.\d+)")
_RELEASE = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?(?!\d)(-rc\d+)?")


@dataclass(frozen=True, slots=True)
class Release:
    """A kernel release.

    ``6.1.0-56-cloud-amd64`` is 6.1.0: a distribution's string may not show the stable release that it is based on.

    :param candidate: ``-rc3`` for a release candidate, empty for a release.
    """

    numbers: tuple[int, int, int]
    candidate: str = ""

    @classmethod
    def parse(cls, text: str) -> Release | None:
        """Parse the release that a text starts with; ``None`` when it starts with none."""
        found = _RELEASE.match(text)
        if found is None:
            return None
        major, minor, patch, candidate = found.groups()
        return cls((int(major), int(minor), int(patch or 0)), candidate or "")

    def carries(self, first: Release) -> bool:
        """Return whether this is a release of ``first``'s stable series and not older than it."""
        return self.numbers[:2] == first.numbers[:2] and self.numbers >= first.numbers

    def __str__(self) -> str:
        shown = self.numbers if self.numbers[2] else self.numbers[:2]
        return ".".join(map(str, shown)) + self.candidate


def stable_version(release: str, banner: str) -> str:
    """Return the stable version that a distribution's release hides; empty when the banner does not name it.

    For example 6.1.192 for ``6.1.0-57-cloud-amd64`` with ``#1 SMP Debian 6.1.192-3`` in its banner.
    """
    shown = Release.parse(release)
    # A compiler of Debian names its own version in the same way.
    for found in _IN_BANNER.findall(banner):
        exact = Release.parse(found)
        if shown and exact and exact != shown and exact.numbers[:2] == shown.numbers[:2]:
            return str(exact)
    return ""
