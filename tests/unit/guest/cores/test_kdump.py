# SPDX-License-Identifier: GPL-2.0-only
"""The pieces that QEMU writes become a plain dump."""

from __future__ import annotations

import io
import struct

import pytest

from harness.base.errors import HostError
from harness.guest.cores.kdump import assemble

HEADER = b"KDUMP   " + struct.pack("<i", 6) + bytes(6 * 65)
START = b"makedumpfile\0\0\0\0".ljust(4096, b"\0")


def piece(offset: int, data: bytes) -> bytes:
    """One piece of the flattened format."""
    return struct.pack(">qq", offset, len(data)) + data


END = struct.pack(">qq", -1, -1)


def test_pieces_come_to_their_places() -> None:
    """In any order, with a hole between them; and the header names the system."""
    plain = io.BytesIO()
    assemble(io.BytesIO(START + piece(5000, b"later") + piece(0, HEADER) + END), plain, release="6.1.0-test")
    data = plain.getvalue()

    assert data[:8] == b"KDUMP   "
    assert data[12:18] == b"Linux\0"
    assert data[12 + 2 * 65 :].startswith(b"6.1.0-test\0")
    assert data[5000:] == b"later"
    assert data[len(HEADER) : 5000] == bytes(5000 - len(HEADER))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ELF",
        START,
        START + piece(0, HEADER),
        START + piece(0, HEADER)[:-1],
        START + piece(0, b"no header") + END,
    ],
)
def test_a_dump_that_is_cut_off_is_an_error(data: bytes) -> None:
    """QEMU was killed, or the disk is full."""
    with pytest.raises(HostError, match="of the machine's memory"):
        assemble(io.BytesIO(data), io.BytesIO(), release="6.1")
