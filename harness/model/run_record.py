# SPDX-License-Identifier: GPL-2.0-only
"""Define the run record, which has everything that a report needs, and its JSON form (``run.json``). Pure.

Reports take a :class:`RunRecord` and nothing else. ``FORMAT_VERSION`` is increased when a field changes its meaning,
and a reader refuses a newer version. An added field does not increase it: an older reader ignores the field.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath

from harness.base.json_records import Seconds, dump_value, to_table
from harness.model.command_option import CommandOption
from harness.model.inventory import InventoryEntry
from harness.model.origin import UNKNOWN_ORIGIN, Origin
from harness.model.shard import NO_SHARD, ShardRecord
from harness.model.verdict import FAILED, Fault, Outcome, SplatReport, TraitSighting

FORMAT_VERSION = 2
"""Since 2, a problem has a kind; ``harness/results/older_formats.py`` reads older records."""
NO_KERNEL_ID = "kernel/boots"
"""Id of the only case in the record of a kernel that could not be fetched, built or booted; no suite has this case."""
_DOTS = re.compile(r"\.{1,2}(?:/\.{1,2})*/?(?=[@+]|\Z)")
"""A path without a name."""
UNKNOWN = "unknown"
"""The value of a fact about a kernel that is not known."""


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How often a repeated case had an outcome."""

    outcome: Outcome
    times: int


