# SPDX-License-Identifier: GPL-2.0-only
"""Define the exceptions, by the person who has to act. Pure.

    HarnessError                      problem, evidence, hint
    +-- UsageError      exit 4        the user: a wrong argument, a missing image, an unwritable folder
    +-- CaseError       exit 2        the author of the case file: unknown header, prompt not declared, ...
    +-- SeriesError     exit 1        the author of the series or kernel: does not build, does not boot (a result)
    +-- HostError       exit 3        the administrator of this host: a program missing, the disk full, QEMU gone

A kernel's behavior during a case (a mismatch, a time-out, a splat, a panic, a lost machine) is a verdict and not an
exception: see ``harness/model/verdict.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import ClassVar


class ExitStatus(IntEnum):
    """Exit status of the ``harness`` command; a kernel's fault and the harness's never share a number."""

    AS_EXPECTED = 0
    DIFFERS = 1
    CASE_BROKEN = 2
    HOST = 3
    USAGE = 4
    CANNOT_BE_JUDGED = 125
    """Only with ``--bisect-status``: git-bisect(1) skips the commit."""
    STOP = 128
    """Only with ``--bisect-status``: the kernel is not at fault, and git-bisect(1) stops."""
    INTERRUPTED = 130


class Stage(StrEnum):
    """The stage of a kernel in which an error was raised."""

    APPLY = "apply"
    CONFIGURE = "configure"
    BUILD = "build"
    BOOT = "boot"


class HarnessError(Exception):
    """An error with a problem, the evidence, and a hint.

    :param what: the object and the problem, in one sentence without a full stop, with the name that the user typed.
    :param evidence: lines of a log, bytes of a header, output of a program.
    :param remedy: the hint; a command to type where there is one.
    :param log: the whole log that the evidence is taken from; None when there is none.
    :param packages: the Debian packages that provide what this host is missing.
    """

    exit_status: ClassVar[ExitStatus] = ExitStatus.HOST
    stage: Stage | None = None
    """The stage in which it was raised; None where no stage is known. Lost between processes."""

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
    """Set the stage of each :class:`HarnessError` that leaves the block without one.

    :param stage: the stage of the block.
    """
    try:
        yield
    except HarnessError as error:
        error.stage = error.stage or stage
        raise


@contextmanager
def provided_by(packages: Iterable[str]) -> Iterator[None]:
    """Add Debian packages to each :class:`HarnessError` that leaves the block without any.

    :param packages: the packages of the programs that the block runs.
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
    """The user must act: a wrong argument, a missing image, a folder that cannot be written."""

    exit_status = ExitStatus.USAGE


class NewerFormatError(UsageError):
    """A file has a format of a newer harness, which this one cannot read; the file is not damaged."""


class NotInKernelError(UsageError):
    """The kernel does not have what a shipped variant is made of, such as PREEMPT_RT; this says nothing against it."""


class CaseError(HarnessError):
    """The author of the case must act: the case file is invalid."""

    exit_status = ExitStatus.CASE_BROKEN


class SeriesError(HarnessError):
    """The author of the kernel must act: it does not apply, build or boot. This is a result of the test."""

    exit_status = ExitStatus.DIFFERS


class HostError(HarnessError):
    """This host is at fault: a program is missing, the disk is full, QEMU ended. A retry may succeed."""

    exit_status = ExitStatus.HOST


class DiskFullError(HostError):
    """No space is left on a disk of this host; what waits may go on when there is."""
