# SPDX-License-Identifier: GPL-2.0-only
"""Read which targets the user wants to trace, and choose what is done on each commit for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError
from harness.bisect.observed import ObservedRun
from harness.bisect.targets import Kind, Target, find_targets, splat_targets
from harness.inventory import require_sections
from harness.results.case_ids import current_case_id
from harness.run.selection import Selection
from harness.semantics.traits import near
from harness.suite.definition import Suite
from harness.suite.load import case_id, case_paths_below, suite_semantics

_FORMS = "builds, boots, case:ID, trait:NAME, splat:FINGERPRINT or inventory:KEY"
_FINGERPRINT = re.compile(r"[0-9a-f]{6,}")
_FEW_FILES = 8
"""A splat that no case has logged is looked for again, if no more files than these run."""


@dataclass(frozen=True, slots=True)
class WantedTarget:
    """A target that the user named.

    :param kind: its kind.
    :param name: a trait, a part of a case id or of a key, the first digits of a fingerprint; empty for ``builds`` and
        ``boots``.
    """

    kind: Kind
    name: str = ""

    @property
    def label(self) -> str:
        """Return its name for messages."""
        return self.name or str(self.kind)

    @property
    def word(self) -> str:
        """Return it as an argument of ``--target``."""
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)

    def matches(self, target: Target) -> bool:
        """Return whether this names a target."""
        if self.kind is not target.kind:
            return False
        match self.kind:
            case Kind.TRAIT:
                return target.name == self.name
            case Kind.CASE:
                return current_case_id(self.name) in target.name
            case Kind.SPLAT:
                return target.name.startswith(self.name)
            case Kind.INVENTORY:
                return self.name in target.name
        return True


def parse_target(word: str) -> WantedTarget:
    """Read an argument of ``--target``.

    :raises UsageError: it has no such form.
    """
    kind, colon, name = word.partition(":")
    if kind not in list(Kind) or bool(colon) == (kind in (Kind.BUILDS, Kind.BOOTS)) or (colon and not name):
        raise UsageError(f"--target {word}: not a target", remedy=f"write {_FORMS}")
    if kind == Kind.SPLAT and not _FINGERPRINT.fullmatch(name):
        remedy = "take it from a report, or from a log: harness splats FILE"
        raise UsageError(f"--target {word}: a fingerprint has six hexadecimal digits or more", remedy=remedy)
    return WantedTarget(Kind(kind), name)


@dataclass(frozen=True, slots=True)
class TraceSelection:
    """The targets to trace, and the cases to run on the ends.

    :param traits: names of traits.
    :param cases: parts of case ids.
    :param files: case files or folders to run on the ends; empty for all.
    :param expression: an expression of pytest's ``-k``.
    :param targets: the targets of ``--target``. Without any target all cases and traits that differ are traced.
    """

    traits: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    expression: str = ""
    targets: tuple[WantedTarget, ...] = ()

    @property
    def named(self) -> tuple[WantedTarget, ...]:
        """Return the targets that must differ between the ends."""
        return (
            *(WantedTarget(Kind.TRAIT, name) for name in self.traits),
            *(WantedTarget(Kind.CASE, name) for name in self.cases),
            *self.targets,
        )

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return the selection as arguments of the command line."""
        return (
            *(f"--trait={name}" for name in self.traits),
            *(f"--case={name}" for name in self.cases),
            *(f"--cases={path}" for path in self.files),
            *([f"-k {self.expression}"] if self.expression else []),
            *(f"--target={one.word}" for one in self.targets),
        )

    @property
    def runs_cases(self) -> bool:
        """Return whether cases are run."""
        return not self.named or any(one.kind.is_of_cases for one in self.named)

    @property
    def boots(self) -> bool:
        """Return whether kernels are booted."""
        return not self.named or any(one.kind is not Kind.BUILDS for one in self.named)

    @property
    def takes_inventory(self) -> bool:
        """Return whether inventories are taken."""
        return any(one.kind is Kind.INVENTORY for one in self.named)

    def is_target(self, target: Target) -> bool:
        """Return whether a target that differs is traced."""
        return not self.named or any(one.matches(target) for one in self.named)

    def candidates(self, good: ObservedRun, bad: ObservedRun) -> list[Target]:
        """Return all targets of two kernels, whether they differ or not."""
        found = find_targets(good.cases, bad.cases)
        for one in self.named:
            if one.kind is Kind.SPLAT:
                found += splat_targets(good.cases, bad.cases, one.name)
            elif one.kind in (Kind.BUILDS, Kind.BOOTS):
                found.append(Target(one.kind, ""))
        if good.inventory is not None and bad.inventory is not None:
            keys = [*good.inventory, *(key for key in bad.inventory if key not in good.inventory)]
            found += [Target(Kind.INVENTORY, key) for key in keys]
        return list(dict.fromkeys(found))

    def may_be_flaky(self, target: Target) -> bool:
        """Return whether a target with equal values at both ends is looked at again."""
        if not self.named or not target.kind.is_of_cases or not self.is_target(target):
            return False
        return target.kind is not Kind.SPLAT or len(target.files) <= _FEW_FILES


def select(wanted: TraceSelection, suite: Suite, workers: int) -> Selection:
    """Return the cases to run on the ends.

    :param wanted: the user's selection.
    :param suite: the suite of the cases.
    :param workers: the number of machines in parallel.
    :raises UsageError: no such trait or case, or the suite has no inventory.
    """
    semantics = suite_semantics(suite)
    named: dict[Kind, list[str]] = {kind: [one.name for one in wanted.named if one.kind is kind] for kind in Kind}
    for name in named[Kind.TRAIT]:
        if name not in semantics.traits:
            remedy = "list the traits: harness semantics"
            raise UsageError(f"--trait {name}: no such trait{near(name, semantics.traits)}", remedy=remedy)
    if named[Kind.INVENTORY]:
        require_sections(suite)
    if named[Kind.SPLAT] or not (named[Kind.TRAIT] or named[Kind.CASE]):
        return Selection(tuple(wanted.files), wanted.expression, workers)
    files = _case_files(wanted.files, suite)
    chosen: dict[Path, None] = {}
    for name in named[Kind.TRAIT]:
        chosen |= dict.fromkeys(path for path in files if name in path.read_text(errors="replace"))
    for name in named[Kind.CASE]:
        part = current_case_id(name).partition("::")[0]
        found = [path for path in files if part in case_id(path, suite)]
        if not found:
            remedy = "give a part of a case id; harness semantics TRAIT lists the cases of a trait"
            raise UsageError(f"--case {name}: no case id contains this", remedy=remedy)
        chosen |= dict.fromkeys(found)
    return Selection(tuple(chosen), wanted.expression, workers)


def _case_files(paths: Sequence[Path], suite: Suite) -> list[Path]:
    found = []
    for path in paths or (suite.folder,):
        found += [path] if path.is_file() else case_paths_below(path)
    return sorted(path.resolve() for path in found)
