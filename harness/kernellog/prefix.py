# SPDX-License-Identifier: GPL-2.0-only
"""Take the prefix off a line of a log: time stamps, log levels, host names, callers, in the forms of many tools. Pure.

A line may have several prefixes, the outermost first: a host's clock on a serial line, the fields of a tool (syslog,
the journal, logcat, /dev/kmsg, netconsole), the kernel's log level, its own time stamp, and the caller that
CONFIG_PRINTK_CALLER adds (v5.1, commit 15ff2069cb7f): ``T71`` for the task with PID 71, ``C1`` for CPU 1 in an
interrupt.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.kernellog.kinds import start_of


class Line(NamedTuple):
    """One line of a log.

    :param text: the whole line.
    :param content: the text that the kernel printed, without prefixes.
    :param stamped: whether the line had the prefix of a kernel message.
    :param caller: task or CPU that printed it, such as ``T71`` or ``C1``; empty if unknown.
    :param foreign: whether another program wrote the line to the system's log.
    """

    text: str
    content: str
    stamped: bool = False
    caller: str = ""
    foreign: bool = False


_HOST = r"[\w.:-]{1,253}"
_CALLER = r"(?: ?\[ *(?P<caller{0}>[TC]\d+)\])?"
_SECONDS = r"\[ *\d+\.\d+(?:[@ ]\d+(?:\.\d+)?)?(?: +< *\d+\.\d+>)?\]"
# "(0)[123:swapper/0]", "[0:  kworker/0:1:  12]" and "c0    12 " are additions of vendors of Android devices.
_VENDOR = r"(?: ?\(\d\)\[\d+:[^]]*\]| *\[\d: *[^]]{1,40}: *\d+\]| c\d +\d+(?= ))?"
_KERNEL = re.compile(rf"(?:<\d{{1,3}}>)?{_SECONDS}{_CALLER.format(1)}{_VENDOR} ?")
# Most lines: a stamp, and nothing behind it that could be a caller, a host or a vendor's addition.
_PLAIN = re.compile(rf"\[ *\d+\.\d+\] (?=[ A-Z])(?!{_HOST} (?:kernel|[\w./@-]{{1,64}}\[\d))")
_STAMP = re.compile(rf"{_SECONDS}{_CALLER.format(2)}{_VENDOR} ?")
_STAMPED = re.compile(r"\[ *\d+\.\d")
_LEVEL = re.compile(r"<\d{1,3}>")
_KMSG = re.compile(r"(?:[\w.+~-]{1,64},)?\d{1,4},\d{1,20},\d{1,20},(?P<fields>[^;]{0,200});")
_KMSG_CALLER = re.compile(r"caller=([TC]\d+)")
_DICTIONARY = re.compile(r" (?:SUBSYSTEM|DEVICE)=")

_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ZONE = r"(?: ?Z| ?[+-]\d\d:?\d\d| (?:UTC|GMT|[A-Z]{1,3}[SD]?T)(?= ))?"
_MOMENT = (
    rf"(?:(?:{_DAY} )?\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}{_ZONE}|(?:{_DAY} )?{_MONTH} +\d{{1,2}} {_CLOCK}(?: \d{{4}})?"
    rf"|\d\d-\d\d {_CLOCK}|{_CLOCK}|\d{{9,11}}\.\d{{1,9}}|{_MONTH}\d\d \d\d:\d\d|\+ *\d+\.\d+| +\+?\d+\.\d+)"
)
_TOOL = (
    # The journal, syslog, and logread of OpenWrt.
    rf"(?: {_HOST})?(?: kern\.\w+)? kernel(?:\[\d+\])?: "
    rf"|(?: {_HOST})? kern\.\w+: "
    # RFC 5424.
    rf"| {_HOST} kernel - \S+ (?:- ?)?"
    # logcat -v threadtime, and -v time.
    r"| +(?:\w+ +)?\d+ +\d+ [VDIWEFS] (?P<tag1>[^:]{0,40}?) *: | [VDIWEF]/(?P<tag2>[^(:]{0,40}?) *\( *\d+\): "
    # Another program.
    rf"|(?P<foreign> {_HOST} [\w./@-]{{1,64}}\[\d+\]: )"
)
_HEADED = re.compile(
    rf"(?:<\d{{1,3}}>(?:1 )?)?(?:\[ ?{_MOMENT}\]|{_MOMENT})(?:{_TOOL})?(?: [|>-]{{1,2}})?(?: |(?<= )|$)"
    r"(?: *(?=\[ *\d+\.\d))?(?:\[ *(?P<caller>[TC]\d+)\] )?"
    rf"|(?P<decoded>(?:kern|user|daemon) *:\w+ *: )|[VDIWEF]/(?P<tag3>[^(:]{{0,40}}?) *\( *\d+\): "
    rf"|(?:<\d{{1,3}}>)?(?:{_HOST} )?kernel(?:\[\d+\])?: |(?:<\d{{1,3}}>)?\[ *(?P<alone>[TC]\d+)\] "
    rf"|\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d+)?:? "
)
_ESCAPE = re.compile(rb"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9])")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
_PREFIXES_LIMIT = 4
_KERNEL_TAGS = ("", "kernel", "klog")


def without_colors(data: bytes) -> bytes:
    """Return bytes of a log without the escape sequences of a terminal."""
    return _ESCAPE.sub(b"", data) if b"\x1b" in data else data


def read_line(text: str) -> Line:
    """Return a line without its prefix.

    Programs write to the console as well, so the stamp of a message may follow an unfinished line.
    """
    if plain := _PLAIN.match(text):
        line = Line(text, text[plain.end() :], True)
    elif kernel := _KERNEL.match(text):
        end = kernel.end()
        if text[end : end + 1] == "[" and (inner := _KERNEL.match(text, end)):
            # A host's clock, in seconds, before the kernel's.
            kernel, end = inner, inner.end()
        if outer := _MONOTONIC.match(text, end):
            return Line(text, text[outer.end() :], True, foreign=bool(outer["foreign"]))
        line = Line(text, text[end:], True, kernel["caller1"] or "")
    else:
        line = _read_headed(text)
    if "[" in line.content and not line.foreign and _STAMPED.search(line.content):
        return _read_later_stamp(line)
    return line


_MONOTONIC = re.compile(rf"{_HOST} (?:kernel(?:\[\d+\])?: |(?P<foreign>[\w./@-]{{1,64}}\[\d+\]: ))")
"""What follows the stamp in the journal's short-monotonic form: host and program."""


