# SPDX-License-Identifier: GPL-2.0-only
"""Read the call traces of a splat, and find the functions that distinguish it. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.kernellog.kinds import SplatKind
from harness.kernellog.plumbing import Role, is_allocator, is_lock, plain_name, role_of
from harness.kernellog.prefix import read_line


class Frame(NamedTuple):
    """One function of a call trace.

    :param name: its name, without offset and compiler suffixes.
    :param location: the name with offset and size as printed, such as ``f.isra.0+0x12/0x40``.
    :param module: the module in brackets behind it; empty for the kernel's own functions.
    :param is_pointer: whether it is the instruction pointer, and not a return address.
    :param in_interrupt: whether it is within the part of a trace that is marked as an interrupt.
    """

    name: str
    location: str
    module: str = ""
    in_interrupt: bool = False
    is_pointer: bool = False


@dataclass(slots=True)
class _Trace:
    """One call trace; the instruction pointer is its innermost function."""

    frames: list[Frame] = field(default_factory=list)
    is_pointer_only: bool = True


_NAME = r"(?P<name>[A-Za-z_$][\w.$:]*)"
_OFFSET = r"\+0x[0-9a-f]+/0x[0-9a-f]+"
_MODULE = r"(?: \[(?P<module>[\w-]+)[^]]*\])?"
_FRAME = re.compile(
    rf" *(?:<(?P<mark>/?[#A-Z0-9]+)> *)?(?:\(?\[<?[0-9a-f]+>?\]\)? *)*(?:0x[0-9a-f]+: )?(?P<guess>\? +)?"
    rf"{_NAME}(?P<offset>{_OFFSET}){_MODULE}(?! *\(unreliable\) at)"
)
_ARM = re.compile(
    rf" *(?:\[<[0-9a-f]+>\] )?\(?(?P<name>[A-Za-z_][\w.$]*)(?:{_OFFSET})?{_MODULE.replace('module', 'own')}\)? from "
    rf"(?:\[<[0-9a-f]+>\] )?\(?(?P<caller>[A-Za-z_][\w.$]*)(?P<offset>{_OFFSET})?{_MODULE}"
)
_POINTER = re.compile(
    r"(?:(?:[RE]?IP|pc|epc|era|NIP)(?: *:)? *(?:[0-9a-f]{4,16}:? ?)?(?:\[<?[0-9a-f]+>?\] *)*(?:[0-9a-f]{8,16} )?"
    rf"|PC is at |Krnl PSW : [0-9a-f]+ [0-9a-f]+ \(|--- interrupt: \w+ at ){_NAME}(?P<offset>{_OFFSET}){_MODULE}"
)
_HISTORY = re.compile(r"(?:INFO: )?(?:Allocated|Freed) in ")
_BOUNDARY = re.compile(
    r"(?P<stop>---\[ end |RIP: (?:0033|0023|002b|e033):)"
    r"|(?P<history>[Aa]llocated by |[Ff]reed by |Uninit was |Last potentially related)"
    r"| *Call [Tt]race:|NMI backtrace for cpu|Backtrace:|stack backtrace:|Task dump for"
)
"""Between two traces; behind "history" are traces of what happened to an object earlier, which do not show the bug."""
_MARK = re.compile(r" *<(?P<mark>/?(?:IRQ|NMI|EOI|EOE|SOFTIRQ|TASK))>")
_STALLS = (SplatKind.RCU_STALL, SplatKind.SOFT_LOCKUP, SplatKind.HARD_LOCKUP)
_COMPLAINT = re.compile(
    r".*(?:is trying to (?:acquire|release)|just changed the state of lock|\] takes:|is freeing memory"
    r"|still has locks held|locks? still held)"
)
_AT = re.compile(r".*\bat: (?:\[?<?[0-9a-f]{8,16}>?\]? *)?(?P<name>[A-Za-z_][\w.$]*)\+0x")
_WORKED = re.compile(r" *(?:last function|in-flight|pending): (?:\d+(?:\(RESCUER\))?:)?(?P<name>[A-Za-z_]\w+)")
_HANDLER = re.compile(r"\[<[0-9a-f]+>\] (?P<name>[A-Za-z_]\w*)")
_LOCKER_LINES = 12
_TICK_GAP = 5
"""Largest number of unknown functions between two of the timer interrupt."""


def contents_of(text: str) -> list[str]:
    """Return the lines of a splat without their prefixes."""
    return [read_line(line).content for line in text.splitlines()]


def frames_of(kind: SplatKind, text: str) -> tuple[str, ...]:
    """Return the functions that distinguish a splat, innermost first; see :func:`suspects`."""
    return tuple(frame.name for frame in suspects(kind, contents_of(text)))


def suspects(kind: SplatKind, contents: Sequence[str]) -> tuple[Frame, ...]:
    """Return the reliable frames of the trace that shows the bug, innermost first, without plumbing.

    The function of the instruction pointer comes first. Guesses of the unwinder (``? function``), the functions of
    :mod:`harness.kernellog.plumbing` and, for a stall, the interrupt that noticed it are left out. Compiler suffixes
    (``.isra.0``, ``.cold``) are removed. The trace of a lockdep report begins at its stack backtrace.
    """
    found = [frames for trace in _traces(_relevant(kind, contents)) if (frames := _kept(kind, trace.frames))]
    if kind in _STALLS:
        # The thread of RCU that waits, and the printing processor, come first in many reports.
        found.sort(key=lambda frames: not any(role_of(frame.name) is Role.SUSPECT for frame in frames))
    return found[0] if found else ()


def guilty_of(kind: SplatKind, contents: Sequence[str], named: str, frames: Sequence[Frame]) -> str:
    """Return the function to blame: the first frame that is no plumbing; empty if the splat names no function.

    :param named: the function that the splat's own first line names; empty for none.
    :param frames: the splat's :func:`suspects`.
    """
    if kind is SplatKind.BUG and (asked := _asked(contents)):
        return asked
    if kind is SplatKind.LOCKDEP and (locker := _locker(contents)):
        return locker
    if named and role_of(named) is Role.SUSPECT:
        return named
    if frames:
        return frames[0].name
    return named or _weakest(kind, contents)


def _asked(contents: Sequence[str]) -> str:
    """Return the function that the splat names in a line of its own: of a work, or of an interrupt's handler."""
    for content in contents[:_LOCKER_LINES]:
        if worked := _WORKED.match(content):
            return worked["name"]
    for before, after in itertools.pairwise(contents):
        if before == "handlers:" and (handler := _HANDLER.match(after)):
            return handler["name"]
    return ""


