# SPDX-License-Identifier: GPL-2.0-only
"""The state of a bisection: its arguments, and each step with the values that were seen. Pure: values in, JSON out.

Everything else, the changes and the next commit, follows from it (``evidence.py``). A killed bisection therefore
continues, and the decisions of a finished one can be replayed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from harness.base.json_records import RecordFormat, Seconds, dump_value, load_value
from harness.bisect.targets import Kind, Target
from harness.results.older_formats import upgrade_bisection

FORMAT_VERSION = 1


class Role(StrEnum):
    """Why cases ran on a commit; the values are part of the state file."""

    GOOD = "good end"
    BAD = "bad end"
    PARTING = "where the ends part"
    STEP = "step"
    AGAIN = "asked again"
    CONFIRM = "confirmed"

    @property
    def label(self) -> str:
        """Return the role's name for people."""
        return {Role.PARTING: "merge base", Role.AGAIN: "rerun"}.get(self, self.value)


class StepStatus(StrEnum):
    """The result of a step; the values are part of the state file."""

    ASKED = "asked"
    """The kernel was built and cases ran on it."""
    SAME_IMAGE = "same image"
    """Cases ran on an equal image before, so its values hold."""
    SKIPPED = "skipped"
    """It does not apply, build or boot."""


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """A target with the values that the ends showed first."""

    kind: Kind
    name: str
    files: tuple[str, ...]
    good: str
    bad: str
    case: str = ""

    @property
    def target(self) -> Target:
        """Return the target without values."""
        return Target(self.kind, self.name, self.files, self.case)


@dataclass(frozen=True, slots=True)
class SplitRecord:
    """The expected gain of a step for a target.

    :param target: the key of the target.
    :param candidates: the number of commits that may have made the change.
    :param below: the number of these on the older side of the step, its commit included.
    """

    target: str
    candidates: int
    below: int


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """A value of a target that a step has shown."""

    target: str
    value: str


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a bisection.

    :param commit: the full hash.
    :param role: why cases ran on it.
    :param judged: the result.
    :param bits: the expected information.
    :param splits: the expected gain for each target.
    :param reason: why it was skipped, or does not build or boot, in one line; or the hash of the commit with the same
        image.
    :param evidence: lines of the log of a kernel that does not build or boot.
    :param round: the number of its round in the state, from 1; 0 for a commit that was chosen alone.
    :param image: the sha256 of its image; empty if it has none.
    :param seen: the values that it showed.
    :param runs: the run folders, relative to the folder of the bisection.
    :param seconds: the wall time, including the build.
    """

    commit: str
    role: Role
    judged: StepStatus
    bits: float = 0.0
    splits: tuple[SplitRecord, ...] = ()
    reason: str = ""
    image: str = ""
    seen: tuple[SeenRecord, ...] = ()
    runs: tuple[str, ...] = ()
    seconds: Seconds = 0.0
    evidence: str = ""
    round: int = 0


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """Commits that were chosen together and built at the same time.

    The results of some may make others needless: these are built, and are no steps.

    :param commits: the full hashes, the oldest first.
    :param builders: the number of commits that could be built at the same time.
    :param bits: the expected information of all results together.
    """

    commits: tuple[str, ...]
    builders: int
    bits: float = 0.0


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case file and the digest of its content."""

    id: str
    digest: str


@dataclass(frozen=True, slots=True)
class BisectState:
    """The state of a bisection.

    :param tree: the KERNEL argument of the source.
    :param good: the good end as typed.
    :param bad: the bad end as typed.
    :param wanted: the selection of targets and cases, as arguments.
    :param good_commit: the full hash of the good end.
    :param bad_commit: the full hash of the bad end.
    :param roots: the start of the history: the good end, or the merge bases of the ends.
    :param commits: the number of commits after the roots.
    :param profile: the profile that judges the cases.
    :param compared: a description of what was compared at the ends.
    :param targets: the targets that are traced; empty until cases ran on both ends.
    :param files: the case files of the targets.
    :param steps: the steps so far.
    :param rounds: the rounds so far, if several commits are built at the same time.
    """

    tree: str
    good: str
    bad: str
    wanted: tuple[str, ...]
    good_commit: str
    bad_commit: str
    roots: tuple[str, ...]
    commits: int
    profile: str = ""
    compared: str = ""
    targets: tuple[TargetRecord, ...] = ()
    files: tuple[CaseFile, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    rounds: tuple[RoundRecord, ...] = ()
    format_version: int = field(default=FORMAT_VERSION)


def dump_bisect(state: BisectState) -> str:
    """Return the state as JSON."""
    return dump_value(state)


def load_bisect(text: str, *, source: str) -> BisectState:
    """Read the text that :func:`dump_bisect` wrote, in this format or an older one.

    :param source: the name of the text in errors.
    :raises UsageError: the text is damaged.
    :raises NewerFormatError: a newer harness wrote it.
    """
    return load_value(BisectState, text, RecordFormat(FORMAT_VERSION, upgrade_bisection), source=source)
