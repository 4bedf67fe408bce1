# SPDX-License-Identifier: GPL-2.0-only
"""Package files and unpacked folders as KERNEL: real archives of each kind, made by the programs that make them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import Surroundings, find_program, run
from harness.base.store import Store
from harness.kernel.config.kconfig import ConfigSource
from harness.kernel.resolve import Kernel, resolve_kernel
from harness.model.kernel_spec import parse_spec
from tests.unit.kernel.config.test_kconfig import BOOTABLE
from tests.unit.kernel.images import RELEASE, bzimage, vmlinux
from tests.unit.kernel.repository import Repository

needs_bsdtar = pytest.mark.skipif(find_program("bsdtar") is None, reason="the host has no bsdtar")
needs_dpkg = pytest.mark.skipif(find_program("dpkg-deb") is None, reason="the host has no dpkg-deb")

MODULES = f"usr/lib/modules/{RELEASE}"
IN_BOOT = {f"boot/vmlinuz-{RELEASE}": bzimage(), f"boot/config-{RELEASE}": BOOTABLE.encode()}
IN_MODULES = {f"{MODULES}/vmlinuz": bzimage(), f"{MODULES}/config": BOOTABLE.encode(), f"{MODULES}/kernel/a.ko": b"m"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def resolve(store: Store, word: Path | str) -> Kernel:
    return resolve_kernel(Context(store, Deadline.after(60)), parse_spec(str(word)))


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def archive(file: Path, files: Mapping[str, bytes], *options: str) -> Path:
    """Write an archive with bsdtar; its format follows from the name of the file."""
    root = write(file.parent / "root", files)
    tops = sorted({name.partition("/")[0] for name in files})
    argv: list[str | Path] = ["bsdtar", "-c", *(options or ("-a",)), "-f", file.absolute(), *tops]
    run(argv, deadline=Deadline.after(120), within=Surroundings(cwd=root))
    return file


def rpm(file: Path, files: Mapping[str, bytes]) -> Path:
    """Write an RPM package: a lead, two headers without entries, and a cpio archive."""
    payload = archive(
        file.with_suffix(".cpio"), {f"./{name}"[2:]: content for name, content in files.items()}, "--format", "newc"
    )
    lead = struct.pack(">4sBBHH66sHH16s", b"\xed\xab\xee\xdb", 3, 0, 0, 1, b"kernel", 1, 5, b"")
    header = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", 0, 0)
    file.write_bytes(lead + header * 2 + payload.read_bytes())
    return file


def deb(folder: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """Write a Debian package into a folder, by its name without the version."""
    built = Repository(folder / f"build-{name}").add(name, "9.1-1", files=files)
    return built.rename(folder / f"{name}_9.1-1_amd64.deb")


@needs_dpkg
def test_a_debian_package(store: Store, tmp_path: Path) -> None:
    """``make bindeb-pkg`` puts image and config into /boot of one package."""
    package = deb(tmp_path, f"linux-image-{RELEASE}", IN_BOOT)
    kernel = resolve(store, package)

    assert (kernel.release, kernel.config_source) == (RELEASE, ConfigSource.BESIDE)
    assert kernel.origin == str(package)
    assert kernel.notes == ()
    assert resolve(store, package) == kernel


@needs_dpkg
@pytest.mark.parametrize("given", ["image", "binary", "base"])
def test_debian_packages_of_one_build(store: Store, tmp_path: Path, given: str) -> None:
    """Since Debian's 6.19 image and config are in packages of their own; any of them names the kernel."""
    packages = {
        "image": deb(tmp_path, f"linux-image-{RELEASE}", {"usr/share/doc/x": b"nothing"}),
        "binary": deb(tmp_path, f"linux-binary-{RELEASE}", {f"{MODULES}/vmlinuz": bzimage()}),
        "base": deb(tmp_path, f"linux-base-{RELEASE}", {f"{MODULES}/config": BOOTABLE.encode()}),
    }
    deb(tmp_path, "linux-base-6.1.1-other", {"usr/lib/modules/6.1.1-other/config": b""})
    kernel = resolve(store, packages[given])

    assert (kernel.release, kernel.config_source) == (RELEASE, ConfigSource.BESIDE)
    assert kernel.notes == (
        f"the kernel was taken from linux-binary-{RELEASE}_9.1-1_amd64.deb, linux-base-{RELEASE}_9.1-1_amd64.deb",
    )


@needs_dpkg
def test_a_debian_package_without_its_image(store: Store, tmp_path: Path) -> None:
    """The error names the file that has the image."""
    package = deb(tmp_path, f"linux-image-{RELEASE}", {"usr/share/doc/x": b"nothing"})
    with pytest.raises(UsageError, match="has no kernel image") as caught:
        resolve(store, package)

    assert f"linux-binary-{RELEASE}_9.1-1_amd64.deb: put it into the same folder" in caught.value.remedy
    assert list((store.folder / "kernel-package").glob("*/*")) == []


