"""The run record: everything that a report needs, as frozen values, and its JSON form (``run.json``).

Reports take a :class:`RunRecord` and nothing else. ``FORMAT_VERSION`` grows when a field changes its meaning; a reader
refuses a newer one by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.verdict import Outcome, SplatReport, TraitSighting

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """One case on one kernel.

    :param id: unique in the run, the same in every format: ``cases/views/siblings.session`` or
        ``cases/setns/test_fds.py::test_own[v2]``; always with ``/`` and relative to the cases folder's parent.
    :param classname: first part of the JUnit name: the id up to the last ``/`` or ``::``, with dots.
    :param name: second part of the JUnit name.
    :param title: what the case shows, in one line; empty when the case says none.
    :param outcome: how it ended.
    :param reason: the one line that matters; empty for a match.
    :param diff: expected against seen, unified.
    :param transcript: the session as it really went.
    :param seconds: wall time from asking for a machine to the verdict.
    :param started: seconds since the epoch (UTC).
    :param machine: how the machine was had: ``clone``, ``boot`` or empty when none was.
    :param folder: the case's own folder, relative to the run folder, with the logs; empty when there is none.
    """

    id: str
    classname: str
    name: str
    outcome: Outcome
    title: str = ""
    reason: str = ""
    diff: str = ""
    transcript: str = ""
    seconds: float = 0.0
    started: float = 0.0
    machine: str = ""
    folder: str = ""
    splats: tuple[SplatReport, ...] = ()
    sightings: tuple[TraitSighting, ...] = ()


@dataclass(frozen=True, slots=True)
class KernelRecord:
    """The kernel under test: facts read from it, ``"unknown"`` where they could not be had.

    :param spec: what the user typed, ``deb`` when nothing.
    :param origin: where it came from, e.g. ``linux-image-6.1.0-56-cloud-amd64 6.1.192-2``, or the path.
    :param image_digest: sha256 of the image file.
    :param config_digest: sha256 of the config text, or ``unknown``.
    :param config_source: ``beside the image``, ``IKCONFIG in the image``, ``/proc/config.gz in the guest``, ``unknown``.
    """

    spec: str
    origin: str
    release: str
    architecture: str
    image_digest: str
    config_digest: str
    config_source: str


@dataclass(frozen=True, slots=True)
class TraitRecord:
    """What one trait came to in this run.

    :param seen: the value seen, empty when no case showed one.
    :param expected: the value of the profile, empty when the profile does not say or describes only.
    :param confirmed: whether the expectation is confirmed by a primary source.
    :param meaning: the trait in one sentence.
    :param where: the places that showed the value.
    """

    trait: str
    seen: str
    expected: str
    confirmed: bool
    meaning: str
    where: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run: one kernel, its cases, and what can be said of the whole.

    :param started: seconds since the epoch (UTC).
    :param seconds: wall time of the whole run.
    :param complete: false while the run goes on, or when it was interrupted or killed.
    :param acceleration: ``kvm`` or ``tcg``; :param acceleration_evidence: the one line that says why.
    :param profile: name of the profile that judged, e.g. ``mainline-6.1``; ``auto`` when the run only describes.
    :param nearest: the profiles nearest to what was seen, as ``name: N differ``, best first.
    :param notes: one line each: what the user should know (booted afresh because ..., config unknown, ...).
    :param problems: errors that belong to no case (two cases that contradict each other on a trait).
    """

    kernel: KernelRecord
    started: float
    seconds: float = 0.0
    complete: bool = False
    acceleration: str = ""
    acceleration_evidence: str = ""
    qemu: str = ""
    machine_type: str = ""
    guest_image_digest: str = ""
    profile: str = ""
    host: str = ""
    command: str = ""
    harness_version: str = ""
    workers: int = 1
    boot_seconds: float = 0.0
    nearest: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    traits: tuple[TraitRecord, ...] = ()
    cases: tuple[CaseRecord, ...] = ()
    format_version: int = field(default=FORMAT_VERSION)
