# SPDX-License-Identifier: GPL-2.0-only
"""Define the record of a series that was tested patch by patch, and its JSON form (``series.json``). Pure.

The run folders have the results of the cases; this record has the effects of each patch and the stage that it failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from harness.base.errors import Stage
from harness.base.json_records import Seconds, dump_value
from harness.model.command_option import CommandOption
from harness.model.finding import CheckResult
from harness.model.finding import Level as Level
from harness.model.finding import StyleFinding as StyleFinding
from harness.model.inventory import ABSENT, differing_facts
from harness.model.origin import UNKNOWN_ORIGIN, Origin

FORMAT_VERSION = 2
"""Since 2, missing effects have names, and evidence has no path of a log; older records are still read."""
_MOST_SPANS = 12
SERIES_NAME = "series.json"
"""The file's name, in the folder of the series."""


class PatchState(StrEnum):
    """The state of a patch or of the series, with the names of Patchwork's checks."""

    SUCCESS = "success"
    WARNING = "warning"
    """Nothing is broken; checkpatch.pl or the compiler reports a finding."""
    FAIL = "fail"
    UNKNOWN = "unknown"
    """Not tested: the base or this host is at fault, or an earlier patch does not apply."""


class EffectKind(StrEnum):
    """The kind of thing that an effect is on."""

    TRAIT = "trait"
    CASE = "case"
    SPLAT = "splat"
    INVENTORY = "inventory"
    """What user space finds on the kernel, with ``--inventory``."""
    STAGE = "stage"
    """A variant of the kernel fails a stage, such as the build, which the base passes."""


class Expectedness(StrEnum):
    """Whether an effect was expected."""

    UNEXPECTED = "unexpected"
    """It was not declared."""
    INTENDED = "intended"
    """It was declared."""
    MENDED = "mended"
    """It restores the expected behavior."""
    ALLOWED = "allowed"
    """It is harmless: both behaviors are expected, or the failure is known, or the case is skipped now."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of a patch.

    :param of: the kind of thing that changed.
    :param name: the trait, the case's id, the splat's fingerprint, or the key of the inventory's entry.
    :param before: the trait's value, the case's outcome or the entry's facts before the patch.
    :param after: the trait's value, the case's outcome or the entry's facts with the patch.
    :param standing: whether it was expected.
    :param text: the case's reason, the splat's title or the trait's meaning, in one line.
    :param cases: ids of the cases that showed it.
    :param since: the last patch without it, when that is not the previous patch; else -1.
    :param variant: the only variant that has it; empty for an effect on the plain kernel.
    """

    of: EffectKind
    name: str
    before: str
    after: str
    standing: Expectedness
    text: str = ""
    cases: tuple[str, ...] = ()
    since: int = -1
    variant: str = ""

    def render(self) -> str:
        """Return one line: ``trait outside_view: relative -> absolute``, ``only with debug: splat: ...``."""
        only = f"only with {self.variant}: " if self.variant else ""
        return f"{only}{self._line()}"

    def _line(self) -> str:
        if self.of is EffectKind.STAGE:
            return self.after
        if self.of is EffectKind.SPLAT:
            return f"splat: {self.text}" if not self.before else f"splat is gone: {self.text}"
        if self.of is EffectKind.INVENTORY:
            was, now = differing_facts(self.before, self.after)
            return f"inventory:{self.name}: {was or ABSENT} -> {now or ABSENT}"
        return f"{self.of} {self.name}: {self.before or 'not shown'} -> {self.after or 'not shown'}"


@dataclass(frozen=True, slots=True)
class VariantResult:
    """The result of a variant of a patch, or of the base.

    :param variant: its name.
    :param failed: the stage that it failed, or ``not judged``; empty when it was booted.
    :param at_fault: whether the patch caused the failure: the base's variant passes that stage.
    :param what: the error in one sentence, or why it was not tested.
    :param evidence: the evidence of the error.
    :param log: path of the whole log on the testing host; empty without one.
    :param run: its run folder; empty without one.
    :param asked: number of cases with a verdict on the kernel.
    :param failing: number of these cases that failed.
    :param same_as: the patch with the same image; -1 when the cases ran for this one.
    :param effects: its effects that the plain kernels do not show.
    :param slowness: how many times slower than the plain kernel it boots.
    :param seconds: time that it took.
    :param is_between: whether it was left out, because the variant of the last patch shows nothing new.
    """

    variant: str
    failed: str = ""
    at_fault: bool = True
    what: str = ""
    evidence: str = ""
    log: str = ""
    run: str = ""
    asked: int = 0
    failing: int = 0
    same_as: int = -1
    effects: tuple[Effect, ...] = ()
    slowness: float = 1.0
    seconds: Seconds = 0.0
    is_between: bool = False

    @property
    def state(self) -> PatchState:
        """Return its state."""
        if self.failed:
            return PatchState.FAIL if self.at_fault else PatchState.UNKNOWN
        unexpected = any(one.standing is Expectedness.UNEXPECTED for one in self.effects)
        return PatchState.FAIL if unexpected else PatchState.SUCCESS