def _weakest(kind: SplatKind, contents: Sequence[str]) -> str:
    """Return the best of the guesses of the unwinder and the plumbing."""
    found = (_FRAME.match(content) or _POINTER.match(content) for content in _relevant(kind, contents))
    names = [plain_name(one["name"]) for one in found if one]
    for role in (Role.SUSPECT, Role.PLUMBING, Role.DISPATCHER):
        for name in names:
            if role_of(name) is role:
                return name
    return ""


def _locker(contents: Sequence[str]) -> str:
    """Return the function that took, takes or releases the lock that lockdep complains of."""
    begin = next((number for number, content in enumerate(contents) if _COMPLAINT.match(content)), None)
    if begin is None:
        return ""
    is_release = "is trying to release" in contents[begin]
    for content in contents[begin : begin + _LOCKER_LINES]:
        if found := _AT.match(content) or (_FRAME.match(content) if is_release else None):
            name = plain_name(found["name"])
            return "" if is_lock(name) or role_of(name) is Role.REPORTER else name
    return ""


def _relevant(kind: SplatKind, contents: Sequence[str]) -> Sequence[str]:
    if kind is not SplatKind.LOCKDEP:
        return contents
    at = next((number for number, content in enumerate(contents) if content.startswith("stack backtrace:")), -1)
    return contents[at + 1 :]


def _kept(kind: SplatKind, frames: Sequence[Frame]) -> tuple[Frame, ...]:
    if kind in _STALLS:
        frames = _interrupted(frames)
    kept: list[Frame] = []
    for frame in frames:
        role = role_of(frame.name)
        if kind is SplatKind.KMEMLEAK and is_allocator(frame.name):
            continue
        if role in (Role.SUSPECT, Role.DISPATCHER) and not (kept and kept[-1].name == frame.name):
            kept.append(frame)
    return tuple(kept)


def _interrupted(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Return the frames that the timer interrupt interrupted; in them, an inner interrupt may be the culprit."""
    ticked = -1
    for number, frame in enumerate(frames):
        role = role_of(frame.name)
        is_entry = role is Role.INTERRUPT and ticked >= 0 and number - ticked <= _TICK_GAP
        if is_entry or role in (Role.TICK, Role.REPORTER):
            ticked = number
        elif number - ticked > _TICK_GAP + 2:
            break
    if ticked >= 0:
        return frames[ticked + 1 :]
    outside = [frame for frame in frames if not frame.in_interrupt]
    return outside or frames


def _traces(contents: Iterable[str]) -> list[_Trace]:
    """Return all call traces, in their order."""
    traces = [_Trace()]
    in_interrupt = False
    for content in contents:
        if "<" in content and (mark := _MARK.match(content)):
            in_interrupt = mark["mark"] in ("IRQ", "NMI", "SOFTIRQ")
        if "+0x" in content:
            if not _HISTORY.match(content):
                _add(traces[-1], content, in_interrupt=in_interrupt)
        elif " from " in content and (arm := _ARM.match(content)):
            _add_arm(traces[-1], arm, in_interrupt=in_interrupt)
        elif found := _BOUNDARY.match(content):
            if found["history"]:
                break
            if found["stop"] or not traces[-1].is_pointer_only:
                traces.append(_Trace())
                in_interrupt = False
    return [trace for trace in traces if trace.frames]


def _add(trace: _Trace, content: str, *, in_interrupt: bool) -> None:
    if found := _FRAME.match(content):
        trace.is_pointer_only = False
        if not found["guess"]:
            trace.frames.append(_frame(found, found["name"], in_interrupt=in_interrupt))
    elif found := _POINTER.match(content):
        trace.frames.append(_frame(found, found["name"], in_interrupt=in_interrupt)._replace(is_pointer=True))
    elif found := _ARM.match(content):
        _add_arm(trace, found, in_interrupt=in_interrupt)


def _add_arm(trace: _Trace, found: re.Match[str], *, in_interrupt: bool) -> None:
    if trace.is_pointer_only:
        trace.frames.append(_frame(found, found["name"], in_interrupt=in_interrupt))
    trace.is_pointer_only = False
    trace.frames.append(_frame(found, found["caller"], in_interrupt=in_interrupt))


def _frame(found: re.Match[str], name: str, *, in_interrupt: bool) -> Frame:
    return Frame(plain_name(name), f"{name}{found['offset'] or ''}", found["module"] or "", in_interrupt)
