# SPDX-License-Identifier: GPL-2.0-only
"""Announcements of a guest's shells among their output, and the bound of a stream."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest.prompt import (
    BOOT_NONCE,
    MARKER_LIMIT,
    Bound,
    Ended,
    ShellDied,
    announcement_pattern,
    as_text,
    output_of,
    read_announcement,
)

END = b"\x1b]133;D;0;boot;1;# \x07# "


def announced(stream: bytes, nonce: str = "n1") -> Ended | ShellDied | None:
    """The first thing that a stream announces under that nonce."""
    found = re.search(announcement_pattern(nonce), stream)
    return read_announcement(found) if found else None


def test_read_announcement_has_status_shell_and_prompt() -> None:
    """The announcement gives the exit status, the shell and the prompt, anywhere in a stream."""
    said = announced(b"output# \x1b]133;D;127;n1;30655;sh2# \x07sh2# ")

    assert said == Ended(127, 30655, "sh2# ", b"sh2# ")


def test_read_announcement_of_init_has_the_status() -> None:
    """The announcement of init gives the status of the shell that ended."""
    assert announced(b"x\x1b]133;E;137;n1;admin\x07") == ShellDied(137)


def test_prompt_loses_invisible_marks() -> None:
    """What bash marks as invisible in a prompt loses its marks, since they are not printed."""
    said = announced(b"\x1b]133;D;0;n1;1;\x01\x1b[1m\x02# \x01\x1b[0m\x02\x07")

    assert said == Ended(0, 1, "\x1b[1m# \x1b[0m", b"\x1b[1m# \x1b[0m")


@pytest.mark.parametrize(
    "stream",
    [
        b"\x1b]133;D;0;n2;1;# \x07",
        b"\x1b]133;D;0;n11;1;# \x07",
        b"\x1b]133;D;0;boot;1;# \x07",
        b"\x1b]133;D;;n1;1;# \x07",
        b"\x1b]133;D;0;n1;1;# ",
        b"\x1b]133;D;0;n1;;# \x07",
        b"\x1b]133;D;0;n1;1;" + b"#" * MARKER_LIMIT + b"\x07",
        b"\x1b]133;C;n1\x07",
        b"\x1b]133;E;0;n2;admin\x07",
        b"]133;D;0;n1;1;# \x07",
        b"# ",
    ],
)
def test_incomplete_announcements_are_ignored(stream: bytes) -> None:
    """Another nonce, a cut or overlong announcement and a bare prompt announce nothing."""
    assert announced(stream) is None


def test_nonce_is_not_a_pattern() -> None:
    """The nonce is matched as text, with any characters."""
    assert announced(b"\x1b]133;D;0;nn;1;\x07", "n.") is None
    assert announced(b"\x1b]133;D;0;n.;1;\x07", "n.") == Ended(0, 1, "", b"")


@pytest.mark.parametrize(
    ("raw", "output"),
    [
        (b"> > \x1b]133;C;n1\x07text", b"text"),
        (b"no opening", b"no opening"),
        (b"noise\x1b]133;C;n1\x07a\x1b]133;C;n1\x07b", b"ab"),
        (b"\x1b]133;C;n2\x07text", b"\x1b]133;C;n2\x07text"),
        (b"", b""),
    ],
)
def test_output_of_begins_at_the_marker(raw: bytes, output: bytes) -> None:
    """Second prompts and bytes before "output follows" are not output; without the marker, all bytes are."""
    assert output_of(raw, "n1") == output


def test_as_text_is_plain() -> None:
    """Line ends are unified, announcements are removed, invalid UTF-8 is replaced, the rest stays."""
    output = b"a\r\nb\n\x1b]133;D;0;old;1;# \x07c\xff\x00\x1b[1m\r"

    assert as_text(output) == "a\nb\nc\N{REPLACEMENT CHARACTER}\x00\x1b[1m\r"


def through(bound: Bound, said: bytes, *, step: int) -> bytes:
    """What passes the bound of a stream that comes in pieces of that size."""
    return b"".join(bound.feed(said[at : at + step]) for at in range(0, len(said), step))


@pytest.mark.parametrize("head", [100, 101, 150, 199, MARKER_LIMIT])
@pytest.mark.parametrize("step", [1, 7, 4096])
def test_bound_passes_an_announcement(head: int, step: int) -> None:
    """Wherever the bound cuts the stream, the announcement passes whole, with all of the tail before it."""
    for size in range(head - len(END) - 10, head + 10):
        said = b"o" * size + END
        passed = through(Bound(BOOT_NONCE, head=head, tail=50), said, step=step)

        assert passed == said


@given(
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=4),
    step=st.integers(1, 120),
    head=st.integers(1, 200),
    tail=st.integers(1, 100),
)
def test_bound_keeps_head_and_tail(sizes: list[int], step: int, head: int, tail: int) -> None:
    """Of each command's output head and tail pass, and every announcement, whatever the pieces; the gap is reported."""
    bound = Bound(BOOT_NONCE, head=head, tail=tail)
    for size in sizes:
        output = bytes(ord("a") + at % 26 for at in range(size))
        passed = through(bound, output + END, step=step)
        bound.restart()
        missing = size - head - tail
        gap = b"\n[%d bytes left out; the log of this console has them]\n" % missing if missing > 0 else b""

        assert passed == output[:head] + gap + output[max(head, size - tail) :] + END


def test_bound_passes_the_expected_text() -> None:
    """What a command asks passes with the tail before it, though no announcement comes."""
    bound = Bound(BOOT_NONCE, head=10, tail=8)
    bound.awaited = re.compile(rb"Proceed\?")
    passed = through(bound, b"0123456789" + b"x" * 30 + b"tailtailProceed? ", step=5)

    assert passed == b"0123456789\n[30 bytes left out; the log of this console has them]\ntailtailProceed? "


def test_bound_holds_back_the_rest() -> None:
    """Beyond the head nothing passes until it is let through, and then no more than the tail."""
    bound = Bound(BOOT_NONCE, head=10, tail=8)
    passed = through(bound, b"0123456789" + b"x" * 10_000 + b"tailtail", step=100)
    released = bound.release()

    assert passed == b"0123456789"
    assert released == b"\n[10000 bytes left out; the log of this console has them]\ntailtail"
    assert bound.release() == b""


def test_bound_starts_at_the_command() -> None:
    """However much came while the prompt stood, the command's own output has the whole bound for itself."""
    bound = Bound(BOOT_NONCE, head=100, tail=8)
    passed = through(bound, b"n" * 10_000 + b"\x1b]133;C;boot\x07" + b"o" * 90 + END, step=64)

    assert output_of(passed, BOOT_NONCE) == b"o" * 90 + END
