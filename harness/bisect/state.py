"""What is kept of a bisection: what was asked for, and each step with what was seen. Pure: values in, JSON out.

All else, where something changed and which commit comes next, follows from it (``evidence.py``), so a bisection that
was killed goes on where it was, and one that is over can be looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from harness.base.json_records import RecordFormat, Seconds, dump_value, load_value
from harness.bisect.targets import Kind, Target
from harness.results.older_formats import upgrade_bisection

FORMAT_VERSION = 1


class Role(StrEnum):
    """Why a commit was asked."""

    GOOD = "good end"
    BAD = "bad end"
    PARTING = "where the ends part"
    STEP = "step"
    AGAIN = "asked again"
    CONFIRM = "confirmed"


class StepStatus(StrEnum):
    """What came of it."""

    ASKED = "asked"
    """The kernel was built and its cases were asked."""
    SAME_IMAGE = "same image"
    """Its image is one that was asked before: what that showed, this shows."""
    SKIPPED = "skipped"
    """It does not apply, build or boot."""


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """A target, with its values at the ends as they were first seen."""

    kind: Kind
    name: str
    files: tuple[str, ...]
    good: str
    bad: str

    @property
    def target(self) -> Target:
        """It, without what was seen."""
        return Target(self.kind, self.name, self.files)


@dataclass(frozen=True, slots=True)
class SplitRecord:
    """What a step was expected to tell of a target: of so many commits so many lie on the older side of it."""

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
    """One step.

    :param commit: by its full hash.
    :param bits: what it was expected to tell.
    :param reason: why it was skipped, in one line; or the commit whose image it has.
    :param image: sha256 of its image; empty when there is none.
    :param runs: run folders, relative to the bisection's.
    :param seconds: wall time, the build included.
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


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case file, and a digest of what it asks."""

    id: str
    digest: str


@dataclass(frozen=True, slots=True)
class BisectState:
    """A bisection.

    :param tree: the KERNEL word of the source.
    :param good: as typed.
    :param bad: as typed.
    :param wanted: what was to be traced and how, as words.
    :param good_commit: by its full hash.
    :param roots: where the history begins: the good end, or the commits where the ends part.
    :param commits: how many lie between.
    :param profile: what the cases are judged by.
    :param targets: what is traced; empty until both ends were asked.
    :param compared: what the ends were compared by.
    :param files: the case files that the targets rest on.
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
    format_version: int = field(default=FORMAT_VERSION)


def dump_bisect(state: BisectState) -> str:
    """As JSON."""
    return dump_value(state)


def load_bisect(text: str, *, source: str) -> BisectState:
    """Read what :func:`dump_bisect` wrote, in this format or an older one.

    :param source: what to call the text in an error.
    :raises UsageError: it is damaged.
    :raises NewerFormatError: it was written by a newer harness.
    """
    return load_value(BisectState, text, RecordFormat(FORMAT_VERSION, upgrade_bisection), source=source)
