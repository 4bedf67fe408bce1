# SPDX-License-Identifier: GPL-2.0-only
"""Record the origin of a kernel as facts, and render it for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OriginKind(StrEnum):
    """The kind of source that a kernel was taken from."""

    UNKNOWN = "unknown"
    IMAGE = "image"
    """A kernel image, by its path."""
    IMAGE_PACKAGE = "image package"
    """A binary package of the distribution, by name and version."""
    SOURCE_PACKAGE = "source package"
    """A source package of the distribution, by name and version."""
    TREE = "tree"
    """A tree in git, by its path and a revision."""
    FILES = "files"
    """A folder of sources without a history, by its path."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a kernel or of its source.

    :param kind: the kind of source.
    :param path: path of the image, tree or folder; name of the package.
    :param revision: revision of a tree, as git-describe(1) prints it; version of a package; empty for any other kind.
    :param uncommitted: how many files of the tree differ from that revision.
    :param suite: the suite of Debian's archive that a package was taken from; empty for the suites of the host.
    """

    kind: OriginKind = OriginKind.UNKNOWN
    path: str = ""
    revision: str = ""
    uncommitted: int = 0
    suite: str = ""

    def __str__(self) -> str:
        """Return the origin for people, e.g. ``/home/u/linux at v6.6 with 2 uncommitted changes``."""
        if self.kind is OriginKind.FILES:
            return f"the files of {self.path}"
        between = " at " if self.kind is OriginKind.TREE else " "
        text = f"{self.path}{between}{self.revision}" if self.revision else self.path
        changes = f" with {self.uncommitted} uncommitted change{'' if self.uncommitted == 1 else 's'}"
        suite = f" of {self.suite}" if self.suite else ""
        return f"{text}{suite}{changes if self.uncommitted else ''}"


UNKNOWN_ORIGIN = Origin()
