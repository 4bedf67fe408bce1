"""What a series came to, patch by patch, as frozen values, and its JSON form (``series.json``). Pure.

The results of the cases are in the run folders; here is what each patch changed, and which stage it did not pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from harness.base.errors import Stage
from harness.base.json_records import Seconds, dump_value
from harness.model.origin import UNKNOWN_ORIGIN, Origin

FORMAT_VERSION = 2
"""Since 2, what did not come has a name, and evidence holds no path of a log; older ones are still read."""
SERIES_NAME = "series.json"
"""The file's name, in the folder of the series."""


class PatchState(StrEnum):
    """What a patch, or the series, came to; the words of Patchwork's checks."""

    SUCCESS = "success"
    WARNING = "warning"
    """Nothing is broken; checkpatch.pl or the compiler complains."""
    FAIL = "fail"
    UNKNOWN = "unknown"
    """Not judged: the base or this host is at fault, or an earlier patch does not apply."""


class Level(StrEnum):
    """How bad a complaint of checkpatch.pl or of the compiler is."""

    ERROR = "error"
    WARNING = "warning"
    CHECK = "check"


class EffectKind(StrEnum):
    """What an effect is an effect on."""

    TRAIT = "trait"
    CASE = "case"
    SPLAT = "splat"


class Expectedness(StrEnum):
    """How an effect stands to what was meant."""

    UNEXPECTED = "unexpected"
    """Nobody declared it."""
    INTENDED = "intended"
    """Declared."""
    MENDED = "mended"
    """What was not as expected is so again."""
    ALLOWED = "allowed"
    """Another behaviour that fails nothing: both are expected, or the failure is known, or the case is skipped now."""


@dataclass(frozen=True, slots=True)
class StyleFinding:
    """What checkpatch.pl or the compiler says of a patch.

    :param file: by its path in the tree; empty when it is about the mail. :param line: 0 when none is named.
    :param kind: checkpatch.pl's name for it, such as ``LONG_LINE``; empty for the compiler's.
    """

    level: Level
    file: str
    line: int
    text: str
    kind: str = ""

    def render(self) -> str:
        """On one line: ``kernel/x.c:12: warning: ... (LONG_LINE)``."""
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.level}: {self.text}" + (f" ({self.kind})" if self.kind else "")


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that a patch changed.

    :param name: the trait, the case's id, or the splat's fingerprint.
    :param before: the trait's value or the case's outcome before the patch; :param after: with it.
    :param text: why: the case's reason, the splat's title, the trait in a sentence; in one line.
    :param cases: ids of the cases that showed it.
    :param since: the last patch without it, when that is not the one before this; else -1.
    """

    of: EffectKind
    name: str
    before: str
    after: str
    standing: Expectedness
    text: str = ""
    cases: tuple[str, ...] = ()
    since: int = -1

    def render(self) -> str:
        """On one line, numbers and values first: ``trait outside_view: relative -> absolute``."""
        if self.of is EffectKind.SPLAT:
            return f"splat: {self.text}" if not self.before else f"splat is gone: {self.text}"
        return f"{self.of} {self.name}: {self.before or 'not shown'} -> {self.after or 'not shown'}"


@dataclass(frozen=True, slots=True)
class PatchRecord:
    """One patch, with all that come before it; or the base.

    :param number: from 1; 0 for the base. :param subject: its title; of the base, where it came from.
    :param kernel: the KERNEL word of the tree with the patches up to this one.
    :param failed: the stage that it did not pass; empty when it was booted. :param at_fault: whether the patch, and not
        this host, is why. :param what: the error in one sentence; :param evidence: what was seen.
    :param log: path of the whole log, on the host that judged; empty when there is none.
    :param applies: whether it and all before it apply.
    :param style: what checkpatch.pl says. :param style_note: why it was not asked; empty when it was.
    :param warnings: of the compiler, about lines that this patch wrote, and new ones about lines of those before.
    :param same_as: the patch with the same image, whose results were taken over; -1 when cases were asked here.
    :param run: its run folder; empty when there is none. :param asked: how many cases came to a verdict on the kernel;
        :param failing: how many of them failed.
    """

    number: int
    subject: str
    kernel: str
    message_id: str = ""
    failed: str = ""
    at_fault: bool = True
    what: str = ""
    evidence: str = ""
    style: tuple[StyleFinding, ...] = ()
    style_note: str = ""
    warnings: tuple[StyleFinding, ...] = ()
    image_digest: str = ""
    same_as: int = -1
    run: str = ""
    asked: int = 0
    failing: int = 0
    effects: tuple[Effect, ...] = ()
    seconds: Seconds = 0.0
    log: str = ""
    applies: bool = True

    @property
    def unexpected(self) -> tuple[Effect, ...]:
        """What it changed and nobody declared."""
        return tuple(one for one in self.effects if one.standing is Expectedness.UNEXPECTED)

    @property
    def full_evidence(self) -> str:
        """What was seen, and where the whole log is; for readers on the host that judged."""
        parts = [self.evidence, f"the whole log: {self.log}" if self.log else ""]
        return "\n".join(filter(None, parts))

    @property
    def complaints(self) -> tuple[StyleFinding, ...]:
        """What checkpatch.pl and the compiler say; a check, which checkpatch.pl asks for only when told to, too."""
        return (*self.style, *self.warnings)

    @property
    def state(self) -> PatchState:
        """What it came to."""
        if self.failed:
            return PatchState.FAIL if self.at_fault else PatchState.UNKNOWN
        if self.unexpected:
            return PatchState.FAIL
        return (
            PatchState.WARNING if any(one.level is not Level.CHECK for one in self.complaints) else PatchState.SUCCESS
        )

    def __str__(self) -> str:
        """The state in one line, for checks that have room for no more; the worst first."""
        if self.failed:
            return f"{_FAILED[self.failed]}: {self.what}" if self.failed in _FAILED else self.what
        parts = [one.render() for one in self.unexpected[:2]]
        if (more := len(self.unexpected) - 2) > 0:
            parts.append(f"{more} more unexpected changes")
        for name, complaints in (("checkpatch", self.style), ("compiler", self.warnings)):
            if complaints:
                parts.append(f"{name}: {counted(len(complaints), 'complaint')}")
        cases = f"{counted(self.asked, 'case')}"
        return "; ".join(parts) or (
            f"same image as {called(self.same_as)}" if self.same_as >= 0 else f"{cases}, as before"
        )


NOT_JUDGED = "not judged"
"""Stands for the stage of a patch whose turn did not come."""

_FAILED = {
    Stage.APPLY.value: "does not apply",
    Stage.CONFIGURE.value: "loses what the configuration asks for",
    Stage.BUILD.value: "does not build",
    Stage.BOOT.value: "does not boot",
}
"""What to say of a patch that did not pass a stage."""


def failed_words(stage: str) -> str:
    """What to say of a patch that did not pass a stage: ``does not build``."""
    return _FAILED.get(stage, NOT_JUDGED)


def called(number: int) -> str:
    """``patch 3``, or ``the base``."""
    return f"patch {number}" if number else "the base"


def counted(number: int, noun: str) -> str:
    """``1 case``, ``2 cases``, ``3 patches``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('ch') else 's'}"


