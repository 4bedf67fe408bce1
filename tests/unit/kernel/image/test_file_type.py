# SPDX-License-Identifier: GPL-2.0-only
"""What a file that is not a kernel looks like."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.image.file_type import describe, show


@pytest.mark.parametrize(
    ("data", "likeness"),
    [
        (b"070701" + b"0" * 104, "an initramfs"),
        (gzip.compress(b"070701" + b"0" * 104, mtime=0), "gzip data, inside: an initramfs"),
        (gzip.compress(b"070701", mtime=0)[:8], "gzip data"),
        (b"\x28\xb5\x2f\xfd" + bytes(9), "zstd data"),
        (b"!<arch>\ndebian-binary   ", "a Debian package file"),
        (b"\x7fELF\2\1\1" + bytes(9) + b"\1\0", "an ELF object file or kernel module"),
        (b"\x7fELF\2\2\1" + bytes(9) + b"\0\4", "an ELF core dump"),
        (b"\x7fELF", "an ELF file"),
        (b"MZ" + bytes(99), "a PE/EFI program"),
        (bytes(512), "zeros"),
        (b"CONFIG_64BIT=y\n" * 99, "text"),
        (("x" + "\u00e9" * 999).encode(), "text"),
        (b"\x00\x01\x02\xff", "data of unknown type"),
        (b"abc\x07", "data of unknown type"),
    ],
)
def test_files_that_are_mistaken_for_kernels_are_named(data: bytes, likeness: str) -> None:
    """Files that people give by mistake are recognized by their first bytes."""

    assert describe(data).startswith(likeness)


@given(st.binary(max_size=600))
def test_any_bytes_look_like_something(data: bytes) -> None:
    """There is always a description, and the shown bytes are one printable line."""

    assert describe(data)
    assert show(data).isprintable()


def test_first_bytes_are_shown_twice() -> None:
    """The bytes are shown in hexadecimal and as letters."""

    assert show(b"GIF89a\x00" + bytes(99)) == "first bytes: 47 49 46 38 39 61 00" + " 00" * 9 + "  GIF89a.........."