class ProblemKind(StrEnum):
    """The kind of a problem of a run outside its cases; reports depend on it, not on the text."""

    CONTRADICTION = "contradiction"
    """Two cases showed different values of one trait; recorded by older harnesses, today the trait is mixed."""
    UNKNOWN_VALUE = "unknown value"
    """A case showed a trait or a value that the suite does not define."""
    BROKEN_FILE = "broken file"
    """A case file cannot be read."""
    EXPIRED = "expired"
    """A known failure is past its last day."""
    ABORTED = "aborted"
    """pytest itself failed."""
    INVENTORY = "inventory"
    """The inventory could not be taken."""
    MISSING_SHARD = "missing shard"
    """Runs were merged without one of their shards."""
    OTHER = "other"
    """Recorded by an older harness without kinds."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error of a run that belongs to no case.

    :param kind: its kind.
    :param text: the text for people: a sentence on the first line, evidence on the others.
    """

    kind: ProblemKind
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class KnownNote:
    """A known failure that a case met.

    :param trait: the trait that is known to differ; empty when the case itself is known to fail.
    :param reason: why it fails.
    :param link: link to the discussion.
    :param expires: the last day on which the failure is known.
    """

    trait: str
    reason: str
    link: str
    expires: datetime.date

    def __str__(self) -> str:
        of = f"{self.trait} " if self.trait else ""
        return f"{of}known until {self.expires}: {self.reason} ({self.link})"


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """The record of one case on one kernel.

    :param id: unique in the run, and equal in every format: ``SUITE/views/siblings.session`` or
        ``SUITE/setns/test_fds.py::test_own[v2]``; always with ``/``, with the path in the suite.
    :param classname: the id up to the last ``/`` or ``::``, with dots; JUnit groups cases by it.
    :param name: the rest of the id.
    :param title: the title of the case, in one line; empty without one.
    :param outcome: how it ended.
    :param reason: the one line that matters; empty for a match.
    :param diff: unified diff of the expected and the observed output.
    :param transcript: the session as it ran.
    :param seconds: wall time from the request for a machine to the verdict.
    :param started: seconds since the epoch (UTC).
    :param machine: how the machine was started: ``clone`` or ``boot``; empty without a machine.
    :param folder: the case's own folder with the logs, relative to the run folder; empty without one.
    :param splats: the splats in the kernel log while the case ran.
    :param sightings: the trait values that the case showed.
    :param fault: where to fix an error: the case or the host.
    :param digest: digest of the case file's text, to distinguish a changed case from a changed kernel; empty when it is
        not known.
    :param known: why the case is known to fail, in one line; empty for no known failure, or when it did not fail.
    :param excused: why its failure is not a regression from the run's baseline, in one line; else empty.
    :param tries: the outcomes of a repeated case; the other fields are those of its first worst result, ``seconds``
        that of all.
    :param known_failures: the entries behind ``known``.
    :param unjudged: why its failure says nothing about the kernel without a run of another kernel to compare with, in
        one line; else empty.
    :param is_free_text: whether the transcript is text of a program whose result alone is judged: it is not compared.
    """

    id: str
    classname: str
    name: str
    outcome: Outcome
    title: str = ""
    reason: str = ""
    diff: str = ""
    transcript: str = ""
    seconds: Seconds = 0.0
    started: Seconds = 0.0
    machine: str = ""
    folder: str = ""
    splats: tuple[SplatReport, ...] = ()
    sightings: tuple[TraitSighting, ...] = ()
    fault: Fault = Fault.NONE
    digest: str = ""
    known: str = ""
    excused: str = ""
    tries: tuple[OutcomeCount, ...] = ()
    known_failures: tuple[KnownNote, ...] = ()
    unjudged: str = ""
    is_free_text: bool = False

    @property
    def is_failure(self) -> bool:
        """Return whether the kernel is not as expected, and the failure is neither known, nor excused, nor unjudged."""
        return self.outcome in FAILED and not self.why_not_failed

    @property
    def times_asked(self) -> int:
        """Return how many times it had a verdict on the kernel."""
        tries = self.tries or (OutcomeCount(self.outcome, 1),)
        return sum(one.times for one in tries if one.outcome not in (Outcome.SKIPPED, Outcome.ERROR))

    @property
    def times_failed(self) -> int:
        """Return how many times it failed."""
        return sum(one.times for one in self.tries or (OutcomeCount(self.outcome, 1),) if one.outcome in FAILED)

    @property
    def is_flaky(self) -> bool:
        """Return whether it failed in some runs and not in others."""
        return 0 < self.times_failed < self.times_asked

    @property
    def is_unjudged(self) -> bool:
        """Return whether it failed, and nothing says whether the kernel is the reason."""
        return self.outcome in FAILED and bool(self.unjudged) and not self.known and not self.excused

    @property
    def why_not_failed(self) -> str:
        """Return why an unexpected outcome does not fail the run; empty for any other case."""
        return (self.known or self.excused or self.unjudged) if self.outcome in FAILED else ""


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """How a kernel was built; all fields are empty for a prebuilt kernel.

    :param source: origin of the tree, for people: ``linux-source-6.1 6.1.192-2``, ``/home/u/linux at v6.6``.
    :param base: full hash of the commit that the series was applied to.
    :param commit: full hash of the commit that was built; ``base`` without a series.
    :param uncommitted: number of files of the user's tree that differed from its commit.
    :param series: title of the series; empty without one.
    :param series_version: the number of its version, from 1; 0 without a series.
    :param series_suffix: the text after that number: ``.1`` of v2.1, ``b`` of v5b; empty in records of older harnesses.
    :param patches: subjects, in the order in which they were applied.
    :param patch_digests: sha256 of each patch's mail, as git-am(1) took it; empty in records of older harnesses.
    :param fragments: names of the config fragments.
    :param make: variables of make that chose compiler and linker, such as ``LLVM=1``.
    :param compiler: the version lines of compiler and linker.
    :param seconds: duration of the build, which may be that of an earlier run.
    :param reused: the objects that the build started from; empty when everything was compiled.
    :param warnings: new compiler warnings about lines that the series added, one line each.
    """

    source: str = ""
    base: str = ""
    commit: str = ""
    uncommitted: int = 0
    series: str = ""
    series_version: int = 0
    patches: tuple[str, ...] = ()
    patch_digests: tuple[str, ...] = ()
    fragments: tuple[str, ...] = ()
    make: tuple[str, ...] = ()
    compiler: str = ""
    seconds: Seconds = 0.0
    reused: str = ""
    warnings: tuple[str, ...] = ()
    series_suffix: str = ""

    @property
    def posted_as(self) -> str:
        """Return the version of the series as it was posted: ``v2``, ``v2.1``; empty without a series."""
        return f"v{self.series_version}{self.series_suffix}" if self.series_version else ""


NOT_BUILT = BuildRecord()


