"""Where a kernel comes from, as facts; the sentence for people is made of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OriginKind(StrEnum):
    """What kind of thing a kernel was taken from."""

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
    """Where a kernel or its source comes from.

    :param path: path of the image, tree or folder; name of the package.
    :param revision: of a tree as git-describe(1) gives it; version of a package; empty for anything else.
    :param uncommitted: how many files of the tree differ from that revision.
    """

    kind: OriginKind = OriginKind.UNKNOWN
    path: str = ""
    revision: str = ""
    uncommitted: int = 0

    def __str__(self) -> str:
        """The origin for people: ``/home/u/linux at v6.6 with 2 uncommitted changes``, ``linux-source-6.1 6.1.9-1``."""
        if self.kind is OriginKind.FILES:
            return f"the files of {self.path}"
        between = " at " if self.kind is OriginKind.TREE else " "
        text = f"{self.path}{between}{self.revision}" if self.revision else self.path
        changes = f" with {self.uncommitted} uncommitted change{'' if self.uncommitted == 1 else 's'}"
        return f"{text}{changes if self.uncommitted else ''}"


UNKNOWN_ORIGIN = Origin()
