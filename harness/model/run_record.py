"""The run record: everything that a report needs, as frozen values, and its JSON form (``run.json``). Pure.

Reports take a :class:`RunRecord` and nothing else. ``FORMAT_VERSION`` grows when a field changes its meaning; a reader
refuses a newer one by name. A field that is only added does not raise it: an older reader leaves it out.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from harness.base.json_records import Seconds, dump_value, to_table
from harness.model.origin import UNKNOWN_ORIGIN, Origin
from harness.model.verdict import FAILED, Fault, Outcome, SplatReport, TraitSighting

FORMAT_VERSION = 2
"""Since 2, a problem has a kind; ``harness/results/older_formats.py`` reads what came before."""
NO_KERNEL_ID = "kernel/boots"
"""Id of the only case in the record of a kernel that could not be fetched, built or booted; no suite has this case."""
UNKNOWN = "unknown"
"""What stands for a fact of a kernel that could not be had."""


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many times a case came to an outcome, when it was asked more than once."""

    outcome: Outcome
    times: int


class ProblemKind(StrEnum):
    """What went wrong in a run beside its cases: what is to be done about it depends on this, not on the words."""

    CONTRADICTION = "contradiction"
    """Two cases saw different values of one trait, which therefore counts as not seen."""
    UNKNOWN_VALUE = "unknown value"
    """A case saw a trait or a value that the suite does not define."""
    BROKEN_FILE = "broken file"
    """A case file cannot be read."""
    EXPIRED = "expired"
    """A known failure is past its last day."""
    ABORTED = "aborted"
    """pytest itself failed."""
    OTHER = "other"
    """Recorded by a harness that did not distinguish it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error of a run that belongs to no case.

    :param text: for people; the first line is the sentence, the others are evidence.
    """

    kind: ProblemKind
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class KnownNote:
    """A known failure that a case met.

    :param trait: the trait that is known to differ; empty when it is the case itself that is known to fail.
    :param reason: why it fails.
    :param link: where that is discussed.
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
    """One case on one kernel.

    :param id: unique in the run, the same in every format: ``SUITE/views/siblings.session`` or
        ``SUITE/setns/test_fds.py::test_own[v2]``; always with ``/``, the path being that in the suite.
    :param classname: the id up to the last ``/`` or ``::``, with dots: what JUnit groups the case by.
    :param name: the rest of the id.
    :param title: what the case shows, in one line; empty when the case says none.
    :param outcome: how it ended.
    :param reason: the one line that matters; empty for a match.
    :param diff: expected against seen, unified.
    :param transcript: the session as it really went.
    :param seconds: wall time from asking for a machine to the verdict.
    :param started: seconds since the epoch (UTC).
    :param machine: how the machine was had: ``clone``, ``boot`` or empty when none was.
    :param folder: the case's own folder, relative to the run folder, with the logs; empty when there is none.
    :param fault: who must act, when the outcome is an error.
    :param digest: of the case file's text, so that a change of the case is not taken for one of the kernel; empty when
        it is not known.
    :param known: why the case is known to fail, in one line; empty when nobody said so, or it did not fail.
    :param excused: why its failure is no regression from the run's baseline, in one line; else empty.
    :param tries: what it came to how often, when it was asked more than once; the rest is of the first of its worst
        results, ``seconds`` of all.
    :param known_failures: what ``known`` says, entry by entry.
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

    @property
    def is_failure(self) -> bool:
        """Whether it says that the kernel is not as expected, and nobody has said that this is all right for now."""
        return self.outcome in FAILED and not self.known and not self.excused

    @property
    def times_asked(self) -> int:
        """How many times it came to a verdict on the kernel."""
        tries = self.tries or (OutcomeCount(self.outcome, 1),)
        return sum(one.times for one in tries if one.outcome not in (Outcome.SKIPPED, Outcome.ERROR))

    @property
    def times_failed(self) -> int:
        """How many of these times it failed."""
        return sum(one.times for one in self.tries or (OutcomeCount(self.outcome, 1),) if one.outcome in FAILED)

    @property
    def is_flaky(self) -> bool:
        """Whether it failed at some times and not at others."""
        return 0 < self.times_failed < self.times_asked

    @property
    def why_not_failed(self) -> str:
        """Why a case that is not as expected fails nothing; empty for any other case."""
        return (self.known or self.excused) if self.outcome in FAILED else ""


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """How a kernel was built; all fields empty for one that was had ready.

    :param source: where the tree came from, for humans: ``linux-source-6.1 6.1.192-2``, ``/home/u/linux at v6.6``.
    :param base: full hash of the commit that the series was applied to.
    :param commit: full hash of the commit that was built; ``base`` when there is no series.
    :param uncommitted: how many files of the user's tree differed from its commit.
    :param series: title of the series; :param series_version: its version, from 1; 0 without a series.
    :param patches: subjects, in the order in which they were applied.
    :param patch_digests: sha256 of each patch's mail, as git-am(1) took it; empty in records of older harnesses.
    :param fragments: the fragments of the configuration, by name.
    :param seconds: how long the compilation took when it was done; it may have been done by an earlier run.
    :param reused: from what the objects were taken; empty when all was compiled.
    :param warnings: new warnings of the compiler on lines that the series added, one line each.
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
    compiler: str = ""
    seconds: Seconds = 0.0
    reused: str = ""
    warnings: tuple[str, ...] = ()


NOT_BUILT = BuildRecord()


@dataclass(frozen=True, slots=True)
class KernelRecord:
    """The kernel under test: facts read from it, ``"unknown"`` where they could not be had.

    :param spec: what the user typed, ``deb`` when nothing.
    :param origin: where it came from, e.g. ``linux-image-6.1.0-56-cloud-amd64 6.1.192-2``, or the path.
    :param image_digest: sha256 of the image file.
    :param config_digest: sha256 of the config text, or ``unknown``.
    :param config_source: ``beside the image``, ``IKCONFIG in the image``, ``/proc/config.gz in the guest``, or
        ``unknown``.
    :param build: how it was built.
    :param came_from: ``origin``, of a kernel that was built the source alone, as facts.
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


