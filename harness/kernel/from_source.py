"""A kernel from source: the way from a word to an image that was built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.deadline import Deadline
from harness.errors import UsageError
from harness.kernel.apt import Apt
from harness.kernel.build_options import BuildOptions, SourceWord
from harness.profile import Declaration
from harness.report.record import BuildRecord
from harness.store import Store

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SourceKernel:
    """A kernel that was built.

    :param origin: the source and what was applied to it, for humans. :param log: what make said.
    :param profile: name of the profile that a shipped series names; empty for any other kernel.
    :param declared: in what it is meant to differ from that profile.
    """

    image: Path
    origin: str
    record: BuildRecord
    log: Path
    notes: tuple[str, ...]
    profile: str = ""
    declared: Declaration | None = None


def kernel_from_source(
    store: Store, word: SourceWord, options: BuildOptions, *, deadline: Deadline, apt: Apt, say: Say, progress: Say
) -> SourceKernel:
    """Refuse: the stages are being made."""
    raise UsageError(
        "building a kernel is not in this release", remedy="build it yourself and give the image; or give 'deb'"
    )
