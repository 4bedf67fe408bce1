# SPDX-License-Identifier: GPL-2.0-only
"""Kernel image packages: a real apt on a repository in a folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import find_program
from harness.base.store import Store
from harness.kernel.source.apt import Apt
from harness.kernel.source.image_package import Fetched, fetch_image_package
from harness.kernel.source.package_contents import extract_kernel
from harness.model.kernel_spec import parse_spec
from tests.unit.kernel.images import bzimage
from tests.unit.kernel.repository import Repository

pytestmark = pytest.mark.skipif(find_program("apt-get") is None, reason="the host has no apt")

CONFIG = b"CONFIG_64BIT=y\n"
META = "linux-image-cloud-amd64"


def image_package(release: str) -> str:
    return f"linux-image-{release}"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with the default meta-package, its image package, and one that is no kernel."""
    one = Repository(tmp_path / "repository")
    publish(one, "9.1.0-1-cloud-amd64", "9.1.0-1")
    one.add("editor", "1.0", files={"usr/bin/editor": b"#!/bin/sh\n"})
    one.update()
    return one


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def publish(repository: Repository, release: str, version: str) -> Path:
    """Add an image package, and a version of the meta-package that depends on it."""
    files = {
        f"boot/vmlinuz-{release}": bzimage(release=release),
        f"boot/config-{release}": CONFIG,
        f"boot/System.map-{release}": b"ffffffffffffffff B map\n",
        f"lib/modules/{release}/kernel/a.ko": b"module",
    }
    repository.add(META, version, depends=f"{image_package(release)} (= {version})")
    return repository.add(image_package(release), version, depends="kmod, a | b", files=files)


def fetch(store: Store, repository: Repository, word: str = "deb") -> Fetched:
    return fetch_image_package(Context(store, Deadline.after(60)), parse_spec(word), apt=repository.apt)