@needs_bsdtar
@needs_dpkg
def test_a_debian_package_on_a_host_without_dpkg(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other distributions have bsdtar."""
    package = deb(tmp_path, f"linux-image-{RELEASE}", IN_BOOT)
    bsdtar = find_program("bsdtar")
    assert bsdtar
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bsdtar").symlink_to(bsdtar)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert resolve(store, package).release == RELEASE


@needs_bsdtar
@pytest.mark.parametrize("layout", [IN_BOOT, IN_MODULES], ids=["boot", "modules"])
@pytest.mark.parametrize("name", ["linux-9.1-x86.tar", "linux-9.1-x86.tar.gz", "linux-9.1-1-x86_64.pkg.tar.zst"])
def test_tar_files(store: Store, tmp_path: Path, name: str, layout: Mapping[str, bytes]) -> None:
    """``make tar-pkg`` and its kin, and packages of Arch."""
    kernel = resolve(store, archive(tmp_path / name, layout))

    assert (kernel.release, kernel.config_source) == (RELEASE, ConfigSource.BESIDE)


@needs_bsdtar
def test_the_bootable_image_of_a_tar_file(store: Store, tmp_path: Path) -> None:
    """``make tar-pkg`` adds the vmlinux with debug information; the vmlinuz boots."""
    files = {**IN_BOOT, f"boot/vmlinux-{RELEASE}": vmlinux()}

    assert resolve(store, archive(tmp_path / "linux.tar", files)).image.name == f"vmlinuz-{RELEASE}"


@needs_bsdtar
@pytest.mark.parametrize("given", ["kernel-9.1-1.x86_64.rpm", "kernel-core-9.1-1.x86_64.rpm"])
def test_rpm_packages(store: Store, tmp_path: Path, given: str) -> None:
    """Fedora has the kernel in kernel-core; kernel itself is empty."""
    rpm(tmp_path / "kernel-core-9.1-1.x86_64.rpm", IN_MODULES)
    (tmp_path / "empty").mkdir()
    rpm(tmp_path / "empty/kernel-9.1-1.x86_64.rpm", {"usr/share/doc/x": b""}).rename(
        tmp_path / "kernel-9.1-1.x86_64.rpm"
    )
    kernel = resolve(store, tmp_path / given)

    assert (kernel.release, kernel.config_source) == (RELEASE, ConfigSource.BESIDE)


@needs_bsdtar
def test_a_damaged_package_is_named(store: Store, tmp_path: Path) -> None:
    """An archive that bsdtar cannot read is an error about that file."""
    package = archive(tmp_path / "linux.tar.gz", IN_BOOT)
    package.write_bytes(package.read_bytes()[:200])
    with pytest.raises(HostError, match=r"linux\.tar\.gz cannot be unpacked"):
        resolve(store, package)


def test_without_bsdtar_its_package_is_named(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy is the command that installs it."""
    package = tmp_path / "linux.tar"
    package.write_bytes(bytes(1024))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="bsdtar is missing") as caught:
        resolve(store, package)

    assert caught.value.packages == ("libarchive-tools",)
    assert caught.value.remedy == "sudo apt-get install libarchive-tools"


@pytest.mark.parametrize(
    ("files", "inside"),
    [(IN_BOOT, ""), (IN_BOOT, "boot"), (IN_MODULES, ""), (IN_MODULES, MODULES), (IN_MODULES, "usr")],
    ids=["root", "boot", "unpacked", "modules", "usr"],
)
def test_an_unpacked_folder(store: Store, tmp_path: Path, files: Mapping[str, bytes], inside: str) -> None:
    """/boot, /usr/lib/modules/VERSION, or an unpacked package: image and config are found in it."""
    kernel = resolve(store, write(tmp_path / "unpacked", files) / inside)

    assert (kernel.release, kernel.config_source) == (RELEASE, ConfigSource.BESIDE)


def test_a_folder_with_several_kernels(store: Store, tmp_path: Path) -> None:
    """As in /boot of a host: the user chooses."""
    folder = write(tmp_path, {"boot/vmlinuz-1": bzimage(), "boot/vmlinuz-2": bzimage()}) / "boot"
    with pytest.raises(UsageError, match="has several kernels") as caught:
        resolve(store, folder)

    assert caught.value.remedy == f"give one of them, e.g. {folder}/vmlinuz-2"


@needs_dpkg
def test_a_folder_of_package_files(store: Store, tmp_path: Path) -> None:
    """The folder that ``make bindeb-pkg`` wrote to, beside the tree."""
    folder = tmp_path / "packages"
    folder.mkdir()
    deb(folder, f"linux-image-{RELEASE}", IN_BOOT)
    deb(folder, f"linux-image-{RELEASE}-dbg", {})
    deb(folder, f"linux-headers-{RELEASE}", {})

    assert resolve(store, folder).release == RELEASE
