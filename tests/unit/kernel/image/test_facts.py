# SPDX-License-Identifier: GPL-2.0-only
"""Facts from the bytes of a kernel image, and the refusal of what is none."""

from __future__ import annotations

import bz2
import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import run
from harness.kernel.image.facts import Architecture, ImageFormat, read_facts, require_loadable
from tests.unit.kernel.images import END_QEMU, END_QEMU_STATUS, RELEASE, arm64_image, arm_zimage, bzimage, vmlinux

X86_64 = (Architecture.X86_64,)


def refusal(data: bytes) -> UsageError:
    """The error with which a file is refused by its bytes or as not loadable."""
    with pytest.raises(UsageError) as caught:
        require_loadable(read_facts(data, name="./it"), name="./it", architectures=X86_64)
    assert "./it" in caught.value.what
    return caught.value


def test_a_bzimage_tells_its_release_banner_and_architecture() -> None:
    """The boot header gives release, banner, architecture and the place of the payload."""
    data = bzimage(release="6.12.117+deb12-cloud-amd64", payload=b"\x1f\x8bpayload")
    facts = read_facts(data, name="x")

    assert facts.format is ImageFormat.BZIMAGE
    assert facts.architecture is Architecture.X86_64
    assert facts.release == "6.12.117+deb12-cloud-amd64"
    assert facts.banner == "6.12.117+deb12-cloud-amd64 (tester@host) #1 SMP"
    assert facts.payload is not None
    assert data[facts.payload.offset :][: facts.payload.length] == b"\x1f\x8bpayload"


def test_a_bzimage_without_version_has_no_release() -> None:
    """The version pointer may be 0 (boot.rst), or point at what is no version: then the release is not told."""
    pointing_astray = bytearray(bzimage())
    struct.pack_into("<H", pointing_astray, 0x20E, 0x20)

    assert read_facts(bzimage(release=""), name="x").release == ""
    assert read_facts(bytes(pointing_astray), name="x").release == ""


def test_a_32_bit_bzimage_is_i386() -> None:
    """Bit 0 of xloadflags says whether the kernel has a 64-bit entry; without it, it is another architecture."""
    facts = read_facts(bzimage(is_64_bit=False), name="x")

    assert facts.architecture is Architecture.I386
    assert "is for i386; this harness's machine types run x86_64" in refusal(bzimage(is_64_bit=False)).what


@pytest.mark.parametrize(("machine", "architecture"), [(62, Architecture.X86_64), (3, Architecture.I386)])
def test_an_old_bzimage_is_judged_by_the_kernel_inside(machine: int, architecture: Architecture) -> None:
    """Before protocol 2.12 no flag says 64-bit: the ELF header in the payload does."""
    data = bzimage(protocol=0x20A, is_64_bit=False, payload=bz2.compress(vmlinux(machine=machine)))

    assert read_facts(data, name="x").architecture is architecture


def test_an_image_that_does_not_tell_its_architecture_is_let_through() -> None:
    """An old image with a payload that cannot be looked into is tried rather than refused."""
    facts = read_facts(bzimage(protocol=0x20A, is_64_bit=False, payload=b"\x02\x21\x4c\x18"), name="x")

    assert facts.architecture is Architecture.UNKNOWN
    require_loadable(facts, name="x", architectures=X86_64)


def test_a_signature_after_the_image_is_well() -> None:
    """A signed kernel is longer than its header says."""

    assert read_facts(bzimage(signature=b"\x30\x82" * 700), name="x").release == RELEASE


def test_no_setup_sectors_means_four() -> None:
    """A setup size of 0 in the header stands for 4 sectors (boot.rst)."""
    data = bzimage(setup_sectors=4)

    assert data[0x1F1] == 0
    assert read_facts(data, name="x").release == RELEASE
    assert f"at least {len(data)}" in refusal(data[:-1]).what


@given(st.integers(min_value=0x206, max_value=len(bzimage()) - 1))
def test_each_truncation_of_a_bzimage_is_seen(length: int) -> None:
    """Wherever a bzImage is cut after its mark, the error says how many bytes are missing."""
    error = refusal(bzimage()[:length])

    assert f"is truncated: it has {length} bytes of at least {len(bzimage())}" in error.what
    assert f"{len(bzimage()) - length} are missing" in error.evidence


