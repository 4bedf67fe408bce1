# SPDX-License-Identifier: GPL-2.0-only
"""The session printed in cgroup_namespaces(7) is read as it is printed."""

from __future__ import annotations

import gzip
import textwrap
from pathlib import Path

import pytest

from harness.session.transcript import Transcript, parse
from harness.suite.load import default_suite
from tests.unit.session.manpage_examples import extract_examples

PAGE = Path("/usr/share/man/man7/cgroup_namespaces.7.gz")
PREPARATIONS = default_suite().preparations
HEADER = "hierarchies: v1:freezer\nvaries: 20124 30655 7 155 145 0:32\n\n"
COMMANDS = [
    "mkdir -p /sys/fs/cgroup/freezer/sub2",
    "sleep 10000 &     # Create a process that lives for a while",
    "echo 20124 > /sys/fs/cgroup/freezer/sub2/cgroup.procs",
    "mkdir -p /sys/fs/cgroup/freezer/sub",
    "echo $$                      # Show PID of this shell",
    "echo 30655 > /sys/fs/cgroup/freezer/sub/cgroup.procs",
    "cat /proc/self/cgroup | grep freezer",
    'PS1="sh2# " unshare -Cm bash',
    "cat /proc/self/cgroup | grep freezer",
    "cat /proc/1/cgroup | grep freezer",
    "cat /proc/20124/cgroup | grep freezer",
    "cat /proc/self/mountinfo | grep freezer",
    "mount --make-rslave /     # Don't propagate mount events",
    "umount /sys/fs/cgroup/freezer",
    "mount -t cgroup -o freezer freezer /sys/fs/cgroup/freezer",
    "cat /proc/self/mountinfo | grep freezer",
]
"""The page prints seventeen lines that start with a prompt or a number sign; one of them continues a comment."""


@pytest.fixture(scope="module")
def examples() -> str:
    """The examples of the page that is installed on this host."""
    return extract_examples(gzip.decompress(PAGE.read_bytes()).decode())


def squeezed(command: str) -> str:
    """A command with each run of white space as one space, as a web page shows it."""
    return " ".join(command.split())


def check(transcript: Transcript, *, squeeze: bool) -> None:
    """Hold a transcript of the page's session against the commands and outputs of the page."""
    prompts = [step.prompt.text for step in transcript.steps]
    outputs = [[getattr(item, "text", None) for item in step.expected] for step in transcript.steps]

    assert [step.command for step in transcript.steps] == [squeezed(c) if squeeze else c for c in COMMANDS]
    assert prompts == ["# "] * 8 + ["sh2# "] * 8
    assert [output for output in outputs if output] == [
        ["[1] 20124"],
        ["30655"],
        ["7:freezer:/sub"],
        ["7:freezer:/"],
        ["7:freezer:/.."],
        ["7:freezer:/../sub2"],
        ["155 145 0:32 /.. /sys/fs/cgroup/freezer ..."],
        ["155 145 0:32 / /sys/fs/cgroup/freezer rw,relatime ..."],
    ]


def test_installed_page_is_a_session(examples: str) -> None:
    """Extracted, indented and with nothing added but a header, the page's examples are its sixteen commands."""
    transcript = parse(HEADER + textwrap.indent(examples, "    "), path="manpage.session", preparations=PREPARATIONS)

    check(transcript, squeeze=False)


def test_plain_text_page_is_the_same_session(examples: str) -> None:
    """With squeezed blanks, the second line of the comment is at the margin, and is still not a command."""
    plain = "".join(f"{squeezed(line)}\n" for line in examples.splitlines())
    transcript = parse(HEADER + textwrap.indent(plain, "\t"), path="manpage.session", preparations=PREPARATIONS)

    assert "\n# to other namespaces\n" in plain
    check(transcript, squeeze=True)


def test_examples_may_be_in_several_blocks(examples: str) -> None:
    """The examples may be in several blocks with prose directly above and below, as in the page."""
    blocks = [textwrap.indent(block, "    ") for block in examples.split("\n\n")]
    transcript = parse(
        HEADER + "\n".join(f"Then we see:\n{block}" for block in blocks),
        path="manpage.session",
        preparations=PREPARATIONS,
    )

    check(transcript, squeeze=False)


def test_roff_is_rendered() -> None:
    """Fonts are dropped, named characters and escapes are printed, indentation stays, requests print nothing."""
    roff = r"""Prose \fBbold\fP.
.EX
$ \fBecho \-n \[aq]a\(aqb\e0\fP \f[I]x\fR   \" remark
  # two \(ti \[ha]\&.\ z
.\" comment
.B "bold line"
.in +4n
.BR a ( b )
.EE
.in
More prose.
.EX
\&.dot
.EE
"""

    assert extract_examples(roff) == ("$ echo -n 'a'b\\0 x\n  # two ~ ^. z\nbold line\na(b)\n\n.dot\n")


def test_page_without_examples_gives_no_text() -> None:
    """A page without examples gives an empty text."""
    assert extract_examples(".TH a 7\n.SH NAME\na\n") == ""