def is_known(fact: str) -> bool:
    """Whether a fact of a kernel was had; two kernels of which it was not are not the same for that."""
    return fact not in ("", UNKNOWN)


def no_kernel(spec: str) -> KernelRecord:
    """The record of a kernel that did not come to be: of no fact more is known than what the user typed."""
    return KernelRecord(spec, spec, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)


@dataclass(frozen=True, slots=True)
class TraitRecord:
    """What one trait came to in this run.

    :param seen: the value seen, empty when no case showed one.
    :param expected: the value of the profile, empty when the profile does not say or describes only.
    :param confirmed: whether the expectation is confirmed by a primary source.
    :param meaning: the trait in one sentence.
    :param where: the places that showed the value.
    :param known: why the value is known to differ from the expected one, in one line; empty when nobody said so.
    """

    trait: str
    seen: str
    expected: str
    confirmed: bool
    meaning: str
    where: tuple[str, ...] = ()
    known: str = ""


@dataclass(frozen=True, slots=True)
class BaselineRecord:
    """What a run came to against an earlier one; all fields empty for a run without a baseline.

    :param run: name of the baseline's run folder; :param kernel: the KERNEL word that it was started with.
    :param regressed: ids of cases, names of traits, fingerprints of splats.
    :param failures: the same, and new cases that fail; the run failed if there is any.
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
class RunRecord:
    """A run: one kernel, its cases, and what can be said of the whole.

    :param started: seconds since the epoch (UTC).
    :param seconds: wall time of the whole run.
    :param complete: false while the run goes on, or when it was interrupted or killed.
    :param acceleration: ``kvm`` or ``tcg``; :param acceleration_evidence: the one line that says why.
    :param profile: name of the profile that judged, e.g. ``mainline-6.1``; ``auto`` when the run only describes.
    :param suite: the suite of the cases: the name of a shipped one, the folder of any other.
    :param nearest: the profiles nearest to what was seen, best first, as ``v4: 2 of 36 traits differ: a, b``; see
        ``harness/semantics/nearest.py``.
    :param notes: one line each: what the user should know (booted afresh because ..., config unknown, ...).
    :param problems: errors that belong to no case (two cases that contradict each other on a trait).
    :param host: facts of the host in one line; :param hostname: its name on the network.
    """

    kernel: KernelRecord
    started: Seconds
    seconds: Seconds = 0.0
    complete: bool = False
    acceleration: str = ""
    acceleration_evidence: str = ""
    qemu: str = ""
    machine_type: str = ""
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
    baseline: BaselineRecord = NO_BASELINE
    format_version: int = field(default=FORMAT_VERSION)


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