@dataclass(frozen=True, slots=True)
class KernelRecord:
    """The kernel under test: the facts read from it, ``"unknown"`` for missing ones.

    :param spec: the KERNEL argument; ``deb`` by default.
    :param origin: package and version, e.g. ``linux-image-6.1.0-56-cloud-amd64 6.1.192-2``, or the path.
    :param image_digest: sha256 of the image file.
    :param config_digest: sha256 of the config text, or ``unknown``.
    :param config_source: ``beside the image``, ``IKCONFIG in the image``, ``/proc/config.gz in the guest``, or
        ``unknown``.
    :param build: how it was built.
    :param came_from: the origin as facts; for a built kernel its source alone.
    :param parameters: the kernel parameters of ``--append``.
    :param stable: the stable version, if the release hides it: 6.1.192 for 6.1.0-57-cloud-amd64; else empty.
    :param variant: name of the variant; empty for the plain kernel.
    """

    spec: str
    origin: str
    release: str
    architecture: str
    image_digest: str
    config_digest: str
    config_source: str
    build: BuildRecord = NOT_BUILT
    came_from: Origin = UNKNOWN_ORIGIN
    parameters: tuple[str, ...] = ()
    stable: str = ""
    variant: str = ""

    @property
    def called(self) -> str:
        """Return the KERNEL argument and the variant for people: ``deb-src:6.1 (debug)``."""
        return f"{self._argument} ({self.variant})" if self.variant else self._argument

    @property
    def _argument(self) -> str:
        """Return the KERNEL argument for people; a tree given as ``.`` is called by its folder and commit."""
        dots = _DOTS.match(self.spec)
        if dots is None or not self.came_from.path:
            return self.spec
        rest = self.spec[dots.end() :]
        revision = self.came_from.revision
        at = f"@{revision}" if revision and not rest.startswith("@") else ""
        return f"{PurePath(self.came_from.path).name}{at}{rest}"

    @property
    def located(self) -> str:
        """Return the KERNEL argument for another folder; a tree given as ``.`` has its path."""
        dots = _DOTS.match(self.spec)
        return f"{self.came_from.path}{self.spec[dots.end() :]}" if dots and self.came_from.path else self.spec


def is_known(fact: str) -> bool:
    """Return whether a fact about a kernel is known; two unknown facts do not count as equal."""
    return fact not in ("", UNKNOWN)


def no_kernel(spec: str, variant: str = "") -> KernelRecord:
    """Record a kernel that could not be prepared: only the KERNEL argument and the variant are known."""
    return KernelRecord(spec, spec, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, variant=variant)


@dataclass(frozen=True, slots=True)
class MixedValue:
    """One of several values of a trait that a run has shown.

    :param value: the value.
    :param where: file and line of the steps that showed it.
    """

    value: str
    where: tuple[str, ...]

    def __str__(self) -> str:
        more = f" and {len(self.where) - 1} more" if len(self.where) > 1 else ""
        return f"{self.value} at {self.where[0]}{more}"


@dataclass(frozen=True, slots=True)
class TraitRecord:
    """Return the result of one trait in a run.

    :param trait: its name.
    :param seen: the observed value; empty when no case showed one, or when the trait is mixed.
    :param expected: the value in the profile; empty when the profile has none or the run only describes.
    :param confirmed: whether the expectation is confirmed by a primary source.
    :param meaning: the trait in one sentence.
    :param where: file and line of the steps that showed the value.
    :param known: why the value is known to differ from the expected one, in one line; empty for no known difference.
    :param mixed: the values of a mixed trait, of which different cases showed different ones; else empty.
    """

    trait: str
    seen: str
    expected: str
    confirmed: bool
    meaning: str
    where: tuple[str, ...] = ()
    known: str = ""
    mixed: tuple[MixedValue, ...] = ()

    @property
    def shown(self) -> str:
        """Return the observed value, or ``mixed (VALUE, VALUE)``; empty when no case showed one."""
        return f"mixed ({', '.join(one.value for one in self.mixed)})" if self.mixed else self.seen


