# SPDX-License-Identifier: GPL-2.0-only
"""Convert console output to lines that can be compared and written into a text file. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

# ECMA-48: control sequences (CSI), operating system commands and other strings (OSC, DCS, SOS, PM, APC), the rest.
_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-OQ-WYZ\\`-~]"
)
_LINE_END = re.compile(r"\r*\n|\r")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_UNDECODED = re.compile(r"[\ud800-\udfff]")

# The states that bash's jobs.c prints for a job: its own names, and the names of signals from strsignal(3).
_NOTICE = re.compile(
    r"\[\d+\][+-]?\s+(?:Running|Done(?:\(\d+\))?|Exit \d+|Stopped(?:\(SIG\w+\))?|Terminated|Killed|Hangup|Interrupt"
    r"|Quit|Aborted|Illegal instruction|Trace/breakpoint trap|Bus error|Floating point exception|Segmentation fault"
    r"|User defined signal [12]|Broken pipe|Alarm clock|Bad system call|CPU time limit exceeded"
    r"|File size limit exceeded|Unknown signal \d+|Real-time signal \d+)(?:\s.*)?"
)


def read_output(output: str) -> tuple[str, ...]:
    """Split console output into lines.

    Escape sequences are removed, CR LF and CR become line ends, other control characters are shown as ``cat -v`` shows
    them (``^@``), bytes that were invalid UTF-8 (lone surrogates) as ``\\xff``. White space at the end of a line and
    empty lines at the end of the output are removed.
    """
    text = _LINE_END.sub("\n", _ESCAPE.sub("", output))
    text = _CONTROL.sub(lambda found: "^" + chr(ord(found.group()) ^ 0x40), text)
    text = _UNDECODED.sub(lambda found: f"\\x{ord(found.group()) & 0xFF:02x}", text)
    return without_trailing_blanks(line.rstrip() for line in text.split("\n"))


def without_trailing_blanks(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the lines without the empty ones at the end."""
    kept = list(lines)
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)


def is_job_notice(line: str) -> bool:
    """Return whether a line is a shell's notice that a job changed its state, such as ``[1]+  Terminated  sleep 100``.

    The shell prints these notices at unpredictable times. The line that starts a job (``[1] 20124``) is not a notice.
    """
    return _NOTICE.fullmatch(line) is not None