@dataclass(frozen=True, slots=True)
class LineSpan:
    """Lines of a file one after another.

    :param file: path in the tree.
    :param first: from 1.
    :param last: the last of them.
    """

    file: str
    first: int
    last: int

    def __str__(self) -> str:
        """Return ``kernel/fork.c:12-14``."""
        return f"{self.file}:{self.first}" + (f"-{self.last}" if self.last > self.first else "")


@dataclass(frozen=True, slots=True)
class ChangedLines:
    """Which of the lines that a patch, or the series, adds or changes were run by the cases of the last patch.

    :param changed: number of these lines in C files and headers, as the whole series leaves them.
    :param code: number of them that have instructions in the kernel.
    :param run: number of these that a case ran.
    :param cases: number of cases that ran any of them.
    :param boot_only: those that only the boot ran.
    :param not_run: those that nothing ran.
    :param one_way: those that were run and hold a condition that went one way only.
    """

    changed: int
    code: int = 0
    run: int = 0
    cases: int = 0
    boot_only: tuple[LineSpan, ...] = ()
    not_run: tuple[LineSpan, ...] = ()
    one_way: tuple[LineSpan, ...] = ()

    def __str__(self) -> str:
        """Return it in one line: ``37 of 41 changed lines with code were run; not run: kernel/fork.c:12-15``."""
        if not self.code:
            return f"none of {self.changed} changed lines has code" if self.changed else "no line of C code is changed"
        parts = [f"{self.run} of {self.code} changed lines with code were run"]
        # What follows directly is not run for that very reason.
        after = {(one.file, one.first - 1) for one in (*self.boot_only, *self.not_run)}
        one_way = tuple(one for one in self.one_way if (one.file, one.last) not in after)
        listed = (("by the boot only", self.boot_only), ("not run", self.not_run), ("one way only", one_way))
        for label, spans in listed:
            more = [f"{len(spans) - _MOST_SPANS} more places"] if len(spans) > _MOST_SPANS else []
            if spans:
                parts.append(f"{label}: {', '.join([*map(str, spans[:_MOST_SPANS]), *more])}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class PatchRecord:
    """The record of one patch on top of all before it, or of the base.

    :param number: from 1; 0 for the base.
    :param subject: its title; for the base its origin.
    :param kernel: the KERNEL argument for the tree with the patches up to this one.
    :param message_id: Message-ID of its mail; empty when it is not known.
    :param failed: the stage that it failed; empty when it was booted.
    :param at_fault: whether the patch caused the failure, and not this host.
    :param what: the error in one sentence.
    :param evidence: the evidence of the error.
    :param style: the findings of checkpatch.pl.
    :param style_note: why checkpatch.pl did not run; empty when it did.
    :param warnings: compiler warnings about lines of this patch, and new ones about lines of earlier patches.
    :param image_digest: sha256 of the image.
    :param same_as: the patch with the same image, whose results were copied; -1 when the cases ran for this one.
    :param run: its run folder; empty without one.
    :param asked: number of cases with a verdict on the kernel.
    :param failing: number of these cases that failed.
    :param effects: its effects.
    :param seconds: time that it took.
    :param log: path of the whole log on the testing host; empty without one.
    :param applies: whether it and all before it apply.
    :param lines: which of its lines were run; None when that is not known.
    :param checks: the results of the checks that were requested.
    :param variants: the result of each variant that was requested; their effects are among ``effects``.
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
    lines: ChangedLines | None = None
    checks: tuple[CheckResult, ...] = ()
    variants: tuple[VariantResult, ...] = ()

    @property
    def unexpected(self) -> tuple[Effect, ...]:
        """Return its undeclared effects."""
        return tuple(one for one in self.effects if one.standing is Expectedness.UNEXPECTED)

    @property
    def full_evidence(self) -> str:
        """Return the evidence and the path of the whole log, for readers on the testing host."""
        parts = [self.evidence, f"the whole log: {self.log}" if self.log else ""]
        return "\n".join(filter(None, parts))

    @property
    def findings(self) -> tuple[StyleFinding, ...]:
        """Return the findings of checkpatch.pl, the compiler and the checks, those of level CHECK included."""
        return (*self.style, *self.warnings, *(one for check in self.checks for one in check.findings))

    @property
    def tools(self) -> tuple[tuple[str, tuple[StyleFinding, ...]], ...]:
        """Return the findings by the name of the tool: checkpatch, the compiler, and each check."""
        checks = ((one.check, one.findings) for one in self.checks)
        return (("checkpatch", self.style), ("compiler", self.warnings), *checks)

    @property
    def state(self) -> PatchState:
        """Return its state."""
        if self.failed:
            return PatchState.FAIL if self.at_fault else PatchState.UNKNOWN
        if self.unexpected:
            return PatchState.FAIL
        return PatchState.WARNING if any(one.level is not Level.CHECK for one in self.findings) else PatchState.SUCCESS

    def __str__(self) -> str:
        """Return the state in one line, the worst first, for checks with room for one line only."""
        if self.failed:
            return f"{_FAILED[self.failed]}: {self.what}" if self.failed in _FAILED else self.what
        parts = [one.render() for one in self.unexpected[:2]]
        if (more := len(self.unexpected) - 2) > 0:
            parts.append(f"{more} more unexpected changes")
        for name, findings in self.tools:
            if findings:
                parts.append(f"{name}: {counted(len(findings), 'finding')}")
        cases = f"{counted(self.asked, 'case')}"
        return "; ".join(parts) or (
            f"same image as {called(self.same_as)}" if self.same_as >= 0 else f"{cases}, as before"
        )


NOT_JUDGED = "not judged"
"""The stage of a patch that was not tested."""

_FAILED = {
    Stage.APPLY.value: "does not apply",
    Stage.CONFIGURE.value: "does not grant the requested config options",
    Stage.BUILD.value: "does not build",
    Stage.BOOT.value: "does not boot",
}
"""The predicate for a patch that failed a stage."""


def failed_words(stage: str) -> str:
    """Return the predicate for a patch that failed a stage: ``does not build``."""
    return _FAILED.get(stage, NOT_JUDGED)


def called(number: int) -> str:
    """Return ``patch 3``, or ``the base`` for 0."""
    return f"patch {number}" if number else "the base"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 case``, ``2 cases``, ``3 patches``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('ch') else 's'}"


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared effect of the series.

    :param name: a trait, or the id of a case whose outcome may change.
    :param value: the trait's value with the effect; empty for a case.
    :param patch: the patch with the effect; 0 for any.
    :param source: where it is declared.
    """

    name: str
    value: str = ""
    patch: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A declared effect that was not observed.

    :param name: the trait.
    :param text: the declaration and the observed value, in one line.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Broken:
    """Something that one patch breaks and a later one fixes, which breaks bisection in between.

    :param what: ``trait outside_view`` or ``the build``.
    :param by: the patch that breaks it.
    :param mended: the patch that fixes it.
    """

    what: str
    by: int
    mended: int

    def render(self) -> str:
        """Return a sentence without a full stop."""
        return f"{called(self.by)} breaks {self.what}, {called(self.mended)} fixes it"


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """The record of a series on a base.

    :param title: title of the cover letter, else of the first patch.
    :param version: the number of the version as posted.
    :param suffix: the text after that number: ``.1`` of v2.1, ``b`` of v5b; empty in records of older harnesses.
    :param origin: the series, as the user gave it.
    :param base_word: the KERNEL argument of the base, at a commit.
    :param base: the base, for people.
    :param base_commit: full hash of the base.
    :param patches: the base first, then the patches in order.
    :param declared: the declared effects.
    :param missing: the declared effects that were not observed.
    :param broken: what is broken only between two patches.
    :param net: the effects of the whole series: the base compared with the last tested patch.
    :param is_full: whether all cases were run for each patch.
    :param is_strict: whether findings fail the series.
    :param notes: notes for the user.
    :param base_origin: the origin of the base, as facts; ``base`` is the text for people.
    :param base_series: title of the shipped series that is part of the base; empty without one.
    :param options: the options of the command that are not left at their defaults; empty in older records.
    :param is_interrupted: whether the test was interrupted before its end.
    :param lines: which lines of the whole series were run; None when that is not known.
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
    options: tuple[CommandOption, ...] = ()
    is_interrupted: bool = False
    suffix: str = ""
    lines: ChangedLines | None = None
    format_version: int = field(default=FORMAT_VERSION)

    @property
    def posted_as(self) -> str:
        """Return the version as it was posted: ``v2``, ``v2.1``."""
        return f"v{self.version}{self.suffix}"

    @property
    def posted(self) -> tuple[PatchRecord, ...]:
        """Return the patches, without the base."""
        return self.patches[1:]

    @property
    def state(self) -> PatchState:
        """Return the state of the series."""
        states = {one.state for one in self.posted}
        if PatchState.FAIL in states or self.missing:
            return PatchState.FAIL
        if self.is_strict and PatchState.WARNING in states:
            return PatchState.FAIL
        return next((one for one in (PatchState.UNKNOWN, PatchState.WARNING) if one in states), PatchState.SUCCESS)

    @property
    def judged(self) -> Iterator[PatchRecord]:
        """Yield the patches that were booted, the base included."""
        return (one for one in self.patches if not one.failed)


def dump_series(record: SeriesRecord) -> str:
    """Return the record as JSON, ASCII only."""
    return dump_value(record)
