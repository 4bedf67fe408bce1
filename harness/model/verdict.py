"""What a case came to: the outcome, told apart by what went wrong, and what it taught about the kernel.

Pure: observations, kernel log and profile in; a :class:`Verdict` out. The order of the outcomes is the order in which
they explain each other: a lost machine explains everything, a splat explains a time-out, a time-out explains a
mismatch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a case ended. Everything but ``ERROR`` is a statement about the kernel (or that it was not asked)."""

    MATCH = "match"
    """Everything was seen as the case file says, and the kernel log is clean."""
    MISMATCH = "mismatch"
    """The kernel answered, and answered otherwise."""
    TIMEOUT = "timeout"
    """A command did not return in time; the reason says what still lives."""
    KERNEL = "kernel"
    """The kernel log holds a splat (panic, oops, BUG, WARNING, lockdep, ...) or the kernel became tainted."""
    LOST = "lost"
    """The machine went away without a splat: QEMU ended, or the console was closed."""
    SKIPPED = "skipped"
    """Not asked: the kernel or the host lacks what the case needs; the reason names it."""
    ERROR = "error"
    """The harness, the case file or the host is at fault; says nothing about the kernel."""


FAILED = frozenset({Outcome.MISMATCH, Outcome.TIMEOUT, Outcome.KERNEL, Outcome.LOST})
"""The outcomes by which a case says that the kernel is not as expected."""


class Fault(StrEnum):
    """Who must act on an ``ERROR``; see ``harness/base/errors.py``."""

    NONE = ""
    """There is no error."""
    CASE = "case"
    """Who wrote the case."""
    HOST = "host"
    """This machine, or the harness itself."""


class Fate(StrEnum):
    """What became of the machine, as far as a case asked."""

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
    """QEMU could have run most of the time and did not, as the host ran other programs: its silence says nothing."""


@dataclass(frozen=True, slots=True)
class TraitSighting:
    """One value of one trait, inferred from what was seen.

    :param trait: name of the trait, as in the suite's ``semantics.toml``.
    :param value: the value seen.
    :param where: file and line of the step that showed it, e.g. ``SUITE/views/siblings.session:12``.
    """

    trait: str
    value: str
    where: str


@dataclass(frozen=True, slots=True)
class SplatReport:
    """One splat of the kernel log, as the record keeps it.

    :param kind: ``panic``, ``oops``, ``warning``, ... as in ``harness/kernellog/reader.py``.
    :param title: the line that says what happened, without time stamp and addresses.
    :param fingerprint: hexadecimal digest of kind and the first five frames; the same bug has the same one.
    :param text: the splat, whole.
    """

    kind: str
    title: str
    fingerprint: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one case came to.

    :param outcome: how it ended.
    :param reason: the one line that matters; empty for a match.
    :param diff: expected against seen, unified; empty where there is none.
    :param splats: every splat of the kernel log while the case ran.
    :param sightings: the trait values that this case showed.
    """

    outcome: Outcome
    reason: str = ""
    diff: str = ""
    splats: tuple[SplatReport, ...] = ()
    sightings: tuple[TraitSighting, ...] = ()
