# SPDX-License-Identifier: GPL-2.0-only
"""A tree to build: a source, and the commits that a series became on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.kernel.git.repository import Repository
from harness.kernel.source.tree import Source

if TYPE_CHECKING:
    from harness.kernel.patches.series import Series


@dataclass(frozen=True, slots=True)
class PatchedTree:
    """A tree to build.

    :param base: the commit that the series was applied to; that of the source when there is no series.
    :param commits: one a patch, in order; empty without a series.
    :param notes: what was decided, for people.
    """

    source: Source
    series: Series | None
    base: str
    commits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def commit(self) -> str:
        """Return the commit that is built: the last patch's."""
        return self.commits[-1] if self.commits else self.base

    @property
    def repository(self) -> Repository:
        """Return the repository that holds the commits."""
        return self.source.repository


def unpatched(source: Source) -> PatchedTree:
    """Return the source without patches."""
    return PatchedTree(source, None, source.commit, notes=source.notes)
