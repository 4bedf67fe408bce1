# SPDX-License-Identifier: GPL-2.0-only
"""Unpacking what a bzImage carries, and the config inside."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.process import run
from harness.kernel.image.compression import Compression, find_compression, unpack
from harness.kernel.image.examine import unpack_payload
from harness.kernel.image.facts import find_ikconfig
from tests.unit.kernel.images import embed_config, vmlinux

CONFIG = "CONFIG_64BIT=y\n# CONFIG_EXPERT is not set\n" * 500
KERNEL = vmlinux(content=embed_config(CONFIG))
APPENDED_SIZE = len(KERNEL).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("packed", "compression"),
    [
        (gzip.compress(KERNEL, mtime=0), Compression.GZIP),
        (bz2.compress(KERNEL), Compression.BZIP2),
        (lzma.compress(KERNEL, format=lzma.FORMAT_ALONE), Compression.LZMA),
        (lzma.compress(KERNEL), Compression.XZ),
    ],
)
def test_the_standard_library_unpacks_a_payload(packed: bytes, compression: Compression) -> None:
    """Each format that Python knows is unpacked, with the size that the build appends ignored, in part if cut."""

    assert find_compression(packed) is compression
    assert unpack_payload(packed + APPENDED_SIZE, deadline=Deadline.never()).data == KERNEL
    assert unpack(packed, compression, limit=100) == KERNEL[:100]
    assert KERNEL.startswith(unpack(packed[:-30], compression))


@pytest.mark.parametrize("words", ["zstd -q -c", "lz4 -q -l -c"])
def test_a_host_program_unpacks_a_payload(words: str) -> None:
    """zstd and the legacy lz4 format that kernels use are unpacked by the host's programs."""
    packed = run(words.split(), stdin=KERNEL, deadline=Deadline.after(120)).stdout
    unpacked = unpack_payload(packed + APPENDED_SIZE, deadline=Deadline.after(120))

    assert unpacked.data == KERNEL
    assert unpacked.reason == ""


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the program the payload stays shut, and the reason names what is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    unpacked = unpack_payload(b"\x28\xb5\x2f\xfd" + bytes(40), deadline=Deadline.never())

    assert unpacked.data == b""
    assert unpacked.reason == "it is compressed with zstd, and zstd is not installed"


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"\x1f\x8b\x08damaged", "its gzip data is damaged"),
        (b"BZh9damaged", "its bzip2 data is damaged"),
        (b"\xfd7zXZ\x00damaged, and more than a header of it", "its xz data is damaged"),
        (b"what is this", "its compression format is unknown"),
        (b"", "its compression format is unknown"),
    ],
)
def test_a_damaged_payload_is_a_reason(packed: bytes, reason: str) -> None:
    """A payload that cannot be unpacked gives no kernel and says why."""
    unpacked = unpack_payload(packed, deadline=Deadline.after(120))

    assert (unpacked.data, unpacked.reason) == (b"", reason)


def test_an_uncompressed_payload_is_taken_as_it_is() -> None:
    """CONFIG_KERNEL_UNCOMPRESSED leaves a plain ELF image."""

    assert unpack_payload(KERNEL, deadline=Deadline.never()).data == KERNEL


def test_the_config_inside_is_found() -> None:
    """The text between the marks is the config, to the letter; a mark that is but text is passed over."""

    assert find_ikconfig(KERNEL) == CONFIG
    assert find_ikconfig(b"IKCFG_ST is the mark" + KERNEL) == CONFIG


@pytest.mark.parametrize("kernel", [b"", vmlinux(), vmlinux(content=b"IKCFG_ST without data"), b"IKCFG_ST\x1f\x8bcut"])
def test_a_kernel_without_config_has_none(kernel: bytes) -> None:
    """A mark alone, as in the code that looks for it, is no config."""

    assert find_ikconfig(kernel) is None