def refuse(store: Store, repository: Repository, word: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        fetch(store, repository, word)
    return caught.value


def lose_apt(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make this a host without apt."""
    monkeypatch.setenv("PATH", str(folder))


def test_the_default_is_the_image_behind_the_cloud_meta_package(store: Store, repository: Repository) -> None:
    """``deb`` follows the meta-package; image, config, symbol map and facts are kept, and nothing else."""
    fetched = fetch(store, repository)
    file = repository.pool / "linux-image-9.1.0-1-cloud-amd64_9.1.0-1.deb"

    assert (fetched.package, fetched.version, fetched.architecture) == (
        "linux-image-9.1.0-1-cloud-amd64", "9.1.0-1", "amd64",
    )  # fmt: skip
    assert fetched.image.read_bytes() == bzimage(release="9.1.0-1-cloud-amd64")
    assert fetched.config is not None
    assert fetched.config.read_bytes() == CONFIG
    assert fetched.note == ""
    assert fetched.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert json.loads((fetched.folder / "package.json").read_text())["version"] == "9.1.0-1"
    assert sorted(path.name for path in fetched.folder.iterdir()) == [
        "System.map-9.1.0-1-cloud-amd64", "config-9.1.0-1-cloud-amd64", "package.json", "vmlinuz-9.1.0-1-cloud-amd64",
    ]  # fmt: skip


@pytest.mark.parametrize("word", [f"deb:{META}", "deb:linux-image-9.1.0-1-cloud-amd64"])
def test_a_package_is_fetched_by_name(store: Store, repository: Repository, word: str) -> None:
    """A meta-package given by name is followed too; an image package is taken as it is."""

    assert fetch(store, repository, word) == fetch(store, repository)


def test_apt_is_not_asked_while_its_lists_stand(
    store: Store, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second time needs no apt at all, and says nothing of it."""
    first = fetch(store, repository)
    lose_apt(monkeypatch, tmp_path)

    assert fetch(store, repository) == first


def test_an_update_of_the_lists_brings_the_newer_kernel(store: Store, repository: Repository) -> None:
    """When the lists change, apt chooses again; an exact version stays the same."""
    fetch(store, repository)
    publish(repository, "9.1.0-2-cloud-amd64", "9.1.1-1")
    repository.update()

    assert fetch(store, repository).version == "9.1.1-1"
    assert fetch(store, repository, f"deb:{META}=9.1.0-1").package == "linux-image-9.1.0-1-cloud-amd64"


def test_a_rebuild_of_the_same_release_is_another_kernel(store: Store, repository: Repository) -> None:
    """Package names change with the kernel's ABI only: the version tells two builds apart."""
    fetch(store, repository)
    publish(repository, "9.1.0-1-cloud-amd64", "9.1.0-2")
    repository.update()

    assert fetch(store, repository).version == "9.1.0-2"


def test_a_version_named_needs_no_apt_once_it_is_here(
    store: Store, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A package of a named version cannot become newer: changed lists do not matter."""
    first = fetch(store, repository, f"deb:{META}=9.1.0-1")
    (repository.folder / "lists" / "changed").touch()
    lose_apt(monkeypatch, tmp_path)

    assert fetch(store, repository, f"deb:{META}=9.1.0-1") == first


def test_without_network_the_one_in_the_store_is_taken(store: Store, repository: Repository) -> None:
    """A newer version that cannot be downloaded leaves the held one, and the note says which and why."""
    fetch(store, repository)
    publish(repository, "9.1.0-2-cloud-amd64", "9.1.1-1")
    repository.update()
    repository.remove("linux-image-9.1.0-2-cloud-amd64")
    fetched = fetch(store, repository)

    assert fetched.version == "9.1.0-1"
    assert fetched.note == (
        "linux-image-9.1.0-1-cloud-amd64 9.1.0-1 was taken from the store, as apt failed: the package "
        "linux-image-9.1.0-2-cloud-amd64 9.1.1-1 could not be downloaded"
    )


def test_a_package_that_the_distribution_dropped_is_taken_from_the_store(store: Store, repository: Repository) -> None:
    """Old image packages leave the archive with each new one; what is held stays usable."""
    word = "deb:linux-image-9.1.0-1-cloud-amd64"
    fetch(store, repository, word)
    repository.remove("linux-image-9.1.0-1-cloud-amd64")
    repository.update()
    fetched = fetch(store, repository, word)

    assert fetched.version == "9.1.0-1"
    assert "have no package linux-image-9.1.0-1-cloud-amd64" in fetched.note


def test_without_network_and_store_the_host_is_at_fault(store: Store, repository: Repository) -> None:
    """A download that fails shows apt's complaint and leaves nothing half-made."""
    repository.remove("linux-image-9.1.0-1-cloud-amd64")
    with pytest.raises(HostError, match="could not be downloaded") as caught:
        fetch(store, repository)

    assert "E: " in caught.value.evidence
    assert "apt-get update" in caught.value.remedy
    assert list((store.folder / "kernel-package").glob("*/*")) == []


def test_a_package_that_was_tampered_with_is_refused(store: Store, repository: Repository) -> None:
    """A file that is not the one of the lists never reaches the store."""
    file = repository.pool / "linux-image-9.1.0-1-cloud-amd64_9.1.0-1.deb"
    file.write_bytes(file.read_bytes().replace(b"module", b"MODULE"))
    with pytest.raises(HostError, match="could not be downloaded") as caught:
        fetch(store, repository)

    assert "Hash Sum mismatch" in caught.value.evidence


def test_empty_package_lists_give_the_command_that_fills_them(store: Store, tmp_path: Path) -> None:
    """A fresh container has no lists: the remedy is the exact command."""
    with pytest.raises(HostError, match="its package lists are empty") as caught:
        fetch(store, Repository(tmp_path / "fresh"))

    assert caught.value.remedy in ("apt-get update", "sudo apt-get update")


def test_a_host_without_apt_is_told_so(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Debian's package tools the way out is the path of an image."""
    lose_apt(monkeypatch, tmp_path)
    with pytest.raises(HostError, match="need Debian's package tools") as caught:
        fetch_image_package(Context(store, Deadline.after(120)), parse_spec("deb"), apt=Apt(lists=tmp_path))

    assert "path of a kernel image" in caught.value.remedy


def test_lists_that_apt_cannot_read_are_the_hosts_fault(store: Store, repository: Repository) -> None:
    """A broken apt is not mistaken for a wrong package name."""
    (repository.folder / "etc/sources.list").write_text("nonsense\n")
    with pytest.raises(HostError, match="cannot read its package lists"):
        fetch(store, repository, "deb:linux-image-9.1.0-1-cloud-amd64")


def test_an_unknown_package_is_answered_with_near_names(store: Store, repository: Repository) -> None:
    """A slip of the pen is answered with the names nearest to it."""
    error = refuse(store, repository, "deb:linux-imag-cloud-amd64")

    assert error.what == "apt's package lists have no package linux-imag-cloud-amd64"
    assert error.evidence.splitlines()[:2] == ["similar names:", META]


def test_an_unknown_version_is_answered_with_the_one_there_is(store: Store, repository: Repository) -> None:
    """The remedy is the word with the version that the lists have."""
    error = refuse(store, repository, f"deb:{META}=7")

    assert error.what == f"apt's package lists have no version 7 of {META}"
    assert error.remedy == f"give deb:{META}=9.1.0-1"


def test_a_meta_package_whose_image_is_missing_is_the_hosts_fault(store: Store, repository: Repository) -> None:
    """Lists that contradict themselves need an update, not another word."""
    repository.remove("linux-image-9.1.0-1-cloud-amd64")
    repository.update()
    with pytest.raises(HostError, match=r"depends on linux-image-9\.1\.0-1-cloud-amd64 9\.1\.0-1, which"):
        fetch(store, repository, f"deb:{META}")


def test_a_package_without_image_is_refused(store: Store, repository: Repository) -> None:
    """What holds no image is no kernel, whatever its name; the download is not kept."""
    error = refuse(store, repository, "deb:editor")

    assert error.what == "the package editor has no kernel image"
    assert error.evidence == "editor 1.0 has in /boot: nothing"
    assert list((store.folder / "kernel-package").glob("*/*")) == []


def publish_split(repository: Repository, release: str, *, image: str, signed: str = "") -> None:
    """Add the packages of a kernel as Debian builds them since 6.19.

    :param image: the path of the image in the package.
    :param signed: ``-unsigned`` for the packages without Secure Boot.
    """
    same = "(= 9.2-1)"
    base, binary = f"linux-base-{release}", f"linux-binary{signed}-{release}"
    depends = f"initramfs-tools | dracut, {base} {same}, {binary} {same}, linux-modules-{release} {same}"
    repository.add(image_package(release), "9.2-1", depends=depends, files={"usr/share/doc/x": b"nothing"})
    repository.add(binary, "9.2-1", depends=f"{base} {same}", files={image: bzimage(release=release)})
    folder = f"usr/lib/modules/{release}"
    repository.add(base, "9.2-1", files={f"{folder}/config": CONFIG, f"{folder}/System.map": b"ffff B map\n"})
    repository.add(META, "9.2-1", depends=f"linux-base-cloud-amd64 {same}, {image_package(release)} {same}")
    repository.update()


@pytest.mark.parametrize("folder", ["boot/vmlinuz-{}", "usr/lib/modules/{}/vmlinuz"])
@pytest.mark.parametrize("signed", ["", "-unsigned"])
@pytest.mark.parametrize("word", ["deb", "deb:9.2", "deb:linux-image-{}", "deb:linux-binary{signed}-{}"])
def test_a_kernel_in_several_packages(
    store: Store, repository: Repository, folder: str, signed: str, word: str
) -> None:
    """Since Debian's 6.19 image and config are in packages of their own, and from 7.2 outside of /boot."""
    release = "9.2-cloud-amd64"
    publish_split(repository, release, image=folder.format(release), signed=signed)
    fetched = fetch(store, repository, word.format(release, signed=signed))

    assert (fetched.version, fetched.image.name, fetched.note) == ("9.2-1", f"vmlinuz-{release}", "")
    assert fetched.image.read_bytes() == bzimage(release=release)
    assert fetched.config == fetched.folder / f"config-{release}"
    assert (fetched.folder / f"System.map-{release}").is_file()


def test_a_config_package_that_the_lists_do_not_have(store: Store, repository: Repository) -> None:
    """The archive dropped linux-base-V of kernels that it still has: the kernel is taken, and the note says so."""
    publish_split(repository, "9.2-cloud-amd64", image="boot/vmlinuz-9.2-cloud-amd64")
    repository.remove("linux-base-9.2-cloud-amd64")
    repository.update()
    fetched = fetch(store, repository)

    assert fetched.config is None
    assert fetched.note.startswith(
        "the package linux-base-9.2-cloud-amd64 9.2-1, which has the kernel's config, is not"
    )
    assert fetch(store, repository) == fetched


def test_an_image_package_that_the_lists_do_not_have(store: Store, repository: Repository) -> None:
    """Lists with linux-image-V and without its linux-binary-V need an update."""
    publish_split(repository, "9.2-cloud-amd64", image="boot/vmlinuz-9.2-cloud-amd64")
    repository.remove("linux-binary-9.2-cloud-amd64")
    repository.update()
    with pytest.raises(HostError, match=r"has its image in linux-binary-9\.2-cloud-amd64 9\.2-1, which apt's package"):
        fetch(store, repository)


def test_a_config_in_the_package_of_the_modules(store: Store, repository: Repository) -> None:
    """Ubuntu has the config in linux-modules-V."""
    repository.add(
        "linux-image-9.3.0-31-generic", "9.3-1", depends="kmod, linux-modules-9.3.0-31-generic",
        files={"boot/vmlinuz-9.3.0-31-generic": bzimage(release="9.3.0-31-generic")},
    )  # fmt: skip
    repository.add("linux-modules-9.3.0-31-generic", "9.3-1", files={"boot/config-9.3.0-31-generic": CONFIG})
    repository.update()

    assert fetch(store, repository, "deb:9.3").config


def test_debug_symbols_are_refused_before_the_download(store: Store, repository: Repository) -> None:
    """A gigabyte of symbols is not fetched to find no image in it."""
    repository.add("linux-image-9.1.0-1-cloud-amd64-dbg", "1")
    repository.update()
    repository.remove("linux-image-9.1.0-1-cloud-amd64-dbg")

    assert "debug symbols" in refuse(store, repository, "deb:linux-image-9.1.0-1-cloud-amd64-dbg").evidence


@pytest.mark.parametrize("name", ["vmlinuz-9.1.0-1-cloud-amd64", "package.json"])
def test_a_damaged_product_is_made_anew(store: Store, repository: Repository, name: str) -> None:
    """A file missing from the store is fetched again."""
    first = fetch(store, repository)
    (first.folder / name).unlink()

    assert fetch(store, repository) == first
    assert (first.folder / name).is_file()


def test_a_damaged_package_file_is_the_hosts_fault(tmp_path: Path) -> None:
    """What dpkg-deb cannot read is an error that names the file."""
    file = tmp_path / "a.deb"
    file.write_bytes(b"!<arch>\ndamaged")
    with pytest.raises(HostError, match=r"a\.deb cannot be unpacked"):
        extract_kernel(file, tmp_path, deadline=Deadline.never())


def test_a_package_cannot_write_outside_the_folder(repository: Repository, tmp_path: Path) -> None:
    """Only plain files directly in /boot are taken, by their last name."""
    file = repository.add("odd", "1", files={
        "boot/grub/vmlinuz-1": b"deep", "boot/vmlinuz-2": b"image", "boot/memtest": b"", "bootx/vmlinuz-3": b"",
    })  # fmt: skip
    folder = tmp_path / "out"
    folder.mkdir()

    assert extract_kernel(file, folder, deadline=Deadline.never()) == ["vmlinuz-2"]
    assert [path.name for path in folder.iterdir()] == ["vmlinuz-2"]
