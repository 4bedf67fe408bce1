# SPDX-License-Identifier: GPL-2.0-only
"""Define the verdict on a case: its outcome and the trait values that it showed.

Pure: observations, kernel log and profile in; a :class:`Verdict` out. The order of the outcomes is the order in which
they explain each other: a lost machine explains everything, a splat explains a time-out, a time-out explains a
mismatch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of a case. All but ``ERROR`` and ``SKIPPED`` are statements about the kernel."""

    MATCH = "match"
    """All output matched the case file, and the kernel log is clean."""
    MISMATCH = "mismatch"
    """The output differs from the case file."""
    TIMEOUT = "timeout"
    """A command did not return in time; the reason says what still responds."""
    KERNEL = "kernel"
    """The kernel log holds a splat (panic, oops, BUG, WARNING, lockdep, ...) or the kernel became tainted."""
    LOST = "lost"
    """The machine went away without a splat: QEMU ended, or the console was closed."""
    SKIPPED = "skipped"
    """Not run: a requirement of the case is missing in the kernel or on the host; the reason names it."""
    ERROR = "error"
    """The harness, the case file or the host is at fault; says nothing about the kernel."""


FAILED = frozenset({Outcome.MISMATCH, Outcome.TIMEOUT, Outcome.KERNEL, Outcome.LOST})
"""The outcomes that mean that the kernel is not as expected."""


class Fault(StrEnum):
    """Where to fix an ``ERROR``; see ``harness/base/errors.py``."""

    NONE = ""
    """No error."""
    CASE = "case"
    """The case file."""
    HOST = "host"
    """This machine, or the harness itself."""


class Fate(StrEnum):
    """The state of the machine at the end of a case."""

    ALIVE = "alive"
    """Every command returned."""
    COMMAND_HUNG = "command hung"
    """A command did not return in time; the kernel answers, and so does the shell once it is interrupted."""
    SHELL_SILENT = "shell silent"
    """A command did not return in time and cannot be interrupted; the kernel answers."""
    SHELL_DIED = "shell died"
    """The shell ended under the command; the kernel started a new one."""
    KERNEL_GONE = "kernel gone"
    """The kernel panicked, or answers nothing any more although QEMU runs."""
    MACHINE_LOST = "machine lost"
    """QEMU ended."""
    STARVED = "machine starved"
    """The host ran other programs while QEMU was ready to run, so a time-out says nothing about the kernel."""


@dataclass(frozen=True, slots=True)
class TraitSighting:
    """One observed value of one trait.

    :param trait: name of the trait, as in the suite's ``semantics.toml``.
    :param value: the observed value.
    :param where: file and line of the step that showed it, e.g. ``SUITE/views/siblings.session:12``.
    """

    trait: str
    value: str
    where: str


@dataclass(frozen=True, slots=True)
class SplatReport:
    """One splat of the kernel log, as the record keeps it.

    :param kind: ``panic``, ``oops``, ``warning``, ... as in ``harness/kernellog/reader.py``.
    :param title: what went wrong and the guilty function.
    :param fingerprint: hexadecimal digest of kind, what went wrong and the first five frames; equal for the same bug.
    :param text: the whole splat.
    :param function: the guilty function; empty if the splat names none, and then the title alone is no identity.
    """

    kind: str
    title: str
    fingerprint: str
    text: str
    function: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one case.

    :param outcome: how it ended.
    :param reason: the one line that matters; empty for a match.
    :param diff: unified diff of the expected and the observed output; empty without one.
    :param splats: every splat of the kernel log while the case ran.
    :param sightings: the trait values that this case showed.
    """

    outcome: Outcome
    reason: str = ""
    diff: str = ""
    splats: tuple[SplatReport, ...] = ()
    sightings: tuple[TraitSighting, ...] = ()