@dataclass(frozen=True, slots=True)
class Declared:
    """What the series means to change.

    :param trait: a trait, or the id of a case whose outcome may change. :param value: the trait's value then.
    :param patch: the patch that does it; 0 when any may. :param source: where it is declared.
    """

    name: str
    value: str = ""
    patch: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A declared change that did not come.

    :param name: the trait. :param text: what was declared where, and what was seen instead, in one line.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Broken:
    """What one patch breaks, and a later one mends: with the first alone, nobody can bisect.

    :param what: ``trait outside_view`` or ``the build``. :param by: the patch that breaks it.
    :param mended: the one that mends it.
    """

    what: str
    by: int
    mended: int

    def render(self) -> str:
        """In a sentence without a full stop."""
        return f"{called(self.by)} breaks {self.what}, {called(self.mended)} mends it"


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """A series on a base.

    :param title: of the cover letter, else of the first patch. :param version: as posted.
    :param origin: the series as the user named it; :param base_word: the base, likewise, at a commit.
    :param base: the base for people. :param base_commit: by its full hash.
    :param patches: the base first, then patch by patch.
    :param missing: what was declared and did not come. :param broken: what is broken on the way only.
    :param net: what differs between the base and the last patch that was judged.
    :param is_full: whether all cases were asked of each patch. :param is_strict: whether complaints fail the series.
    :param notes: what the user should know.
    :param base_origin: where the base comes from, as facts; ``base`` is the same for people.
    :param base_series: title of the shipped series that the base consists of beside it; empty when there is none.
    """

    title: str
    version: int
    origin: str
    base_word: str
    base: str
    base_commit: str
    patches: tuple[PatchRecord, ...]
    message_id: str = ""
    command: str = ""
    started: Seconds = 0.0
    seconds: Seconds = 0.0
    declared: tuple[Declared, ...] = ()
    missing: tuple[Undelivered, ...] = ()
    broken: tuple[Broken, ...] = ()
    net: tuple[Effect, ...] = ()
    is_full: bool = False
    is_strict: bool = False
    notes: tuple[str, ...] = ()
    harness_version: str = ""
    base_origin: Origin = UNKNOWN_ORIGIN
    base_series: str = ""
    format_version: int = field(default=FORMAT_VERSION)

    @property
    def posted(self) -> tuple[PatchRecord, ...]:
        """The patches, without the base."""
        return self.patches[1:]

    @property
    def state(self) -> PatchState:
        """What the series came to."""
        states = {one.state for one in self.posted}
        if PatchState.FAIL in states or self.missing:
            return PatchState.FAIL
        if self.is_strict and PatchState.WARNING in states:
            return PatchState.FAIL
        return next((one for one in (PatchState.UNKNOWN, PatchState.WARNING) if one in states), PatchState.SUCCESS)

    @property
    def judged(self) -> Iterator[PatchRecord]:
        """Those that were booted, the base among them."""
        return (one for one in self.patches if not one.failed)


def dump_series(record: SeriesRecord) -> str:
    """The record as JSON, ASCII only."""
    return dump_value(record)
