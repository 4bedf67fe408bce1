# SPDX-License-Identifier: GPL-2.0-only
"""Make title and fingerprint of a splat of the kernel log, equal for the same bug. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.kernellog.frames import Frame, guilty_of, suspects
from harness.kernellog.kinds import SplatKind
from harness.kernellog.prefix import Line
from harness.kernellog.title import Description, describe, scrubbed, title_of

FRAMES_IN_FINGERPRINT = 5
FINGERPRINT_VERSION = 2
"""Number of the rules for titles and fingerprints; increased when the same splat would get another one."""
_FINGERPRINT_DIGITS = 16
_LINES_IN_FINGERPRINT = 12


@dataclass(frozen=True, slots=True)
class Splat:
    """One complete error report of the kernel.

    :param kind: the kind of problem.
    :param title: what went wrong and the guilty function, without time stamp, address, pid, command and counter.
    :param text: its lines from the first to the last, unchanged except for colors; lines of other tasks and CPUs are
        left out if the log names the caller of each line.
    :param fingerprint: 16 hexadecimal digits over the kind, what went wrong, and the first five reliable frames (see
        :func:`harness.kernellog.frames.suspects`).
    :param fatal: whether the kernel panicked with it.
    :param line: number of the first line in the log, from 1.
    :param function: the guilty function; empty if the splat names none.
    :param frames: the reliable frames of its call trace, innermost first.
    """

    kind: SplatKind
    title: str
    text: str
    fingerprint: str
    fatal: bool
    line: int
    function: str = ""
    frames: tuple[Frame, ...] = ()


_LOCK_SOURCE = re.compile(
    r"kernel/(?:locking/)?(?:lockdep|mutex\w*|rwsem\w*|rtmutex\w*|rwbase\w*|spinlock\w*|semaphore|ww_mutex\w*|percpu-rwsem)\."
)
_USERCOPY = re.compile(r"mm/usercopy\.")
_LIST_SOURCE = re.compile(r"lib/list_debug\.")
_REFCOUNT_SOURCE = re.compile(r"lib/refcount\.|include/linux/(?:refcount|kref)\.")
_ODEBUG_SOURCE = re.compile(r"lib/debugobjects\.")
_KASAN_NOTE = re.compile(r"KASAN: (?P<what>null-ptr-deref|probably user-memory-access|maybe wild-memory-access)")


def make_splat(kind: SplatKind, head: str, lines: Sequence[Line], *, is_fatal: bool, number: int) -> Splat:
    """Return the splat of some lines.

    :param kind: the kind by its first line.
    :param head: the line that names the problem, without its prefix.
    :param lines: all lines.
    :param is_fatal: whether the kernel panicked with it.
    :param number: number of its first line in the log.
    """
    contents = [line.content for line in lines]
    kind, description = _by_source(kind, describe(head))
    frames = suspects(kind, contents)
    function = guilty_of(kind, contents, description.function or _warned(contents), frames)
    distinct = [frame.name for frame in frames[:FRAMES_IN_FINGERPRINT]]
    if description.other:
        distinct = [description.other, *distinct]
    if not frames and not function:
        distinct = [description.place, *map(scrubbed, contents[1:_LINES_IN_FINGERPRINT])]
    fingerprint = fingerprint_of(kind, description.text, function, distinct)
    text = "\n".join(line.text for line in lines)
    return Splat(kind, title_of(description, function), text, fingerprint, is_fatal, number, function, frames)


def _warned(contents: Sequence[str]) -> str:
    """Return the function of the WARN_ON() that follows a complaint of one line; empty without one."""
    head = contents[:_LINES_IN_FINGERPRINT]
    return next((describe(content).function for content in head if content.startswith("WARNING: ")), "")


def _by_source(kind: SplatKind, description: Description) -> tuple[SplatKind, Description]:
    """Return the kind and description of a bug that a generic line reports from a source file of a checker."""
    place = description.place
    if not place or kind not in (SplatKind.BUG, SplatKind.WARNING):
        return kind, description
    if _LOCK_SOURCE.search(place):
        return SplatKind.LOCKDEP, Description("WARNING: locking bug", place=place)
    if _LIST_SOURCE.search(place):
        return SplatKind.LIST_CORRUPTION, Description("list corruption", place=place)
    if _REFCOUNT_SOURCE.search(place):
        return SplatKind.REFCOUNT, Description("refcount_t: saturated or underflow", place=place)
    if _ODEBUG_SOURCE.search(place):
        return SplatKind.DEBUGOBJECTS, Description("ODEBUG: bug", place=place)
    if _USERCOPY.search(place):
        return kind, Description(f"{description.text}: bad usercopy", place=place)
    return kind, description


def fingerprint_of(kind: SplatKind, description: str, function: str, frames: Sequence[str]) -> str:
    """Return the fingerprint of a splat; see :class:`Splat`."""
    parts = (kind.value, description, function, *frames)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_FINGERPRINT_DIGITS]
