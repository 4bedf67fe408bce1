# SPDX-License-Identifier: GPL-2.0-only
"""Reading a program's words, cut into lines."""

from __future__ import annotations

import os

from harness.kernel.sandbox.output_reader import Reading


def test_lines_are_cut_wherever_the_pieces_end() -> None:
    """A line that comes in two pieces is one; a last one without a newline is one too; a carriage return is dropped."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    heard: list[str] = []
    with os.fdopen(read, "rb", buffering=0) as pipe:
        reading = Reading(pipe, heard.append)
        for piece in (b"a\nb", b"b\r\n\xff\n", b"c"):
            os.write(write, piece)
            reading.take()
        os.close(write)
        reading.take_rest()

    assert heard == reading.lines == ["a", "bb", "�", "c"]


def test_a_line_without_an_end_is_cut() -> None:
    """Who never ends a line does not fill the memory with one."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    with os.fdopen(read, "rb", buffering=0) as pipe, os.fdopen(write, "wb", buffering=0) as other:
        reading = Reading(pipe, None)
        other.write(b"x" * 40_000)
        reading.take()

    assert [len(line) for line in reading.lines] == [40_000]