def test_a_vmlinux_with_pvh_entry_is_loadable() -> None:
    """An ELF kernel tells its release in its banner; the PVH note lets QEMU start it."""
    facts = read_facts(vmlinux(release="7.0.0-rc1"), name="x")

    assert (facts.format, facts.release, facts.architecture) == (ImageFormat.ELF, "7.0.0-rc1", Architecture.X86_64)
    assert facts.banner == "7.0.0-rc1 (tester@host) (gcc 12) #1 SMP"
    require_loadable(facts, name="x", architectures=X86_64)


def test_a_vmlinux_without_pvh_entry_is_refused_with_the_way_out() -> None:
    """QEMU cannot start an ELF kernel without the note; the bzImage of the same build is what to give."""
    error = refusal(vmlinux(has_pvh_entry=False))

    assert "no PVH entry point" in error.what
    assert "bzImage" in error.remedy


@pytest.mark.parametrize("length", [20, 64 + 30, 64 + 2 * 56 + 10, len(vmlinux()) - 1])
def test_a_truncated_vmlinux_is_seen(length: int) -> None:
    """An ELF file cut in its header, its program headers or a segment is truncated."""

    assert f"is truncated: it has {length} bytes" in refusal(vmlinux()[:length]).what


@pytest.mark.parametrize(
    ("data", "architecture"),
    [
        (arm64_image(), "arm64"),
        (gzip.compress(arm64_image(), mtime=0), "arm64"),
        (b"MZ\0\0zimg" + bytes(0x34) + b"\x40\0\0\0PE\0\0\x64\xaa", "arm64"),
        (arm_zimage(), "arm"),
        (bytes(0x38) + b"RSC\x05", "riscv"),
        (bytes(0x38) + b"\xcd\x23\x82\x81", "loongarch"),
        (bytes(0x10008) + b"S390EP", "s390"),
        (vmlinux(machine=183), "arm64"),
        (vmlinux(machine=3), "i386"),
        (vmlinux(machine=21, order=">"), "powerpc"),
    ],
)
def test_another_architecture_is_named(data: bytes, architecture: str) -> None:
    """A kernel for other processors is refused by the name of its architecture, not as unknown data."""

    assert f"is for {architecture}; this harness's machine types run x86_64" in refusal(data).what


def test_the_release_of_an_arm64_image_is_evidence() -> None:
    """The refusal of another architecture shows which kernel it was."""

    assert RELEASE in refusal(arm64_image()).evidence


def test_a_compressed_vmlinux_is_refused_with_the_way_out() -> None:
    """QEMU does not unpack a gzip-compressed x86 kernel; the remedy is to unpack it."""
    error = refusal(gzip.compress(vmlinux()))

    assert "it is a gzip-compressed image" in error.what
    assert "unpack it" in error.remedy


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"#!/bin/sh\n", "it looks like a script"),
        (vmlinux(release=""), "an ELF executable without a kernel's version banner"),
        (b"MZ" + bytes(600), "a PE/EFI program without a kernel's boot header"),
    ],
)
def test_what_is_no_kernel_is_refused(data: bytes, says: str) -> None:
    """A file that is no kernel is refused by what it looks like."""

    assert says in refusal(data).what


@given(st.binary(max_size=700) | st.binary(max_size=700).map(lambda tail: b"\x7fELF\2\1" + tail))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No file whatever makes the reader fail otherwise than with a usage error."""
    try:
        facts = read_facts(data, name="x")
    except UsageError:
        return

    assert facts.format in ImageFormat


@pytest.mark.guest
def test_the_crafted_image_boots_and_stays_silent(tmp_path: Path) -> None:
    """QEMU runs the crafted code (it can end QEMU), and the silent one neither ends nor says anything."""
    words = "-accel tcg -M q35 -m 128 -nodefaults -display none -serial stdio -device isa-debug-exit,iobase=0xf4"
    qemu = ["qemu-system-x86_64", *words.split(), "-kernel"]
    (tmp_path / "ends").write_bytes(bzimage(code=END_QEMU))
    (tmp_path / "silent").write_bytes(bzimage())
    ended = run([*qemu, tmp_path / "ends"], deadline=Deadline.after(120), check=False)
    with pytest.raises(HostError, match="did not end within its 2 s") as caught:
        run([*qemu, tmp_path / "silent"], deadline=Deadline.after(2))

    assert ended.status == END_QEMU_STATUS
    assert caught.value.evidence.splitlines()[1:] == []