def _read_later_stamp(line: Line) -> Line:
    """Return the line from the last stamp in it, unless only the text before that begins a splat."""
    later = list(_STAMP.finditer(line.content))
    if not later or start_of(line.content):
        return line
    after = line.content[later[-1].end() :]
    if line.stamped and not start_of(after):
        return line
    return Line(line.text, after, True, later[-1]["caller2"] or "")


def _read_headed(whole: str) -> Line:
    """Take the prefixes of other tools off a line, the outermost first."""
    text, caller, stamped = whole, "", False
    for _ in range(_PREFIXES_LIMIT):
        if kmsg := _KMSG.match(text):
            found = _KMSG_CALLER.search(kmsg["fields"])
            text = _ESCAPED.sub(lambda code: chr(int(code[1], 16)), text[kmsg.end() :])
            caller, stamped = found[1] if found else "", True
        elif kernel := _KERNEL.match(text):
            return Line(whole, text[kernel.end() :], True, kernel["caller1"] or caller)
        elif headed := _HEADED.match(text):
            if headed["foreign"]:
                return Line(whole, text[headed.end() :], True, foreign=True)
            tag = headed["tag1"] or headed["tag2"] or headed["tag3"] or ""
            text = ("" if tag in _KERNEL_TAGS else f"{tag}: ") + text[headed.end() :]
            caller, stamped = headed["caller"] or headed["alone"] or caller, True
        elif level := _LEVEL.match(text):
            text = text[level.end() :]
        else:
            break
    return Line(whole, text, stamped or bool(_DICTIONARY.match(text)), caller, foreign=bool(_DICTIONARY.match(text)))
