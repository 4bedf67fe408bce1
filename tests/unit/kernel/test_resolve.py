# SPDX-License-Identifier: GPL-2.0-only
"""The kernel under test, from the word to the facts."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.process import find_program
from harness.base.store import Store
from harness.kernel.config.kconfig import ConfigSource
from harness.kernel.image.facts import Architecture
from harness.kernel.resolve import Kernel, resolve_kernel
from harness.model.kernel_spec import parse_spec
from tests.unit.kernel.config.test_kconfig import BOOTABLE
from tests.unit.kernel.images import RELEASE, arm64_image, bzimage, embed_config, vmlinux
from tests.unit.kernel.repository import Repository


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def resolve(store: Store, word: str | Path) -> Kernel:
    return resolve_kernel(Context(store, Deadline.after(60)), parse_spec(str(word)))


def refuse(store: Store, word: str | Path) -> UsageError:
    with pytest.raises(UsageError) as caught:
        resolve(store, word)
    return caught.value


def test_an_image_file_is_a_kernel(store: Store, tmp_path: Path) -> None:
    """A path gives image, release, architecture, digest and the config beside it."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(bzimage())
    (tmp_path / f"config-{RELEASE}").write_text(BOOTABLE)
    kernel = resolve(store, path)

    assert (kernel.release, kernel.architecture, kernel.image) == (RELEASE, Architecture.X86_64, path)
    assert kernel.banner == f"{RELEASE} (tester@host) #1 SMP"
    assert kernel.origin == str(path)
    assert kernel.image_digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert kernel.config_source is ConfigSource.BESIDE
    assert (kernel.notes, kernel.why_no_config) == ((), "")


@pytest.mark.parametrize(
    ("image", "config"),
    [
        ("boot/vmlinuz-{}", "boot/config-{}"),
        ("boot/vmlinuz-{}", "usr/lib/modules/{}/config"),
        ("usr/lib/modules/{}/vmlinuz", "usr/lib/modules/{}/config"),
    ],
)
def test_an_installed_kernel_has_its_config(store: Store, tmp_path: Path, image: str, config: str) -> None:
    """Debian has the config in /boot, and since 6.19 in /usr/lib/modules; the image follows in 7.2."""
    for name, content in {
        image: bzimage(),
        config: f"# Linux/x86 6.1.0 Kernel Configuration\n{BOOTABLE}".encode(),
    }.items():
        path = tmp_path / name.format(RELEASE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    kernel = resolve(store, tmp_path / image.format(RELEASE))

    assert kernel.config_source is ConfigSource.BESIDE


@pytest.mark.skipif(find_program("apt-get") is None, reason="the host has no apt")
def test_a_package_is_a_kernel(store: Store, tmp_path: Path) -> None:
    """A package word gives package and version as the origin; what went wrong while fetching is a note."""
    repository = Repository(tmp_path / "repository")
    files = {f"boot/vmlinuz-{RELEASE}": bzimage(), f"boot/config-{RELEASE}": BOOTABLE.encode()}
    repository.add("linux-image-crafted", "9.1-1", files=files)
    repository.update()
    spec = parse_spec("deb:linux-image-crafted")
    kernel = resolve_kernel(Context(store, Deadline.after(60)), spec, apt=repository.apt)
    repository.remove("linux-image-crafted")
    repository.update()
    again = resolve_kernel(Context(store, Deadline.after(60)), spec, apt=repository.apt)

    assert (kernel.origin, kernel.release) == ("linux-image-crafted 9.1-1", RELEASE)
    assert kernel.config_source is ConfigSource.BESIDE
    assert kernel.notes == ()
    assert again.image_digest == kernel.image_digest
    assert "was taken from the store" in again.notes[0]


def test_an_unknown_config_is_unknown_until_the_guest_tells(store: Store, tmp_path: Path) -> None:
    """Without a config the kernel is tried; /proc/config.gz of the guest fills it in."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(bzimage())
    kernel = resolve(store, path)
    told = kernel.with_guest_config(BOOTABLE)

    assert kernel.config_source is ConfigSource.UNKNOWN
    assert "no config beside the image" in kernel.why_no_config
    assert told.config is not None
    assert told.config_source is ConfigSource.IN_GUEST
    assert (told.why_no_config, told.notes) == ("", ())


def test_a_guest_that_contradicts_the_config_beside_is_noted(store: Store, tmp_path: Path) -> None:
    """The running kernel is beyond doubt; the options in which the file was wrong are named, a few of them."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(bzimage())
    beside = BOOTABLE + "# CONFIG_A is not set\nCONFIG_B=m\nCONFIG_C=y\nCONFIG_D=1\n"
    (tmp_path / f"config-{RELEASE}").write_text(beside)
    kernel = resolve(store, path)

    assert kernel.with_guest_config(BOOTABLE + "CONFIG_D=1\nCONFIG_C=y\nCONFIG_B=m\n# CONFIG_E is not set").notes == ()
    assert kernel.with_guest_config(BOOTABLE + "CONFIG_B=y\nCONFIG_C=y\nCONFIG_D=1\n").notes == (
        "the config beside the image is not that of the running kernel: CONFIG_B is y, not m",
    )
    assert (
        kernel.with_guest_config(BOOTABLE + "CONFIG_A=y\n")
        .notes[0]
        .endswith("CONFIG_A is y, not n, CONFIG_B is n, not m, CONFIG_C is n, not y, ...")
    )


def test_a_kernel_that_cannot_run_the_guest_is_refused_before_the_boot(store: Store, tmp_path: Path) -> None:
    """Each option that is missing is named with what it is for, wherever the config was found."""
    text = BOOTABLE.replace("CONFIG_SERIAL_8250_CONSOLE=y\n", "").replace("CONFIG_BLK_DEV_INITRD=y", "")
    path = tmp_path / "bzImage"
    path.write_bytes(bzimage(payload=gzip.compress(vmlinux(content=embed_config(text)))))
    error = refuse(store, path)

    assert error.what == (
        f"the kernel {RELEASE} cannot run the guest: CONFIG_BLK_DEV_INITRD is not set; "
        "CONFIG_SERIAL_8250_CONSOLE is not set"
    )
    assert "the kernel log goes to a serial console" in error.evidence
    assert "the guest image is an initramfs" in error.evidence
    assert "IKCONFIG in the image" in error.evidence


def test_bad_images_are_told_apart(store: Store, tmp_path: Path) -> None:
    """Missing, empty, truncated, no kernel, another architecture: each has its own words."""
    images = {
        "empty": b"",
        "truncated": bzimage()[:-1],
        "text": b"hello\n",
        "arm64": gzip.compress(arm64_image()),
        "no-entry": vmlinux(has_pvh_entry=False),
    }
    for name, data in images.items():
        (tmp_path / name).write_bytes(data)
    said = {name: refuse(store, tmp_path / name).what.replace(f"{tmp_path}/", "") for name in ["missing", *images]}

    assert said == {
        "missing": "no kernel image or tree missing",
        "empty": "the kernel image empty is empty",
        "truncated": f"the kernel image truncated is truncated: it has {len(bzimage()) - 1} bytes "
        f"of at least {len(bzimage())}",
        "text": "text is not a kernel image: it looks like text",
        "arm64": "the kernel image arm64 is for arm64; this harness's machine types run x86_64",
        "no-entry": "QEMU cannot start the vmlinux no-entry: it has no PVH entry point",
    }
