# SPDX-License-Identifier: GPL-2.0-only
"""Errors, sorted by who must act. Pure.

    HarnessError                      what, evidence, remedy
    +-- UsageError      exit 4        who started the run: a wrong word, a missing image, an unwritable folder
    +-- CaseError       exit 2        who wrote the case file: unknown header, prompt not declared, ...
    +-- SeriesError     exit 1        the author of the series or kernel: does not build, does not boot (a result)
    +-- HostError       exit 3        this machine: a program missing, the disk full, QEMU gone (worth a retry)

What a kernel does during a case (a mismatch, a time-out, a splat, a panic, a lost machine) is a verdict and not an
exception: see ``harness/model/verdict.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import ClassVar


class ExitStatus(IntEnum):
    """Exit status of the ``harness`` command; never one number for a kernel's fault and the harness's."""

    AS_EXPECTED = 0
    DIFFERS = 1
    CASE_BROKEN = 2
    HOST = 3
    USAGE = 4
    CANNOT_BE_JUDGED = 125
    """Only with ``--bisect-status``: git-bisect(1) skips the commit."""
    STOP = 128
    """Only with ``--bisect-status``: not the kernel is at fault, and git-bisect(1) ends."""
    INTERRUPTED = 130


class Stage(StrEnum):
    """What was being done with a kernel when an error came, for who tells the stages of a series apart."""

    APPLY = "apply"
    CONFIGURE = "configure"
    BUILD = "build"
    BOOT = "boot"


class HarnessError(Exception):
    """An error that says what is wrong, shows the evidence and says what to do now.

    :param what: one sentence, no full stop, naming the thing by the words the user typed.
    :param evidence: what was seen: the lines of a log, the bytes of a header, the answer of a program.
    :param remedy: what to do now; a command where there is one.
    :param log: the file that holds everything the evidence was taken from; None when there is none.
    :param packages: the Debian packages that provide what this host is missing.
    """

    exit_status: ClassVar[ExitStatus] = ExitStatus.HOST
    stage: Stage | None = None
    """At which stage of a kernel it came; None where no stage is known. Not kept across processes."""

    def __init__(
        self,
        what: str,
        *,
        evidence: str = "",
        remedy: str = "",
        log: Path | None = None,
        packages: Iterable[str] = (),
    ) -> None:
        super().__init__(what, evidence, remedy)
        self.what = what
        self.evidence = evidence
        self.remedy = remedy
        self.log = log
        self.packages = tuple(packages)

    def __reduce__(self) -> tuple[object, ...]:
        # An error crosses process borders (xdist); keyword-only arguments would be lost by the default.
        return _rebuild, (type(self), self.what, self.evidence, self.remedy, self.log, self.packages)

    def __str__(self) -> str:
        parts = [self.what]
        evidence = [self.evidence.rstrip("\n")] if self.evidence.strip() else []
        if self.log is not None:
            evidence.append(f"the whole log: {self.log}")
        if evidence:
            parts.append("\n".join(f"    {line}" for line in "\n".join(evidence).split("\n")))
        if self.remedy:
            parts.append(f"hint: {self.remedy}")
        return "\n".join(parts)


@contextmanager
def during(stage: Stage) -> Iterator[None]:
    """Note the stage in every error of ours that comes out of the block and has none yet."""
    try:
        yield
    except HarnessError as error:
        error.stage = error.stage or stage
        raise


@contextmanager
def provided_by(packages: Iterable[str]) -> Iterator[None]:
    """Note the Debian packages in every error of ours that comes out of the block and names none yet.

    :param packages: what provides the programs that the block runs.
    """
    try:
        yield
    except HarnessError as error:
        error.packages = error.packages or tuple(packages)
        raise


def _rebuild(
    kind: type[HarnessError], what: str, evidence: str, remedy: str, log: Path | None, packages: tuple[str, ...]
) -> HarnessError:
    return kind(what, evidence=evidence, remedy=remedy, log=log, packages=packages)


class UsageError(HarnessError):
    """Who started the run must act: a wrong word, a missing image, a folder that cannot be written."""

    exit_status = ExitStatus.USAGE


class NewerFormatError(UsageError):
    """A file was written by a newer harness, in a format that this one cannot read; the file itself is sound."""


class CaseError(HarnessError):
    """Who wrote the case must act: the case file cannot be read as one, or two cases contradict each other."""

    exit_status = ExitStatus.CASE_BROKEN


class SeriesError(HarnessError):
    """The author of the kernel must act: it does not apply, build or boot. This is a result, not an accident."""

    exit_status = ExitStatus.DIFFERS


class HostError(HarnessError):
    """This machine is at fault: a program is missing, the disk is full, QEMU went away. Worth a retry."""

    exit_status = ExitStatus.HOST