@dataclass(frozen=True, slots=True)
class BaselineRecord:
    """The comparison of a run with an earlier one; all fields are empty for a run without a baseline.

    :param run: name of the baseline's run folder.
    :param kernel: the KERNEL argument of the baseline.
    :param regressed: ids of cases, names of traits and fingerprints of splats that regressed.
    :param failures: those of ``regressed``, and new cases that fail; the run failed if there are any.
    """

    run: str = ""
    kernel: str = ""
    release: str = ""
    image_digest: str = ""
    regressed: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


NO_BASELINE = BaselineRecord()


@dataclass(frozen=True, slots=True)
class CoverageRecord:
    """How the kernel code that the cases ran was noted.

    :param template: name of the template of the machines, for the functions of the kernel; empty if nothing was noted.
    :param problem: why nothing was noted although it was wanted, in one line; empty otherwise.
    """

    template: str = ""
    problem: str = ""


NO_COVERAGE = CoverageRecord()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The record of a run: one kernel and its cases.

    :param started: seconds since the epoch (UTC).
    :param seconds: wall time of the whole run.
    :param complete: false while the run goes on, when it was interrupted or killed, or when a shard is missing.
    :param acceleration: ``kvm`` or ``tcg``.
    :param acceleration_evidence: why, in one line.
    :param profile: name of the profile that the run was compared with, e.g. ``mainline-6.1``; ``auto`` when the run
        only describes.
    :param suite: the suite of the cases: its name when it is shipped, else its folder.
    :param machine_type: name of the machine type, or the path of its file.
    :param command_line: the whole command line of the kernel; empty in records of older harnesses.
    :param nearest: the nearest profiles, best first, as ``v4: 2 of 36 traits differ: a, b``; see
        ``harness/semantics/nearest.py``.
    :param notes: notes for the user, one line each.
    :param problems: errors that belong to no case (a broken case file, an expired known failure).
    :param not_run: ids of selected cases that were not run, since -x or an interruption ended the run.
    :param options: the options of the command that are not left at their defaults; empty in older records.
    :param is_partial: whether only some cases of the suite were selected.
    :param inventory: what user space finds on the kernel, with ``--inventory``; else empty.
    :param host: facts of the host in one line.
    :param hostname: name of the host on the network.
    """

    kernel: KernelRecord
    started: Seconds
    seconds: Seconds = 0.0
    complete: bool = False
    acceleration: str = ""
    acceleration_evidence: str = ""
    qemu: str = ""
    machine_type: str = ""
    command_line: str = ""
    guest_image_digest: str = ""
    profile: str = ""
    suite: str = ""
    host: str = ""
    hostname: str = ""
    command: str = ""
    harness_version: str = ""
    workers: int = 1
    boot_seconds: Seconds = 0.0
    nearest: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    traits: tuple[TraitRecord, ...] = ()
    cases: tuple[CaseRecord, ...] = ()
    not_run: tuple[str, ...] = ()
    is_partial: bool = False
    options: tuple[CommandOption, ...] = ()
    baseline: BaselineRecord = NO_BASELINE
    coverage: CoverageRecord = NO_COVERAGE
    shard: ShardRecord = NO_SHARD
    inventory: tuple[InventoryEntry, ...] = ()
    format_version: int = field(default=FORMAT_VERSION)

    @property
    def is_interrupted(self) -> bool:
        """Return whether the run did not finish; merged runs with a missing shard are incomplete for another reason."""
        return not self.complete and not any(one.kind is ProblemKind.MISSING_SHARD for one in self.problems)


def dump_run(run: RunRecord) -> str:
    """Return the record as JSON: ASCII only, so that even half a surrogate pair from a guest survives on disk."""
    return dump_value(run, first=("format_version",))


def dumps_several(runs: Sequence[RunRecord], *, names: Sequence[str]) -> str:
    """Return several records as one JSON object, ``{"format_version": ..., "runs": [...]}``, each with its ``name``."""
    tables = [{"name": name, **to_table(run)} for name, run in zip(names, runs, strict=True)]
    return json.dumps({"format_version": FORMAT_VERSION, "runs": tables}, indent=1, allow_nan=False) + "\n"


def dumps_case(case: CaseRecord) -> str:
    """Return one case as JSON on one line, newline included."""
    return dump_value(case, indent=None)
